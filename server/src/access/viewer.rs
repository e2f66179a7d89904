//! Who is asking, once the credential was found good.

use axum::http::HeaderMap;

use super::action::{Action, rank};
use super::gate::AccessError;
use super::session::CSRF_HEADER;
use crate::domain::ids::{ApiTokenId, Role, UserId};
use crate::store::{ApiTokenRow, Member, Tenant};

/// A person or an API token that may work in one account. It exists only where the database confirmed it.
#[derive(Debug, Clone)]
pub struct Viewer {
    tenant: Tenant,
    role: Role,
    identity: Identity,
    via_cookie: bool,
}

#[derive(Debug, Clone)]
enum Identity {
    User(UserId),
    Token { id: ApiTokenId, scopes: Vec<String> },
}

impl Viewer {
    /// The person behind a membership.
    pub fn of_member(member: &Member) -> Self {
        Self {
            tenant: member.tenant,
            role: member.role,
            identity: Identity::User(member.user_id),
            via_cookie: false,
        }
    }

    /// The bearer of an API token, which must have been found current.
    pub(super) fn of_token(token: &ApiTokenRow) -> Self {
        Self {
            tenant: token.tenant,
            role: token.role,
            identity: Identity::Token {
                id: token.token_id,
                scopes: token.scopes.clone(),
            },
            via_cookie: false,
        }
    }

    /// The same, known by the cookie that a browser sends by itself.
    pub(super) fn by_cookie(self) -> Self {
        Self {
            via_cookie: true,
            ..self
        }
    }

    /// The account to work in.
    pub fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// What the viewer is in that account.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The person, where it is one.
    pub fn user_id(&self) -> Option<UserId> {
        match self.identity {
            Identity::User(id) => Some(id),
            Identity::Token { .. } => None,
        }
    }

    /// The API token, where it is one.
    pub fn token_id(&self) -> Option<ApiTokenId> {
        match self.identity {
            Identity::User(_) => None,
            Identity::Token { id, .. } => Some(id),
        }
    }

    /// What an API token was limited to; empty for a person and for a token that its role alone limits.
    pub fn scopes(&self) -> &[String] {
        match &self.identity {
            Identity::User(_) => &[],
            Identity::Token { scopes, .. } => scopes,
        }
    }

    /// Whether the browser's cookie brought the viewer here.
    pub fn via_cookie(&self) -> bool {
        self.via_cookie
    }

    /// Whether role and scopes allow `action`.
    pub fn may(&self, action: Action) -> bool {
        let scopes = self.scopes();
        rank(self.role) >= rank(action.least_role())
            && (scopes.is_empty() || scopes.iter().any(|scope| scope == action.scope()))
    }

    /// Whether the viewer may hand out `role` to a user or a token: nobody gives more than they have.
    pub fn may_grant(&self, role: Role) -> bool {
        rank(self.role) >= rank(role)
    }

    /// Demanded of every request that may change something: one that is known by its cookie must carry
    /// [`CSRF_HEADER`]` : 1`. [`AccessError::Forged`] otherwise.
    pub fn confirm_intent(&self, headers: &HeaderMap) -> Result<(), AccessError> {
        let confirmed = headers.get(CSRF_HEADER).is_some_and(|value| value == "1");
        if self.via_cookie && !confirmed {
            return Err(AccessError::Forged);
        }
        Ok(())
    }
}
