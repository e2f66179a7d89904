//! Accounts and the people and programs that work in them: what a new one must be like, and who may hand out what.
//!
//! Who may do which [`Action`](crate::access::Action) is said in `access/action.rs`, in one place.

mod api_token;
mod currency;
mod opening;

pub use api_token::{ApiTokenRequest, Creator, IssuedApiToken, MAX_TOKEN_DAYS, issue_api_token, revoke_api_token};
pub use opening::{FirstUser, Opened, check_account, open_account};

use crate::access::PasswordError;
use crate::store::StoreError;

/// Why an account, a user or a token was not made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Something that was typed is wrong; the person can mend it.
    #[error("{message}")]
    Invalid {
        /// Which input.
        field: &'static str,
        /// What is wrong with it, as a sentence.
        message: String,
    },
    /// Somebody has this e-mail address already.
    #[error("This e-mail address belongs to a user already.")]
    EmailTaken,
    /// A role above one's own can't be handed out.
    #[error("A role above your own can't be given away.")]
    RoleAboveOwn,
    /// There is no such token in this account.
    #[error("There is no such token.")]
    NoSuchToken,
    /// The password was not hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn invalid(field: &'static str, message: impl Into<String>) -> AccountError {
    AccountError::Invalid {
        field,
        message: message.into(),
    }
}

/// The text without blanks around it, of at least one and at most `max` characters, none of them a control character.
fn name(field: &'static str, text: &str, max: usize) -> Result<String, AccountError> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > max || text.contains(char::is_control) {
        return Err(invalid(field, format!("A name has 1 to {max} characters.")));
    }
    Ok(text.to_owned())
}
