//! An account's first moment: the account and its owner, both or neither.

use secrecy::SecretString;

use super::currency::currency_in_use;
use super::{AccountError, invalid, name};
use crate::access::hash_password;
use crate::domain::ids::{Role, UserId};
use crate::store::{Database, NewAccount, NewUser, StoreError, Tenant};

/// The person who opens an account.
pub struct FirstUser<'a> {
    /// Signs in with it.
    pub email: &'a str,
    /// As the person is to be addressed.
    pub name: &'a str,
    /// None for a person who signs in elsewhere.
    pub password: Option<&'a SecretString>,
}

/// An account that has just been opened.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// The account.
    pub tenant: Tenant,
    /// Its owner.
    pub owner: UserId,
}

/// The account that was described in words, if each of them can be used: a name, a currency of ISO 4217, a time zone by
/// its IANA name.
pub fn check_account(account_name: &str, currency: &str, timezone: &str) -> Result<NewAccount, AccountError> {
    Ok(NewAccount {
        name: name("name", account_name, 200)?,
        currency: currency_in_use(currency)?,
        timezone: timezone.trim().parse().map_err(|_| {
            invalid(
                "timezone",
                "This is not a time zone; expected an IANA name such as Europe/Berlin.",
            )
        })?,
    })
}

/// Opens an account with its owner. [`AccountError::EmailTaken`] when the address belongs to anybody.
pub async fn open_account(
    database: &Database,
    account: &NewAccount,
    owner: &FirstUser<'_>,
) -> Result<Opened, AccountError> {
    let owner = NewUser {
        email: email(owner.email)?,
        name: name("name", owner.name, 200)?,
        role: Role::Owner,
        password_hash: match owner.password {
            Some(password) => Some(hash_password(password).await?),
            None => None,
        },
        auth_subject: None,
    };
    let db = database.open_account(account).await?;
    let opened = Opened {
        tenant: db.tenant(),
        owner: db.insert_user(&owner).await.map_err(email_taken)?,
    };
    db.commit().await?;
    Ok(opened)
}

/// An e-mail address, as far as its form can tell; whether it takes mail, only mail can tell.
fn email(text: &str) -> Result<String, AccountError> {
    let text = text.trim();
    let looks_right = text.len() <= 254
        && !text.contains(|character: char| character.is_whitespace() || character.is_control())
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    if looks_right {
        Ok(text.to_owned())
    } else {
        Err(invalid("email", "This is not an e-mail address."))
    }
}

fn email_taken(error: StoreError) -> AccountError {
    match error {
        StoreError::Conflict { constraint } if constraint == "users_email" => AccountError::EmailTaken,
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_needs_a_name_a_currency_and_a_time_zone() {
        let account = check_account(" Acme ", "usd", "Europe/Berlin").expect("all right");
        assert_eq!(account.name, "Acme");
        assert_eq!(account.currency.as_str(), "USD");
        assert_eq!(account.timezone.name(), "Europe/Berlin");
        for (name, currency, timezone, wrong) in [
            ("", "USD", "UTC", "name"),
            ("a\nb", "USD", "UTC", "name"),
            ("Acme", "dollars", "UTC", "currency"),
            ("Acme", "USD", "Berlin", "timezone"),
        ] {
            let error = check_account(name, currency, timezone).expect_err("one is wrong");
            assert!(
                matches!(error, AccountError::Invalid { field, .. } if field == wrong),
                "{error}"
            );
        }
    }

    #[test]
    fn addresses_are_checked_by_their_form() {
        for right in ["a@b", " Owner@Example.com "] {
            assert!(email(right).is_ok(), "{right}");
        }
        for wrong in ["", "a", "@b", "a@", "a@b@c", "a b@c", &format!("{}@b", "a".repeat(300))] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
    }
}
