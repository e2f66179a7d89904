//! The server's tests against a real PostgreSQL: one binary, its folders as in `src`.

mod embedded;
mod queue;
mod support;
mod tenancy;
