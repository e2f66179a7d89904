//! The command line.

use std::process::ExitCode;

use clap::Parser;
use server::commands::{Arguments, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Arguments::parse()).await
}
