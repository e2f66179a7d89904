//! API tokens: made with a role and, if wished, scopes and an end; shown once; revoked within seconds.

use chrono::{DateTime, TimeDelta, Utc};

use super::{AccountError, invalid, name};
use crate::access::{ApiTokenSecret, SCOPES, Viewer};
use crate::domain::ids::{ActorKind, ApiTokenId, Role};
use crate::store::{AuditEntry, ListedApiToken, NewApiToken, TenantDb};

/// The longest life of a token, in days.
pub const MAX_TOKEN_DAYS: u32 = 366;

/// What a token is asked to be.
#[derive(Debug, Clone)]
pub struct ApiTokenRequest {
    /// What it is for, in words.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// What it is limited to, of [`SCOPES`]; empty for all that the role may do.
    pub scopes: Vec<String>,
    /// After how many days it ends, 1 to [`MAX_TOKEN_DAYS`]; none for never.
    pub expires_in_days: Option<u32>,
}

/// Who changes something, for the audit log and for what may be given away.
#[derive(Debug, Clone, Copy)]
pub enum Creator<'a> {
    /// A person or a program that uses the API, and the request it made.
    Viewer {
        /// Who.
        viewer: &'a Viewer,
        /// The request, as the server's log names it.
        request_id: &'a str,
    },
    /// Somebody at the server's own shell.
    Operator,
}

/// A new token.
pub struct IssuedApiToken {
    /// The token in the clear: to be shown now, and never again.
    pub secret: ApiTokenSecret,
    /// How it will be listed.
    pub listed: ListedApiToken,
}

/// Makes a token in the transaction's account, with its line in the audit log; the caller commits.
pub async fn issue_api_token(
    db: &TenantDb,
    creator: Creator<'_>,
    request: &ApiTokenRequest,
    now: DateTime<Utc>,
) -> Result<IssuedApiToken, AccountError> {
    if !creator.may_grant(request.role) {
        return Err(AccountError::RoleAboveOwn);
    }
    let secret = ApiTokenSecret::generate();
    let token = secret.token();
    let listed = db
        .insert_api_token(&NewApiToken {
            user_id: creator.user_id(),
            name: name("name", &request.name, 100)?,
            prefix: token.shown().to_owned(),
            token_hash: *token.hash(),
            role: request.role,
            scopes: scopes(&request.scopes)?,
            expires_at: expiry(request.expires_in_days, now)?,
        })
        .await?;
    db.audit(&creator.entry("api_token.create", listed.id)).await?;
    Ok(IssuedApiToken { secret, listed })
}

/// Ends a token of the transaction's account, with its line in the audit log; the caller commits. It is refused within
/// seconds everywhere. Ending one that has ended changes nothing.
pub async fn revoke_api_token(
    db: &TenantDb,
    creator: Creator<'_>,
    id: ApiTokenId,
) -> Result<ListedApiToken, AccountError> {
    let listed = db.revoke_api_token(id).await?.ok_or(AccountError::NoSuchToken)?;
    db.audit(&creator.entry("api_token.revoke", id)).await?;
    Ok(listed)
}

impl<'a> Creator<'a> {
    fn may_grant(self, role: Role) -> bool {
        match self {
            Self::Viewer { viewer, .. } => viewer.may_grant(role),
            Self::Operator => true,
        }
    }

    fn user_id(self) -> Option<crate::domain::ids::UserId> {
        match self {
            Self::Viewer { viewer, .. } => viewer.user_id(),
            Self::Operator => None,
        }
    }

    fn entry(self, action: &'static str, target: ApiTokenId) -> AuditEntry<'a> {
        let (actor_kind, actor_id, request_id) = match self {
            Self::Operator => (ActorKind::System, None, None),
            Self::Viewer { viewer, request_id } => {
                let user = viewer.user_id().map(|id| (ActorKind::User, id.to_string()));
                let token = viewer.token_id().map(|id| (ActorKind::ApiToken, id.to_string()));
                let (kind, id) = user.or(token).unzip();
                (kind.unwrap_or(ActorKind::System), id, Some(request_id))
            }
        };
        AuditEntry {
            actor_kind,
            actor_id,
            action,
            target_type: "api_token",
            target_id: target.to_string(),
            detail: serde_json::json!({}),
            request_id,
        }
    }
}

fn scopes(asked: &[String]) -> Result<Vec<String>, AccountError> {
    let mut scopes: Vec<String> = asked.iter().map(|scope| scope.trim().to_owned()).collect();
    if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        let unknown: String = unknown.chars().take(40).collect();
        let known = SCOPES.join(", ");
        return Err(invalid(
            "scopes",
            format!("`{unknown}` is not a scope; expected some of {known}."),
        ));
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

fn expiry(days: Option<u32>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, AccountError> {
    match days {
        None => Ok(None),
        Some(days @ 1..=MAX_TOKEN_DAYS) => Ok(Some(now + TimeDelta::days(i64::from(days)))),
        Some(_) => Err(invalid(
            "expiresInDays",
            format!("A token ends after 1 to {MAX_TOKEN_DAYS} days."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_ones_each_once() {
        let asked = ["sync:write", "kpi:read", " kpi:read "].map(str::to_owned);
        assert_eq!(scopes(&asked).expect("known"), ["kpi:read", "sync:write"]);
        assert!(scopes(&["everything".to_owned()]).is_err());
    }

    #[test]
    fn a_token_lives_a_year_at_most_or_has_no_end() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(expiry(None, now).expect("no end"), None);
        assert_eq!(expiry(Some(1), now).expect("a day"), Some(now + TimeDelta::days(1)));
        assert!(expiry(Some(0), now).is_err());
        assert!(expiry(Some(MAX_TOKEN_DAYS + 1), now).is_err());
    }
}
