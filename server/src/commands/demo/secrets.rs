//! What a demo must remember to be started again: its keys, its password and its token, in a file that only its user
//! can read.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::super::CommandError;
use crate::access::ApiToken;
use crate::accounts::{ApiTokenRequest, Creator, issue_api_token};
use crate::connections::unguessable;
use crate::domain::clock::Clock;
use crate::domain::entropy::secret_bytes;
use crate::domain::ids::Role;
use crate::store::{Database, Tenant};

/// Keys and passwords of one demo.
#[derive(Serialize, Deserialize)]
pub(super) struct Secrets {
    pub(super) jwt_secret: String,
    pub(super) encryption_keys: String,
    pub(super) shopify_api_secret: String,
    pub(super) password: String,
}

impl Secrets {
    /// Those of an earlier start, else new ones.
    pub(super) fn of(home: &Path) -> Result<Self, CommandError> {
        let file = home.join("secrets.json");
        match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                CommandError::Failed(format!(
                    "{} can't be read ({error}); start with --fresh.",
                    file.display()
                ))
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secrets = Self {
                    jwt_secret: unguessable(),
                    encryption_keys: format!("demo:{}", STANDARD.encode(secret_bytes::<32>())),
                    shopify_api_secret: unguessable(),
                    password: unguessable().chars().take(16).collect(),
                };
                let text = serde_json::to_vec_pretty(&secrets).expect("texts make JSON");
                write_private(&file, &text)?;
                Ok(secrets)
            }
            Err(error) => Err(CommandError::Failed(format!(
                "{} can't be read: {error}",
                file.display()
            ))),
        }
    }
}

/// The demo's API token: the one of an earlier start while the database still knows it, else a new one.
pub(super) async fn api_token(home: &Path, database: &Database, tenant: &Tenant) -> Result<SecretString, CommandError> {
    let file = home.join("token");
    if let Ok(text) = fs::read_to_string(&file) {
        let known = match ApiToken::parse(&text) {
            Some(token) => database.system().find_api_token(token.hash()).await?,
            None => None,
        };
        if known.is_some_and(|token| token.tenant == *tenant && token.revoked_at.is_none()) {
            return Ok(text.into());
        }
    }
    let request = ApiTokenRequest {
        name: "demo".to_owned(),
        role: Role::Analyst,
        scopes: Vec::new(),
        expires_in_days: None,
    };
    let db = database.write(tenant).await?;
    let issued = issue_api_token(&db, Creator::Operator, &request, Clock::system().now()).await?;
    db.commit().await?;
    write_private(&file, issued.secret.reveal().as_bytes())?;
    Ok(issued.secret.reveal().to_owned().into())
}

/// Forgets everything, for a fresh start.
pub(super) fn forget(home: &Path) -> Result<(), CommandError> {
    for name in ["secrets.json", "token"] {
        match fs::remove_file(home.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(CommandError::Failed(format!(
                    "{} can't be removed: {error}",
                    home.join(name).display()
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_private(file: &Path, content: &[u8]) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| CommandError::Failed(format!("{} can't be written: {error}", file.display()));
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut open = OpenOptions::new();
    let mut written = open
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    written.write_all(content).map_err(failed)
}
