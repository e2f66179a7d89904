//! Words without IO: what an id, an amount, a day, an order's facts are. Everything else is built from these.

pub mod clock;
pub mod entropy;
pub mod fact;
pub mod ids;
pub mod job;
pub mod money;
pub mod period;
pub mod record;
pub mod webhook;
pub mod window;
