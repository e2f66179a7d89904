//! The server's tests against a real PostgreSQL: one binary, its folders as in `src`.

mod crash;
mod embedded;
mod queue;
mod support;
mod sync;
mod tenancy;
