//! `api_tokens`: how programs call the API. Finding one by its hash crosses accounts: see `system.rs`.

use chrono::{DateTime, Utc};

use super::{StoreError, TenantDb};
use crate::domain::ids::{ApiTokenId, Role, UserId};

/// A token to be stored.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// Who made it; none for an operator at a shell.
    pub user_id: Option<UserId>,
    /// What it is for.
    pub name: String,
    /// Its first characters, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the whole token.
    pub token_hash: [u8; 32],
    /// What its bearer may do.
    pub role: Role,
    /// What it is limited to; empty for all that the role may do.
    pub scopes: Vec<String>,
    /// Until when it is good.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ListedApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Who made it.
    pub user_id: Option<UserId>,
    /// What it is for.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// What its bearer may do.
    pub role: Role,
    /// What it is limited to.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is not good any more.
    pub revoked_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "id, user_id, name, prefix, role, scopes, created_at, expires_at, last_used_at, revoked_at";

impl TenantDb {
    /// Stores a token.
    pub async fn insert_api_token(&self, token: &NewApiToken) -> Result<ListedApiToken, StoreError> {
        let sql = format!(
            "insert into api_tokens (account_id, user_id, name, prefix, token_hash, role, scopes, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             returning {COLUMNS}"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(self.account_id())
            .bind(token.user_id)
            .bind(&token.name)
            .bind(&token.prefix)
            .bind(token.token_hash.as_slice())
            .bind(token.role)
            .bind(&token.scopes)
            .bind(token.expires_at)
            .fetch_one(&mut *self.connection().await)
            .await?)
    }

    /// Every token of the account, the newest first.
    pub async fn api_tokens(&self) -> Result<Vec<ListedApiToken>, StoreError> {
        let sql = format!("select {COLUMNS} from api_tokens where account_id = $1 order by created_at desc, id");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(self.account_id())
            .fetch_all(&mut *self.connection().await)
            .await?)
    }

    /// Ends a token; ending it again changes nothing. `None` where there is no such token here.
    pub async fn revoke_api_token(&self, id: ApiTokenId) -> Result<Option<ListedApiToken>, StoreError> {
        let sql = format!(
            "update api_tokens set revoked_at = coalesce(revoked_at, now())
              where account_id = $1 and id = $2
              returning {COLUMNS}"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(self.account_id())
            .bind(id)
            .fetch_optional(&mut *self.connection().await)
            .await?)
    }
}
