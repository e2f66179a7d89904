//! Passwords as argon2id hashes. Hashing is made to be slow, so it runs off the event loop, and only a few at a time:
//! each takes 19 MiB and a core.

use std::sync::OnceLock;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::domain::entropy::secret_bytes;

/// The least number of characters in a password.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// Longer ones are not hashed: nobody types them, but somebody may send them.
const MAX_BYTES: usize = 1024;
/// How many are hashed at once.
const AT_ONCE: usize = 2;
/// How long a password waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Why a password was not hashed or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long to be taken.
    #[error("a password has at least {MIN_PASSWORD_CHARS} characters and at most {MAX_BYTES} bytes")]
    Length,
    /// Too many others wait.
    #[error("too many people are signing in at once; try again in a few seconds")]
    Busy,
    /// The hash function refused or panicked: a bug.
    #[error("the password could not be hashed")]
    Failed,
}

/// The hash to store, in PHC format. Waits its turn.
pub async fn hash_password(password: &SecretString) -> Result<String, PasswordError> {
    let text = password.expose_secret();
    if text.chars().count() < MIN_PASSWORD_CHARS || text.len() > MAX_BYTES {
        return Err(PasswordError::Length);
    }
    let password = password.clone();
    in_turn(move || hash(password.expose_secret().as_bytes())).await?
}

/// Whether `password` is the one behind `stored`. Where there is none, as much time goes into comparing it with a hash
/// that nothing matches, so that the time does not tell which addresses are known.
pub(super) async fn verify_password(password: &SecretString, stored: Option<String>) -> Result<bool, PasswordError> {
    let password = password.clone();
    in_turn(move || {
        let text = password.expose_secret().as_bytes();
        if text.len() > MAX_BYTES {
            return Ok(false);
        }
        let known = stored.is_some();
        let stored = match stored {
            Some(stored) => stored,
            None => nobodys_hash()?,
        };
        let stored = PasswordHash::new(&stored).map_err(|_| PasswordError::Failed)?;
        Ok(Argon2::default().verify_password(text, &stored).is_ok() && known)
    })
    .await?
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
    let turn = tokio::time::timeout(PATIENCE, TURNS.acquire())
        .await
        .map_err(|_| PasswordError::Busy)?
        .map_err(|_| PasswordError::Busy)?;
    tokio::task::spawn_blocking(move || {
        // The turn ends with the work, not with a caller who stopped waiting.
        let _turn = turn;
        work()
    })
    .await
    .map_err(|_| PasswordError::Failed)
}

fn hash(password: &[u8]) -> Result<String, PasswordError> {
    let salt = SaltString::encode_b64(&secret_bytes::<16>()).map_err(|_| PasswordError::Failed)?;
    Argon2::default()
        .hash_password(password, &salt)
        .map(|hash| hash.to_string())
        .map_err(|_| PasswordError::Failed)
}

/// The hash of a password that nobody knows.
fn nobodys_hash() -> Result<String, PasswordError> {
    static HASH: OnceLock<String> = OnceLock::new();
    if let Some(known) = HASH.get() {
        return Ok(known.clone());
    }
    let made = hash(&secret_bytes::<32>())?;
    Ok(HASH.get_or_init(|| made).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let right = SecretString::from("correct horse");
        let stored = hash_password(&right).await.expect("long enough");
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert_eq!(verify_password(&right, Some(stored.clone())).await, Ok(true));
        let wrong = SecretString::from("correct hors");
        assert_eq!(verify_password(&wrong, Some(stored)).await, Ok(false));
        assert_eq!(verify_password(&right, None).await, Ok(false));
    }

    #[tokio::test]
    async fn lengths_are_bounded_both_ways() {
        for wrong in ["short", &"x".repeat(MAX_BYTES + 1)] {
            assert_eq!(hash_password(&wrong.into()).await, Err(PasswordError::Length));
        }
        assert_eq!(
            verify_password(&"x".repeat(MAX_BYTES + 1).into(), None).await,
            Ok(false)
        );
    }
}
