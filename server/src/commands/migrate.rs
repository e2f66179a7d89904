//! `server migrate up | down | status`: the schema, as its owner.

use clap::{Args, Subcommand};

use super::CommandError;
use crate::config::Settings;
use crate::store::{migrate_down, migrate_up, migration_states};

/// What to do with the schema.
#[derive(Debug, Subcommand)]
pub(super) enum Step {
    /// Run every migration that has not run yet, and make the roles `api` and `worker`
    Up,
    /// Take migrations back, with all the data in their tables
    Down(Down),
    /// List every migration and whether it has run
    Status,
}

#[derive(Debug, Args)]
pub(super) struct Down {
    /// How many, the last one first; all of them where this is left out
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Needed, since the data in the tables is lost
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(mut settings: Settings, step: Step) -> Result<(), CommandError> {
    let database = settings.migration_database();
    let database = settings.finish(database)?;
    match step {
        Step::Up => {
            let names = migrate_up(&database).await?;
            list("up", &names, "The schema was up to date.");
        }
        Step::Down(Down { yes: false, .. }) => {
            let message = "Taking migrations back deletes the data in their tables; add --yes if that is meant.";
            return Err(CommandError::Usage(message.to_owned()));
        }
        Step::Down(Down { steps, yes: true }) => {
            let names = migrate_down(&database, steps).await?;
            list("down", &names, "There was nothing to take back.");
        }
        Step::Status => {
            for state in migration_states(&database).await? {
                let word = if state.applied { "applied" } else { "pending" };
                println!("{word}  {}", state.name);
            }
        }
    }
    Ok(())
}

fn list(word: &str, names: &[String], if_none: &str) {
    for name in names {
        println!("{word}  {name}");
    }
    if names.is_empty() {
        println!("{if_none}");
    }
}
