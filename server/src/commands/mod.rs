//! The command line: one file a command. Exit codes: 0 done, 1 failed, 2 wrong usage or settings.

mod demo;
mod doctor;
mod kpis;
mod logging;
mod migrate;
mod sandbox;
mod schema;
mod seed;
mod serve;
mod signal;
mod sync;
mod token;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::access::PasswordError;
use crate::accounts::AccountError;
use crate::config::{ConfigError, Settings};
use crate::store::{ConnectError, MigrationError, StoreError};

/// Commerce KPIs from Shopify orders and Meta ads, over GraphQL.
#[derive(Debug, Parser)]
#[command(name = "server", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring up everything in one process, on sandbox data
    Demo(demo::Options),
    /// Serve the API
    Serve,
    /// Run jobs and schedules
    Worker,
    /// Run jobs for one link, here and now
    Sync(sync::Options),
    /// Print an account's daily numbers
    Kpis(kpis::Options),
    /// Bring the database's schema up or down, or show where it stands
    #[command(subcommand)]
    Migrate(migrate::Step),
    /// Make an account with one user; run again, it changes nothing
    Seed(seed::Options),
    /// API tokens
    #[command(subcommand)]
    Token(token::Action),
    /// Serve the sandbox providers alone
    Sandbox(sandbox::Options),
    /// Print the GraphQL schema
    Schema,
    /// Check settings, database and providers, and say what to do
    Doctor,
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Settings that are missing or wrong, one a line.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// Options that don't fit.
    #[error("{0}")]
    Usage(String),
    /// The database must not be used as it is, or is away.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The schema was not changed.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// An account, user or token was not made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The database did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine's certificates can't be loaded.
    #[error("no outbound connection can be prepared: {0}")]
    Outbound(#[from] reqwest::Error),
    /// Something else went wrong, as a sentence.
    #[error("{0}")]
    Failed(String),
}

impl CommandError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_)
            | Self::Usage(_)
            | Self::Connect(ConnectError::Address | ConnectError::Unbound { .. })
            | Self::Account(AccountError::Invalid { .. } | AccountError::Password(PasswordError::Length)) => {
                ExitCode::from(2)
            }
            _ => ExitCode::FAILURE,
        }
    }
}

/// Runs the command that the arguments name. What it has to say goes to standard output, its log and its problems to
/// standard error.
pub async fn run(arguments: Arguments) -> ExitCode {
    // Somebody may have installed one before; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut settings = Settings::from_environment();
    // The demo chooses its own log.
    if !matches!(arguments.command, Command::Demo(_)) {
        logging::start(&mut settings);
    }
    let done = match arguments.command {
        Command::Demo(options) => demo::run(options).await,
        Command::Serve => serve::run(settings).await,
        Command::Worker => worker::run(settings).await,
        Command::Sync(options) => sync::run(settings, options).await,
        Command::Kpis(options) => kpis::run(settings, options).await,
        Command::Sandbox(options) => sandbox::run(options).await,
        Command::Migrate(step) => migrate::run(settings, step).await,
        Command::Seed(options) => seed::run(settings, options).await,
        Command::Token(action) => token::run(settings, action).await,
        Command::Schema => schema::run(),
        Command::Doctor => doctor::run(Settings::from_environment).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

/// A client for the sign-in provider's keys and for checks.
fn outbound() -> Result<reqwest::Client, CommandError> {
    reqwest::Client::builder()
        .user_agent(concat!("commerce-kpis/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| CommandError::Failed(format!("the machine's certificates can't be loaded: {error}")))
}
