//! Who is asking.

use async_graphql::{Context, Enum, ID, Object};

use super::context::{caller, reading};
use super::error::ApiError;
use super::integration::currency;
use super::node::NodeKey;
use crate::domain::ids;
use crate::domain::money::CurrencyCode;
use crate::store::{AccountRow, UserRow};

/// What somebody may do; each role may also do what the ones after it may.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ids::Role")]
pub(super) enum Role {
    /// Everything, the account itself too.
    Owner,
    /// Everything but the account itself.
    Admin,
    /// Read the numbers and start syncs.
    Analyst,
    /// Read the numbers.
    Viewer,
}

pub(super) struct Viewer {
    role: Role,
}

/// Who is asking: a person, or a program with an API token.
#[Object]
impl Viewer {
    /// The person; null for an API token.
    async fn user(&self, context: &Context<'_>) -> Result<Option<User>, ApiError> {
        let Some(id) = caller(context)?.viewer.user_id() else {
            return Ok(None);
        };
        Ok(reading(context).await?.user(id).await?.map(User))
    }

    /// The account that all answers are about.
    async fn account(&self, context: &Context<'_>) -> Result<Account, ApiError> {
        Ok(Account(reading(context).await?.account().await?))
    }

    /// What the caller may do.
    async fn role(&self) -> Role {
        self.role
    }
}

struct User(UserRow);

/// A person who signs in.
#[Object]
impl User {
    /// Opaque.
    async fn id(&self) -> ID {
        NodeKey::User(self.0.id).encode()
    }

    /// What they sign in with.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// What they are called.
    async fn name(&self) -> &str {
        &self.0.name
    }
}

struct Account(AccountRow);

/// An account: the owner of stores, ad accounts and numbers.
#[Object]
impl Account {
    /// Opaque.
    async fn id(&self) -> ID {
        NodeKey::Account(self.0.id).encode()
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The currency of its dashboards.
    async fn currency_code(&self) -> Result<CurrencyCode, ApiError> {
        currency(&self.0.currency)
    }

    /// The time zone that decides what "today" is, by its IANA name.
    async fn timezone(&self) -> &str {
        &self.0.timezone
    }

    /// For how many days back ad insights are fetched anew, because Meta restates them.
    async fn attribution_window_days(&self) -> i32 {
        self.0.attribution_window_days
    }
}

#[derive(Default)]
pub(super) struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who is asking, and for which account.
    async fn viewer(&self, context: &Context<'_>) -> Result<Viewer, ApiError> {
        Ok(Viewer {
            role: caller(context)?.viewer.role().into(),
        })
    }
}
