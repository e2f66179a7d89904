//! `server token create`: an API token from the server's own shell, for when nobody can sign in yet or nobody should.

use clap::{Args, Subcommand};

use super::CommandError;
use crate::accounts::{ApiTokenRequest, Creator, issue_api_token};
use crate::config::Settings;
use crate::domain::clock::Clock;
use crate::domain::ids::{AccountId, Role};
use crate::store::{Database, Tenant};

/// What to do with API tokens.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make a token and print it, this once
    Create(Create),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The account: its id, or the e-mail address of one of its users
    #[arg(long)]
    account: String,
    /// What the token's bearer may do: owner, admin, analyst or viewer
    #[arg(long)]
    role: Role,
    /// What the token is for
    #[arg(long, default_value = "made at the shell")]
    name: String,
    /// After how many days the token ends; never where this is left out
    #[arg(long)]
    expires_days: Option<u32>,
    /// What the token is limited to, such as kpi:read; may be given several times
    #[arg(long = "scope")]
    scopes: Vec<String>,
}

pub(super) async fn run(mut settings: Settings, action: Action) -> Result<(), CommandError> {
    let Action::Create(create) = action;
    let database = settings.web_database();
    let database = Database::connect_web(&settings.finish(database)?).await?;
    let tenant = find_account(&database, create.account.trim()).await?;
    let request = ApiTokenRequest {
        name: create.name,
        role: create.role,
        scopes: create.scopes,
        expires_in_days: create.expires_days,
    };
    let db = database.write(&tenant).await?;
    let issued = issue_api_token(&db, Creator::Operator, &request, Clock::system().now()).await?;
    db.commit().await?;
    println!("{}", issued.secret.reveal());
    Ok(())
}

async fn find_account(database: &Database, text: &str) -> Result<Tenant, CommandError> {
    let system = database.system();
    let found = match text.parse::<AccountId>() {
        Ok(id) => system.find_account(id).await?,
        Err(_) => system.find_login(text).await?.map(|login| login.tenant),
    };
    found.ok_or_else(|| {
        CommandError::Failed(format!(
            "There is no account `{text}`; give its id or the e-mail address of one of its users, as `server seed` prints them."
        ))
    })
}
