//! What the tests stand on.

pub(crate) mod database;
pub(crate) mod fixture;
pub(crate) mod oracle;
pub(crate) mod world;
