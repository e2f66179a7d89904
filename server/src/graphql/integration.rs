//! The links to stores and ad accounts.

use async_graphql::{Context, Enum, ID, Object};

use super::context::{May, integrations};
use super::error::ApiError;
use super::node::NodeKey;
use super::scalars::DateTime;
use crate::access::Action;
use crate::domain::ids::{self, ProviderKind};
use crate::domain::money::CurrencyCode;
use crate::store::{IntegrationRow, StoreError};

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
    /// Held by choice.
    Paused,
    /// Ended; what was synced stays.
    Disconnected,
}

pub(super) struct Integration(pub(super) IntegrationRow);

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
