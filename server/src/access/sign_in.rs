//! Sign-in by e-mail address and password, made slow for those who guess.
//!
//! After a few failures for one e-mail address from one network address, each further attempt must wait twice as long
//! as the one before. The count is this process's own and is forgotten at its end: the slow hash is what protects a
//! stolen table, this only spares the others the load of a guesser.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::password::{PasswordError, verify_password};
use crate::store::{Database, Member, StoreError};

/// Failures that cost nothing.
const FREE_FAILURES: u32 = 5;
/// Longest wait between two attempts, and how long failures are remembered.
const MEMORY: TimeDelta = TimeDelta::minutes(15);
/// Pairs of addresses remembered at once.
const REMEMBERED: usize = 10_000;
/// Longest e-mail address that is looked up, in bytes.
const MAX_EMAIL_BYTES: usize = 254;

/// A person who has just signed in.
pub struct SignedIn {
    /// Who it is.
    pub member: Member,
    /// A session's token: a cookie's value, or a bearer token.
    pub token: SecretString,
}

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// People sign in with a provider whose keys we only read.
    #[error("Sign in with your identity provider; this server takes no passwords.")]
    Elsewhere,
    /// Unknown address or wrong password. It never says which.
    #[error("The e-mail address or the password is wrong.")]
    Wrong,
    /// Too many failures before.
    #[error("Too many attempts; try again in {} seconds.", .retry_after.num_seconds())]
    TooMany {
        /// How long to wait.
        retry_after: TimeDelta,
    },
    /// The password was not compared.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The session could not be signed: a bug.
    #[error("the session could not be signed")]
    Unsigned,
    /// The database did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Failures of the last minutes, by who tried from where.
#[derive(Default)]
pub(super) struct Attempts(Mutex<HashMap<(String, Option<IpAddr>), Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
}

impl Attempts {
    /// The member whose address and password these are.
    pub(super) async fn try_password(
        &self,
        database: &Database,
        email: &str,
        password: &SecretString,
        address: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Member, SignInError> {
        let email = email.trim().to_lowercase();
        if email.len() > MAX_EMAIL_BYTES || email.contains(char::is_control) {
            return Err(SignInError::Wrong);
        }
        let who = (email, address);
        self.admit(&who, now)?;
        let login = database.system().find_login(&who.0).await?;
        let stored = login.as_ref().and_then(|login| login.password_hash.clone());
        let right = verify_password(password, stored).await?;
        match login {
            Some(login) if right => {
                self.forget(&who);
                Ok(Member {
                    tenant: login.tenant,
                    user_id: login.user_id,
                    role: login.role,
                })
            }
            _ => Err(SignInError::Wrong),
        }
    }

    /// Counts an attempt as failed before it is made, so that many at once count too; a success takes it back.
    fn admit(&self, who: &(String, Option<IpAddr>), now: DateTime<Utc>) -> Result<(), SignInError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED && !all.contains_key(who) {
            all.retain(|_, failures| now - failures.last < MEMORY);
            if all.len() >= REMEMBERED {
                all.clear();
            }
        }
        let failures = all.entry(who.clone()).or_insert(Failures { count: 0, last: now });
        if now - failures.last >= MEMORY {
            failures.count = 0;
        }
        if failures.count >= FREE_FAILURES {
            let doublings = (failures.count - FREE_FAILURES).min(10);
            let pause = TimeDelta::seconds(1 << doublings).min(MEMORY);
            let retry_after = failures.last + pause - now;
            if retry_after > TimeDelta::zero() {
                let retry_after = TimeDelta::seconds(retry_after.num_seconds() + 1);
                return Err(SignInError::TooMany { retry_after });
            }
        }
        failures.count += 1;
        failures.last = now;
        Ok(())
    }

    fn forget(&self, who: &(String, Option<IpAddr>)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    #[test]
    fn failures_slow_down_further_attempts_from_the_same_place_alone() {
        let attempts = Attempts::default();
        let here = ("a@example.com".to_owned(), Some(IpAddr::from([10, 0, 0, 1])));
        let there = ("a@example.com".to_owned(), Some(IpAddr::from([10, 0, 0, 2])));
        for _ in 0..FREE_FAILURES {
            attempts.admit(&here, moment(0)).expect("free");
        }
        assert!(matches!(
            attempts.admit(&here, moment(0)),
            Err(SignInError::TooMany { .. })
        ));
        attempts.admit(&there, moment(0)).expect("another place");
        attempts.admit(&here, moment(1)).expect("after a second");
        assert!(attempts.admit(&here, moment(2)).is_err(), "now two seconds apart");
        attempts.admit(&here, moment(3)).expect("after two seconds");
        attempts.admit(&here, moment(3 + 15 * 60)).expect("all forgotten");
        attempts.forget(&here);
        for _ in 0..FREE_FAILURES {
            attempts.admit(&here, moment(2000)).expect("free again");
        }
    }

    #[test]
    fn the_wait_never_grows_beyond_the_memory() {
        let attempts = Attempts::default();
        let here = ("a@example.com".to_owned(), None);
        let mut now = 0;
        for _ in 0..40 {
            while attempts.admit(&here, moment(now)).is_err() {
                now += 1;
            }
        }
        assert!(now <= 40 * 15 * 60);
    }
}
