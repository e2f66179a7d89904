//! `api_tokens`: how programs call the API. Finding one by its hash crosses accounts: see `system.rs`.

use chrono::{DateTime, Utc};
use entity::api_tokens;
use entity::sealed::SecretHash;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl TenantDb {
    /// Stores a token.
    pub async fn insert_api_token(&self, token: &NewApiToken) -> Result<ListedApiToken, StoreError> {
        let row = api_tokens::ActiveModel {
            account_id: Set(self.account_id()),
            user_id: Set(token.user_id),
            name: Set(token.name.clone()),
            prefix: Set(token.prefix.clone()),
            token_hash: Set(SecretHash(token.token_hash.to_vec())),
            role: Set(token.role),
            scopes: Set(token.scopes.clone()),
            expires_at: Set(token.expires_at),
            ..Default::default()
        };
        Ok(row.insert(self).await?.into())
    }

    /// Every token of the account, the newest first.
    pub async fn api_tokens(&self) -> Result<Vec<ListedApiToken>, StoreError> {
        let rows = api_tokens::Entity::find()
            .filter(api_tokens::Column::AccountId.eq(self.account_id()))
            .order_by_desc(api_tokens::Column::CreatedAt)
            .order_by_asc(api_tokens::Column::Id)
            .all(self)
            .await?;
        Ok(rows.into_iter().map(ListedApiToken::from).collect())
    }

    /// Ends a token; ending it again changes nothing. `None` where there is no such token here.
    pub async fn revoke_api_token(&self, id: ApiTokenId) -> Result<Option<ListedApiToken>, StoreError> {
        let rows = api_tokens::Entity::update_many()
            .col_expr(
                api_tokens::Column::RevokedAt,
                Func::coalesce([Expr::col(api_tokens::Column::RevokedAt), Expr::current_timestamp()]).into(),
            )
            .filter(api_tokens::Column::AccountId.eq(self.account_id()))
            .filter(api_tokens::Column::Id.eq(id))
            .exec_with_returning(self)
            .await?;
        Ok(rows.into_iter().next().map(ListedApiToken::from))
    }
}

impl From<api_tokens::Model> for ListedApiToken {
    fn from(row: api_tokens::Model) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            name: row.name,
            prefix: row.prefix,
            role: row.role,
            scopes: row.scopes,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        }
    }
}
