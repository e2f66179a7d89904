//! The links to stores and ad accounts.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::context::{May, app, integrations, subscriptions};
use super::error::ApiError;
use super::node::NodeKey;
use super::scalars::DateTime;
use crate::access::Action;
use crate::domain::ids::{self, ProviderKind};
use crate::domain::money::CurrencyCode;
use crate::providers::contract::StoreSource;
use crate::store::{IntegrationRow, StoreError, SubscriptionRow};

/// The kind of provider at the other end of a link.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ProviderKind")]
pub(super) enum IntegrationType {
    /// A Shopify store.
    Shopify,
    /// A Meta ad account.
    Meta,
}

/// How a link is doing.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ids::IntegrationStatus")]
pub(super) enum IntegrationStatus {
    /// It is synced.
    Connected,
    /// The provider no longer takes our token: connect it again.
    NeedsReauth,
    /// Held until a hindrance is gone: `statusReason` says which. It is looked at every night and goes on by itself.
    Paused,
    /// Ended; what was synced stays.
    Disconnected,
}

/// Whether a store tells of a topic.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ids::SubscriptionStatus")]
pub(super) enum WebhookSubscriptionStatus {
    /// It does, within seconds.
    Active,
    /// It would not: `error` says why. Its changes are found by asking, some minutes later.
    Refused,
}

/// A topic that a store is asked to tell of by webhook.
#[derive(SimpleObject)]
pub(super) struct WebhookSubscription {
    /// The topic, such as `orders/updated`.
    topic: String,
    /// Whether the store tells of it.
    status: WebhookSubscriptionStatus,
    /// Why it does not, in the store's words.
    error: Option<String>,
    /// When that was last looked at: every night, and when the store is connected.
    checked_at: DateTime,
}

impl From<&SubscriptionRow> for WebhookSubscription {
    fn from(row: &SubscriptionRow) -> Self {
        Self {
            topic: row.topic.clone(),
            status: row.status.into(),
            error: row.error.clone(),
            checked_at: DateTime(row.checked_at),
        }
    }
}

pub(super) struct Integration(pub(super) IntegrationRow);

impl Integration {
    /// Its store, where it links one and this server knows its kind.
    fn store<'a>(&self, context: &Context<'a>) -> Result<Option<&'a dyn StoreSource>, ApiError> {
        Ok(app(context)?.providers.stores(self.0.provider))
    }
}

/// The link to a store or an ad account.
#[Object]
impl Integration {
    /// Opaque, for `node` and as an argument elsewhere.
    pub(super) async fn id(&self) -> ID {
        NodeKey::Integration(self.0.id).encode()
    }

    /// What is at the other end.
    async fn r#type(&self) -> IntegrationType {
        self.0.provider.into()
    }

    /// How the link is doing.
    async fn status(&self) -> IntegrationStatus {
        self.0.status.into()
    }

    /// Why it is doing so, where that is worth a sentence.
    async fn status_reason(&self) -> Option<&str> {
        self.0.status_reason.as_deref()
    }

    /// The name of the store or ad account.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The store's domain, such as `name.myshopify.com`, or the ad account's id.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }

    /// The currency of its books.
    async fn currency_code(&self) -> Result<CurrencyCode, ApiError> {
        currency(&self.0.currency)
    }

    /// The time zone of its days, by its IANA name.
    async fn timezone(&self) -> &str {
        &self.0.timezone
    }

    /// What the provider lets us read.
    async fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// What is asked of the provider and was not granted; empty where nothing is missing. Add these to the app where it is
    /// registered, then connect the store again.
    async fn missing_scopes(&self, context: &Context<'_>) -> Result<Vec<String>, ApiError> {
        let missing = self.store(context)?.map(|store| store.missing_scopes(&self.0.scopes));
        Ok(missing.unwrap_or_default())
    }

    /// How many days back orders can be seen; null where all can. It is 60 where the scope `read_all_orders` is missing:
    /// request it for the app in Shopify's Partner Dashboard, then connect the store again.
    async fn history_limit_days(&self, context: &Context<'_>) -> Result<Option<u32>, ApiError> {
        let store = self.store(context)?;
        Ok(store.and_then(|store| store.history_limit_days(&self.0.scopes)))
    }

    /// The topics that the store is asked to tell of; empty before it was first looked at.
    async fn webhook_subscriptions(&self, context: &Context<'_>) -> Result<Vec<WebhookSubscription>, ApiError> {
        Ok(subscriptions(context, self.0.id).await?.map(Into::into).collect())
    }

    /// Since when it is linked.
    async fn connected_at(&self) -> DateTime {
        DateTime(self.0.connected_at)
    }
}

/// A currency as a table spells it.
pub(super) fn currency(code: &str) -> Result<CurrencyCode, ApiError> {
    code.parse()
        .map_err(|_| StoreError::Broken(format!("`{code}` is not a currency code")).into())
}

#[derive(Default)]
pub(super) struct IntegrationQuery;

#[Object]
impl IntegrationQuery {
    /// The stores and ad accounts that are or were connected, the earliest first.
    #[graphql(guard = "May(Action::ReadKpis)")]
    async fn integrations(&self, context: &Context<'_>) -> Result<Vec<Integration>, ApiError> {
        Ok(integrations(context).await?.iter().cloned().map(Integration).collect())
    }
}
