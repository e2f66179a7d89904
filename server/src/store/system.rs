//! The few questions that cross accounts, each a function of the schema `system` in the database: the roles `api` and
//! `worker` may call these and can read no row without an account otherwise. The list is closed; a test pins it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::PgPool;
use sqlx::types::Json;

use super::{StoreError, Tenant};
use crate::domain::ids::{
    AccountId, ApiTokenId, IntegrationId, IntegrationStatus, ProviderKind, Role, RunId, RunTrigger, ShopId, UserId,
};

/// The door through which a request or a job finds its tenant.
pub struct SystemDb<'a> {
    pool: &'a PgPool,
}

/// Who signs in with an e-mail address and a password.
pub struct LoginRow {
    /// The account of the user.
    pub tenant: Tenant,
    /// The user.
    pub user_id: UserId,
    /// What the user may do.
    pub role: Role,
    /// Argon2 hash in PHC format; none for a user who signs in elsewhere.
    pub password_hash: Option<String>,
}

/// A user of an account.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The account.
    pub tenant: Tenant,
    /// The user.
    pub user_id: UserId,
    /// What the user may do.
    pub role: Role,
}

/// An API token that was found by its hash.
#[derive(Debug, Clone)]
pub struct ApiTokenRow {
    /// The account the token was made for.
    pub tenant: Tenant,
    /// The token's id.
    pub token_id: ApiTokenId,
    /// What its bearer may do.
    pub role: Role,
    /// What it was limited to.
    pub scopes: Vec<String>,
    /// Until when it is good.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is not.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A store that is linked to an account.
#[derive(Debug, Clone, Copy)]
pub struct ShopRef {
    /// The account.
    pub tenant: Tenant,
    /// The link.
    pub integration_id: IntegrationId,
    /// The store.
    pub shop_id: ShopId,
    /// How the link is doing.
    pub status: IntegrationStatus,
}

/// A link that schedules look at.
#[derive(Debug, Clone, Copy)]
pub struct IntegrationRef {
    /// The account.
    pub tenant: Tenant,
    /// The link.
    pub integration_id: IntegrationId,
    /// To whom.
    pub provider: ProviderKind,
    /// How the link is doing.
    pub status: IntegrationStatus,
    /// Since when there has been something to sync.
    pub connected_at: DateTime<Utc>,
    /// The account's time zone.
    pub timezone: Tz,
}

/// What was remembered when a browser was sent away to a provider.
pub struct OAuthState {
    /// For whom.
    pub tenant: Tenant,
    /// Who began it; none for an API token.
    pub user_id: Option<UserId>,
    /// With whom.
    pub provider: ProviderKind,
    /// The store that was named, for Shopify.
    pub shop_domain: Option<String>,
    /// Where the browser goes afterwards.
    pub redirect_to: Option<String>,
    /// Hash of the cookie that the browser must still have.
    pub browser_hash: Option<Vec<u8>>,
}

/// A run that this worker may work on until its lease ends.
#[derive(Debug, Clone)]
pub struct ClaimedRun {
    /// The account to work for.
    pub tenant: Tenant,
    /// The run.
    pub id: RunId,
    /// For which link.
    pub integration_id: IntegrationId,
    /// Which job.
    pub job_type: String,
    /// What asked for it.
    pub trigger: RunTrigger,
    /// Whether it is in the lane of the long ones.
    pub is_long: bool,
    /// The fence: every write of the run demands it.
    pub run_token: uuid::Uuid,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// First moment of what the run covers, where it has been decided.
    pub window_from: Option<DateTime<Utc>>,
    /// Last moment.
    pub window_to: Option<DateTime<Utc>>,
    /// Pages and records of earlier attempts.
    pub progress: serde_json::Value,
}

/// What came of asking for one run.
#[derive(Debug)]
pub enum NamedClaim {
    /// It is the caller's.
    Claimed(Box<ClaimedRun>),
    /// It is another worker's, or not due yet.
    NotNow,
    /// It has ended, or there is no such run.
    Over,
}

/// A run whose worker was lost.
#[derive(Debug, Clone)]
pub struct ReapedRun {
    /// The run.
    pub id: RunId,
    /// Whose.
    pub account_id: AccountId,
    /// `queued` again, or `failed` when it had no attempt left.
    pub outcome: String,
}

#[derive(sqlx::FromRow)]
struct ClaimRow {
    id: RunId,
    account_id: AccountId,
    integration_id: IntegrationId,
    job_type: String,
    trigger: RunTrigger,
    is_long: bool,
    run_token: uuid::Uuid,
    attempt: i32,
    window_from: Option<DateTime<Utc>>,
    window_to: Option<DateTime<Utc>>,
    progress: Json<serde_json::Value>,
}

impl From<ClaimRow> for ClaimedRun {
    fn from(row: ClaimRow) -> Self {
        Self {
            tenant: Tenant::from_answer(row.account_id),
            id: row.id,
            integration_id: row.integration_id,
            job_type: row.job_type,
            trigger: row.trigger,
            is_long: row.is_long,
            run_token: row.run_token,
            attempt: row.attempt,
            window_from: row.window_from,
            window_to: row.window_to,
            progress: row.progress.0,
        }
    }
}

fn seconds(lease: Duration) -> i32 {
    lease.as_secs().clamp(1, 86_400) as i32
}

impl<'a> SystemDb<'a> {
    pub(super) fn new(pool: &'a PgPool) -> Self {
        Self { pool }
    }

    /// For the functions that stand in the file of their table family.
    pub(super) fn pool(&self) -> &'a PgPool {
        self.pool
    }

    /// The user with this e-mail address, in any case.
    pub async fn find_login(&self, email: &str) -> Result<Option<LoginRow>, StoreError> {
        let row: Option<(UserId, AccountId, Role, Option<String>)> =
            sqlx::query_as("select user_id, account_id, role, password_hash from system.find_login($1)")
                .bind(email)
                .fetch_optional(self.pool)
                .await?;
        Ok(row.map(|(user_id, account_id, role, password_hash)| LoginRow {
            tenant: Tenant::from_answer(account_id),
            user_id,
            role,
            password_hash,
        }))
    }

    /// The user whom a token's subject names, if a member of the account that the token claims.
    pub async fn find_member(&self, subject: &str, account_id: AccountId) -> Result<Option<Member>, StoreError> {
        let row: Option<(UserId, AccountId, Role)> =
            sqlx::query_as("select user_id, account_id, role from system.find_member($1, $2)")
                .bind(subject)
                .bind(account_id)
                .fetch_optional(self.pool)
                .await?;
        Ok(row.map(|(user_id, account_id, role)| Member {
            tenant: Tenant::from_answer(account_id),
            user_id,
            role,
        }))
    }

    /// The API token with this SHA-256; notes that it was used.
    pub async fn find_api_token(&self, token_hash: &[u8]) -> Result<Option<ApiTokenRow>, StoreError> {
        type Row = (
            ApiTokenId,
            AccountId,
            Role,
            Vec<String>,
            Option<DateTime<Utc>>,
            Option<DateTime<Utc>>,
        );
        let row: Option<Row> = sqlx::query_as(
            "select token_id, account_id, role, scopes, expires_at, revoked_at from system.find_api_token($1)",
        )
        .bind(token_hash)
        .fetch_optional(self.pool)
        .await?;
        Ok(row.map(
            |(token_id, account_id, role, scopes, expires_at, revoked_at)| ApiTokenRow {
                tenant: Tenant::from_answer(account_id),
                token_id,
                role,
                scopes,
                expires_at,
                revoked_at,
            },
        ))
    }

    /// The account with this id, for a command that an operator runs.
    pub async fn find_account(&self, account_id: AccountId) -> Result<Option<Tenant>, StoreError> {
        let row: Option<(AccountId,)> = sqlx::query_as("select id from system.find_account($1)")
            .bind(account_id)
            .fetch_optional(self.pool)
            .await?;
        Ok(row.map(|(id,)| Tenant::from_answer(id)))
    }

    /// The account that a store is linked to.
    pub async fn find_shop(&self, shop_domain: &str) -> Result<Option<ShopRef>, StoreError> {
        let row: Option<(AccountId, IntegrationId, ShopId, IntegrationStatus)> =
            sqlx::query_as("select account_id, integration_id, shop_id, status from system.find_shop($1)")
                .bind(shop_domain)
                .fetch_optional(self.pool)
                .await?;
        Ok(row.map(|(account_id, integration_id, shop_id, status)| ShopRef {
            tenant: Tenant::from_answer(account_id),
            integration_id,
            shop_id,
            status,
        }))
    }

    /// Takes an OAuth state: it answers once, and not after it has expired.
    pub async fn take_oauth_state(&self, state_hash: &[u8]) -> Result<Option<OAuthState>, StoreError> {
        type Row = (
            AccountId,
            Option<UserId>,
            ProviderKind,
            Option<String>,
            Option<String>,
            Option<Vec<u8>>,
        );
        let row: Option<Row> = sqlx::query_as(
            "select account_id, user_id, provider, shop_domain, redirect_to, browser_hash
               from system.take_oauth_state($1)",
        )
        .bind(state_hash)
        .fetch_optional(self.pool)
        .await?;
        Ok(row.map(
            |(account_id, user_id, provider, shop_domain, redirect_to, browser_hash)| OAuthState {
                tenant: Tenant::from_answer(account_id),
                user_id,
                provider,
                shop_domain,
                redirect_to,
                browser_hash,
            },
        ))
    }

    /// Takes the next due run, fairly among accounts, and leases it to the caller. Long runs get at most half of an
    /// account's places, and only where the caller has one for them.
    pub async fn claim_run(
        &self,
        lease: Duration,
        max_per_account: i32,
        takes_long: bool,
    ) -> Result<Option<ClaimedRun>, StoreError> {
        let row: Option<ClaimRow> = sqlx::query_as(
            "select id, account_id, integration_id, job_type, trigger, lane = 'long' as is_long, run_token, attempt,
                    window_from, window_to, progress
               from system.claim_run($1, $2, $3)",
        )
        .bind(seconds(lease))
        .bind(max_per_account)
        .bind(takes_long)
        .fetch_optional(self.pool)
        .await?;
        Ok(row.map(ClaimedRun::from))
    }

    /// Takes this run if it is due, and leases it to the caller.
    pub async fn claim_named_run(&self, id: RunId, lease: Duration) -> Result<NamedClaim, StoreError> {
        let row: Option<ClaimRow> = sqlx::query_as(
            "select id, account_id, integration_id, job_type, trigger, lane = 'long' as is_long, run_token, attempt,
                    window_from, window_to, progress
               from system.claim_named_run($1, $2)",
        )
        .bind(id)
        .bind(seconds(lease))
        .fetch_optional(self.pool)
        .await?;
        if let Some(row) = row {
            return Ok(NamedClaim::Claimed(Box::new(row.into())));
        }
        let is_over: Option<bool> = sqlx::query_scalar("select system.is_run_over($1)")
            .bind(id)
            .fetch_one(self.pool)
            .await?;
        Ok(if is_over == Some(false) {
            NamedClaim::NotNow
        } else {
            NamedClaim::Over
        })
    }

    /// Gives back runs whose worker stopped renewing its lease.
    pub async fn reap_runs(&self, limit: i32) -> Result<Vec<ReapedRun>, StoreError> {
        let rows: Vec<(RunId, AccountId, String)> =
            sqlx::query_as("select id, account_id, outcome from system.reap_runs($1)")
                .bind(limit)
                .fetch_all(self.pool)
                .await?;
        Ok(rows
            .into_iter()
            .map(|(id, account_id, outcome)| ReapedRun {
                id,
                account_id,
                outcome,
            })
            .collect())
    }

    /// Every link of every account, for the schedules.
    pub async fn list_integrations(&self) -> Result<Vec<IntegrationRef>, StoreError> {
        type Row = (
            AccountId,
            IntegrationId,
            ProviderKind,
            IntegrationStatus,
            DateTime<Utc>,
            String,
        );
        let rows: Vec<Row> = sqlx::query_as(
            "select account_id, integration_id, type, status, connected_at, timezone from system.list_integrations()",
        )
        .fetch_all(self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(
                |(account_id, integration_id, provider, status, connected_at, timezone)| IntegrationRef {
                    tenant: Tenant::from_answer(account_id),
                    integration_id,
                    provider,
                    status,
                    connected_at,
                    timezone: timezone.parse().unwrap_or(Tz::UTC),
                },
            )
            .collect())
    }
}
