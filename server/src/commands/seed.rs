//! `server seed`: one account and its owner. Run again with the same address it changes nothing, but the password where
//! one is given.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::CommandError;
use crate::access::hash_password;
use crate::accounts::{AccountError, FirstUser, Opened, check_account, open_account};
use crate::config::Settings;
use crate::domain::entropy::secret_bytes;
use crate::store::{Database, LoginRow};

/// The account and its owner.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The owner's e-mail address
    #[arg(long, default_value = "owner@example.com")]
    email: String,
    /// The owner's password; where it is left out, one is made and printed once
    #[arg(long)]
    password: Option<SecretString>,
    /// The owner's name; the part of the address before the @ where it is left out
    #[arg(long)]
    name: Option<String>,
    /// The account's name
    #[arg(long, default_value = "My store")]
    account: String,
    /// The currency of the account's numbers, by ISO 4217
    #[arg(long, default_value = "USD")]
    currency: String,
    /// The time zone in which the account's days begin and end, by its IANA name
    #[arg(long, default_value = "UTC")]
    timezone: String,
}

pub(super) async fn run(mut settings: Settings, options: Options) -> Result<(), CommandError> {
    let database = settings.web_database();
    let database = Database::connect_web(&settings.finish(database)?).await?;
    let account = check_account(&options.account, &options.currency, &options.timezone)?;
    if let Some(login) = database.system().find_login(options.email.trim()).await? {
        return keep(&database, &login, &options).await;
    }
    let generated = options.password.is_none();
    let password = options.password.clone().unwrap_or_else(generated_password);
    let before_at = options.email.trim().split('@').next().unwrap_or_default();
    let owner = FirstUser {
        email: &options.email,
        name: options.name.as_deref().unwrap_or(before_at),
        password: Some(&password),
    };
    match open_account(&database, &account, &owner).await {
        Ok(opened) => {
            let Opened { tenant, owner } = opened;
            println!("account   {}", tenant.account_id());
            println!("user      {owner}");
            println!("email     {}", options.email.trim());
            if generated {
                println!("password  {}", password.expose_secret());
            }
            Ok(())
        }
        // Another seed was quicker.
        Err(AccountError::EmailTaken) => match database.system().find_login(options.email.trim()).await? {
            Some(login) => keep(&database, &login, &options).await,
            None => Err(AccountError::EmailTaken.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The user is there: only a password that was given is set.
async fn keep(database: &Database, login: &LoginRow, options: &Options) -> Result<(), CommandError> {
    if let Some(password) = &options.password {
        let hash = hash_password(password).await.map_err(AccountError::from)?;
        let db = database.write(&login.tenant).await?;
        db.set_password_hash(login.user_id, &hash).await?;
        db.commit().await?;
    }
    println!("account   {}", login.tenant.account_id());
    println!("user      {}", login.user_id);
    println!("email     {}", options.email.trim());
    Ok(())
}

/// 120 random bits in letters and digits that can't be mistaken for each other.
fn generated_password() -> SecretString {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes: [u8; 24] = secret_bytes();
    let letters = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    letters.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_password_is_long_and_new_each_time() {
        let (one, other) = (generated_password(), generated_password());
        assert_eq!(one.expose_secret().len(), 24);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
}
