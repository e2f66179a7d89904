//! What providers delivered to the webhooks, for those who look after the links.

use async_graphql::connection::Edge;
use async_graphql::{Context, Enum, ID, Object};

use super::context::{May, integration, reading};
use super::error::ApiError;
use super::integration::Integration;
use super::node::NodeKey;
use super::page::{self, DeliveryCursor, WebhookDeliveryConnection};
use super::scalars::DateTime;
use crate::access::Action;
use crate::domain::ids;
use crate::domain::webhook::Topic;
use crate::store::{DeliveryKey, DeliveryRow};

/// What became of a delivery.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ids::WebhookStatus")]
pub(super) enum WebhookDeliveryStatus {
    /// It waits for its job.
    Received,
    /// It was dealt with.
    Processed,
    /// There was nothing to do.
    Ignored,
    /// It could not be dealt with; `error` says why.
    Failed,
}

pub(super) struct WebhookDelivery(pub(super) DeliveryRow);

/// Something that a provider told unasked. What is dealt with is kept for 30 days.
#[Object]
impl WebhookDelivery {
    /// Opaque, for `node`.
    pub(super) async fn id(&self) -> ID {
        NodeKey::WebhookDelivery(self.0.id).encode()
    }

    /// For which store.
    async fn integration(&self, context: &Context<'_>) -> Result<Option<Integration>, ApiError> {
        let row = integration(context, self.0.integration_id).await?;
        Ok(row.cloned().map(Integration))
    }

    /// What it is about, such as `orders/create`.
    async fn topic(&self) -> &str {
        &self.0.topic
    }

    /// The store's domain as the delivery had it.
    async fn shop_domain(&self) -> &str {
        &self.0.shop_domain
    }

    /// The provider's id of the delivery: the same for every repetition, which is stored once.
    async fn webhook_id(&self) -> &str {
        &self.0.webhook_id
    }

    /// The provider's id of the event: the same for every topic of one event.
    async fn event_id(&self) -> Option<&str> {
        self.0.event_id.as_deref()
    }

    /// When it happened at the provider.
    async fn triggered_at(&self) -> Option<DateTime> {
        self.0.triggered_at.map(DateTime)
    }

    /// When it arrived.
    async fn received_at(&self) -> DateTime {
        DateTime(self.0.received_at)
    }

    /// When it was dealt with.
    async fn processed_at(&self) -> Option<DateTime> {
        self.0.processed_at.map(DateTime)
    }

    /// What became of it.
    async fn status(&self) -> WebhookDeliveryStatus {
        self.0.status.into()
    }

    /// Why it could not be dealt with.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }
}

pub(super) struct WebhookDeliveryTotals(Option<Topic>);

#[Object]
impl WebhookDeliveryTotals {
    /// How many deliveries there are on all pages. Counted only when asked for.
    async fn total_count(&self, context: &Context<'_>) -> Result<i64, ApiError> {
        Ok(reading(context).await?.count_deliveries(self.0).await?)
    }
}

#[derive(Default)]
pub(super) struct DeliveryQuery;

#[Object]
impl DeliveryQuery {
    /// What stores told, the newest first, page by page. Needs the role admin or higher.
    #[graphql(
        guard = "May(Action::ReadDeliveries)",
        complexity = "page::cost(first, child_complexity)"
    )]
    async fn webhook_deliveries(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, 1 to 250.", default_with = "Some(page::DEFAULT_FIRST)")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before.")] after: Option<String>,
        #[graphql(desc = "Only about this, such as `orders/create`.")] topic: Option<String>,
    ) -> Result<WebhookDeliveryConnection, ApiError> {
        let rows = page::rows(first)?;
        let after: Option<DeliveryCursor> = page::after(after)?;
        let topic: Option<Topic> = topic
            .map(|name| name.parse())
            .transpose()
            .map_err(|error| ApiError::BadUserInput(format!("{error}; `orders/create` is one")))?;
        let db = reading(context).await?;
        // One more than the page has, to know whether another one follows.
        let mut found = db
            .delivery_page(topic, rows as i64 + 1, after.map(|cursor| cursor.0))
            .await?;
        let has_next = found.len() > rows;
        found.truncate(rows);
        let totals = WebhookDeliveryTotals(topic);
        let mut connection = WebhookDeliveryConnection::with_additional_fields(after.is_some(), has_next, totals);
        connection.edges = found
            .into_iter()
            .map(|row| {
                let cursor = DeliveryCursor(DeliveryKey {
                    received_at: row.received_at,
                    id: row.id,
                });
                Edge::new(cursor, WebhookDelivery(row))
            })
            .collect();
        Ok(connection)
    }
}
