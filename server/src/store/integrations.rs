//! `shops`, `integrations`, `integration_secrets`, `oauth_states`: links to stores, and what opens them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use entity::sealed::{Ciphertext, SecretHash};

use super::{StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, IntegrationStatus, ProviderKind, ShopId, ShopifyShopId, UserId};
use crate::domain::money::CurrencyCode;

/// What has to be remembered while a browser is away at a provider.
#[derive(Debug, Clone)]
pub struct NewOAuthState {
    /// SHA-256 of the state.
    pub state_hash: SecretHash,
    /// Who began it.
    pub user_id: Option<UserId>,
    /// With whom.
    pub provider: ProviderKind,
    /// The store that was named, for Shopify.
    pub shop_domain: Option<String>,
    /// SHA-256 of the cookie that the browser must still have when it comes back.
    pub browser_hash: Option<SecretHash>,
    /// How long it may stay away.
    pub lifetime: Duration,
}

/// A store to be linked, as it describes itself.
#[derive(Debug, Clone)]
pub struct ShopLink {
    /// Its permanent domain, in lower case.
    pub domain: String,
    /// Shopify's own id.
    pub shopify_shop_id: ShopifyShopId,
    /// What its owner calls it.
    pub name: String,
    /// Three letters of ISO 4217.
    pub currency: String,
    /// IANA name.
    pub timezone: String,
    /// Whether its prices contain tax.
    pub taxes_included: bool,
    /// What was granted.
    pub scopes: Vec<String>,
}

/// A store as it is linked.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LinkedShop {
    /// The link.
    pub integration_id: IntegrationId,
    /// How it is doing.
    pub status: IntegrationStatus,
    /// Why, where that is worth a sentence.
    pub status_reason: Option<String>,
    /// `name.myshopify.com`
    pub domain: String,
    /// Shopify's own id.
    pub shopify_shop_id: ShopifyShopId,
    /// Three letters of ISO 4217.
    pub currency: String,
    /// IANA name.
    pub timezone: String,
    /// Since when it has been linked: the last time that somebody connected it.
    pub connected_at: DateTime<Utc>,
}

impl LinkedShop {
    /// The days and the currency of its books, checked when it was connected.
    pub fn books(&self) -> Result<(Tz, CurrencyCode), StoreError> {
        let damaged = |what| StoreError::Broken(format!("the link {} has an unknown {what}", self.integration_id));
        let timezone = self.timezone.parse().map_err(|_| damaged("time zone"))?;
        let currency = self.currency.parse().map_err(|_| damaged("currency"))?;
        Ok((timezone, currency))
    }
}

/// A token in its sealed form.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SealedToken {
    /// `access_token` or `refresh_token`.
    pub kind: String,
    /// The sealed bytes.
    pub ciphertext: Ciphertext,
    /// Which key sealed it.
    pub key_id: String,
    /// Until when the provider takes it.
    pub expires_at: Option<DateTime<Utc>>,
}

impl TenantDb {
    /// Remembers a state, to be taken once by [`SystemDb::take_oauth_state`](super::SystemDb::take_oauth_state).
    pub async fn add_oauth_state(&self, state: &NewOAuthState) -> Result<(), StoreError> {
        sqlx::query(
            "insert into oauth_states (state_hash, account_id, user_id, provider, shop_domain, browser_hash, expires_at)
             values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))",
        )
        .bind(&state.state_hash)
        .bind(self.account_id())
        .bind(state.user_id)
        .bind(state.provider)
        .bind(&state.shop_domain)
        .bind(&state.browser_hash)
        .bind(state.lifetime.as_secs_f64())
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Links a store and makes room for its cursor. A store that this account was linked to before keeps its rows, and
    /// so its history, and the time zone that this history is cut by: [`note_shop`](Self::note_shop) changes it, with
    /// the history. None when the store belongs to another account.
    pub async fn link_shop(&self, shop: &ShopLink) -> Result<Option<IntegrationId>, StoreError> {
        let mut connection = self.connection().await;
        // Two steps: an upsert would fail on another account's row instead of finding none.
        sqlx::query(
            "insert into shops (account_id, shop_domain, shopify_shop_id, name, currency, iana_timezone, taxes_included)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (shop_domain) do nothing",
        )
        .bind(self.account_id())
        .bind(&shop.domain)
        .bind(shop.shopify_shop_id)
        .bind(&shop.name)
        .bind(&shop.currency)
        .bind(&shop.timezone)
        .bind(shop.taxes_included)
        .execute(&mut *connection)
        .await?;
        let shop_id: Option<ShopId> = sqlx::query_scalar(
            "update shops
                set shopify_shop_id = $3, name = $4, currency = $5, taxes_included = $6,
                    installed_at = case when uninstalled_at is null then installed_at else now() end,
                    uninstalled_at = null
              where account_id = $1 and shop_domain = $2
              returning id",
        )
        .bind(self.account_id())
        .bind(&shop.domain)
        .bind(shop.shopify_shop_id)
        .bind(&shop.name)
        .bind(&shop.currency)
        .bind(shop.taxes_included)
        .fetch_optional(&mut *connection)
        .await?;
        let Some(shop_id) = shop_id else {
            return Ok(None);
        };
        let integration_id: IntegrationId = sqlx::query_scalar(
            "insert into integrations (account_id, type, shop_id, status, scopes)
             values ($1, 'shopify', $2, 'connected', $3)
             on conflict (account_id, shop_id) do update
                set status = 'connected', status_reason = null, scopes = excluded.scopes, connected_at = now(),
                    refresh_lease_until = null
             returning id",
        )
        .bind(self.account_id())
        .bind(shop_id)
        .bind(&shop.scopes)
        .fetch_one(&mut *connection)
        .await?;
        sqlx::query(
            "insert into sync_cursors (integration_id, account_id) values ($1, $2)
             on conflict (integration_id) do nothing",
        )
        .bind(integration_id)
        .bind(self.account_id())
        .execute(&mut *connection)
        .await?;
        Ok(Some(integration_id))
    }

    /// The store behind a link; none when there is no such link to a store.
    pub async fn linked_shop(&self, id: IntegrationId) -> Result<Option<LinkedShop>, StoreError> {
        Ok(sqlx::query_as(
            "select i.id as integration_id, i.status, i.status_reason, s.shop_domain as domain,
                    s.shopify_shop_id, s.currency::text as currency, s.iana_timezone as timezone, i.connected_at
               from integrations i
               join shops s on s.account_id = i.account_id and s.id = i.shop_id
              where i.account_id = $1 and i.id = $2",
        )
        .bind(self.account_id())
        .bind(id)
        .fetch_optional(&mut *self.connection().await)
        .await?)
    }

    /// Notes that the app was taken out of the store behind a link.
    pub async fn note_uninstalled(&self, id: IntegrationId, at: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query(
            "update shops set uninstalled_at = coalesce(uninstalled_at, $3)
              where account_id = $1
                and id = (select shop_id from integrations where account_id = $1 and id = $2)",
        )
        .bind(self.account_id())
        .bind(id)
        .bind(at)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Notes what a linked store says of itself. The currency is not among it: it is that of the numbers.
    pub async fn note_shop(
        &self,
        id: IntegrationId,
        name: &str,
        timezone: &str,
        taxes_included: bool,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update shops s set name = $3, iana_timezone = $4, taxes_included = $5
               from integrations i
              where i.account_id = $1 and i.id = $2 and s.account_id = i.account_id and s.id = i.shop_id",
        )
        .bind(self.account_id())
        .bind(id)
        .bind(name)
        .bind(timezone)
        .bind(taxes_included)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Notes what a link's tokens may do.
    pub async fn note_scopes(&self, id: IntegrationId, scopes: &[String]) -> Result<(), StoreError> {
        sqlx::query("update integrations set scopes = $3 where account_id = $1 and id = $2")
            .bind(self.account_id())
            .bind(id)
            .bind(scopes)
            .execute(&mut *self.connection().await)
            .await?;
        Ok(())
    }

    /// The tokens of a link.
    pub async fn sealed_tokens(&self, id: IntegrationId) -> Result<Vec<SealedToken>, StoreError> {
        Ok(sqlx::query_as(
            "select kind, ciphertext, key_id, expires_at from integration_secrets
              where account_id = $1 and integration_id = $2",
        )
        .bind(self.account_id())
        .bind(id)
        .fetch_all(&mut *self.connection().await)
        .await?)
    }

    /// Puts these tokens in the place of all that a link had; with none, it has none afterwards.
    pub async fn replace_tokens(&self, id: IntegrationId, tokens: &[SealedToken]) -> Result<(), StoreError> {
        let mut connection = self.connection().await;
        sqlx::query("delete from integration_secrets where account_id = $1 and integration_id = $2")
            .bind(self.account_id())
            .bind(id)
            .execute(&mut *connection)
            .await?;
        for token in tokens {
            sqlx::query(
                "insert into integration_secrets (account_id, integration_id, kind, ciphertext, key_id, expires_at)
                 values ($1, $2, $3, $4, $5, $6)",
            )
            .bind(self.account_id())
            .bind(id)
            .bind(&token.kind)
            .bind(&token.ciphertext)
            .bind(&token.key_id)
            .bind(token.expires_at)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }

    /// Moves a link from one of the states `from` to `to`; false when it is in none of them.
    pub async fn set_integration_status(
        &self,
        id: IntegrationId,
        from: &[IntegrationStatus],
        to: IntegrationStatus,
        reason: Option<&str>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update integrations set status = $4, status_reason = $5, refresh_lease_until = null
              where account_id = $1 and id = $2 and status = any($3)",
        )
        .bind(self.account_id())
        .bind(id)
        .bind(from)
        .bind(to)
        .bind(reason)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes the right to renew a link's tokens, if nobody has it. The moment at which it ends is the proof of having
    /// it.
    pub async fn take_refresh_lease(
        &self,
        id: IntegrationId,
        lease: Duration,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(sqlx::query_scalar(
            "update integrations set refresh_lease_until = clock_timestamp() + make_interval(secs => $3)
              where account_id = $1 and id = $2 and status in ('connected', 'paused')
                and (refresh_lease_until is null or refresh_lease_until <= clock_timestamp())
              returning refresh_lease_until",
        )
        .bind(self.account_id())
        .bind(id)
        .bind(lease.as_secs_f64())
        .fetch_optional(&mut *self.connection().await)
        .await?)
    }

    /// Gives the right to renew back; false when it has passed to somebody else, or the link was connected anew or
    /// ended meanwhile.
    pub async fn release_refresh_lease(
        &self,
        id: IntegrationId,
        lease_until: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update integrations set refresh_lease_until = null
              where account_id = $1 and id = $2 and refresh_lease_until = $3
                and status in ('connected', 'paused')",
        )
        .bind(self.account_id())
        .bind(id)
        .bind(lease_until)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
