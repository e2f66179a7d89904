//! Server.
pub mod providers;
