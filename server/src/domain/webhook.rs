//! What Shopify tells us unasked: the topics, and as much of a delivery as is kept.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a delivery is about. Its word is the end of the address that it is posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// An order was placed.
    OrdersCreate,
    /// An order changed in any way.
    OrdersUpdated,
    /// An order was cancelled.
    OrdersCancelled,
    /// Lines of an order were changed.
    OrdersEdited,
    /// An order was deleted, as if it had never been.
    OrdersDelete,
    /// Money or goods went back.
    RefundsCreate,
    /// A product is new.
    ProductsCreate,
    /// A product changed.
    ProductsUpdate,
    /// A product is gone.
    ProductsDelete,
    /// A customer is new.
    CustomersCreate,
    /// A customer changed.
    CustomersUpdate,
    /// A customer is gone.
    CustomersDelete,
    /// The store's own settings changed.
    ShopUpdate,
    /// The app was removed from the store.
    AppUninstalled,
    /// A bulk operation ended.
    BulkOperationsFinish,
    /// Somebody asks what is stored about a customer. Privacy law; configured with the app, not by subscription.
    CustomersDataRequest,
    /// A customer is to be forgotten. As above.
    CustomersRedact,
    /// A store is to be forgotten. As above.
    ShopRedact,
}

/// No topic has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a topic that is listened to")]
pub struct UnknownTopic(String);

impl Topic {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::OrdersCreate,
        Self::OrdersUpdated,
        Self::OrdersCancelled,
        Self::OrdersEdited,
        Self::OrdersDelete,
        Self::RefundsCreate,
        Self::ProductsCreate,
        Self::ProductsUpdate,
        Self::ProductsDelete,
        Self::CustomersCreate,
        Self::CustomersUpdate,
        Self::CustomersDelete,
        Self::ShopUpdate,
        Self::AppUninstalled,
        Self::BulkOperationsFinish,
        Self::CustomersDataRequest,
        Self::CustomersRedact,
        Self::ShopRedact,
    ];

    /// The word in addresses, headers and the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrdersCreate => "orders/create",
            Self::OrdersUpdated => "orders/updated",
            Self::OrdersCancelled => "orders/cancelled",
            Self::OrdersEdited => "orders/edited",
            Self::OrdersDelete => "orders/delete",
            Self::RefundsCreate => "refunds/create",
            Self::ProductsCreate => "products/create",
            Self::ProductsUpdate => "products/update",
            Self::ProductsDelete => "products/delete",
            Self::CustomersCreate => "customers/create",
            Self::CustomersUpdate => "customers/update",
            Self::CustomersDelete => "customers/delete",
            Self::ShopUpdate => "shop/update",
            Self::AppUninstalled => "app/uninstalled",
            Self::BulkOperationsFinish => "bulk_operations/finish",
            Self::CustomersDataRequest => "customers/data_request",
            Self::CustomersRedact => "customers/redact",
            Self::ShopRedact => "shop/redact",
        }
    }

    /// Whether it comes because of the app's own registration; the others are subscribed to store by store.
    pub const fn is_compliance(self) -> bool {
        matches!(
            self,
            Self::CustomersDataRequest | Self::CustomersRedact | Self::ShopRedact
        )
    }

    /// The fields of its body that are asked for: ids, and what tells one change from the next. A store that sends the same
    /// twice within moments sends it once. Nothing that names or reaches a person is among them.
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::OrdersCreate
            | Self::OrdersUpdated
            | Self::OrdersCancelled
            | Self::ProductsCreate
            | Self::ProductsUpdate
            | Self::CustomersCreate
            | Self::CustomersUpdate => &["id", "admin_graphql_api_id", "updated_at"],
            Self::OrdersEdited => &["order_edit.id", "order_edit.order_id"],
            Self::OrdersDelete | Self::ProductsDelete | Self::CustomersDelete => &["id"],
            Self::RefundsCreate => &["id", "admin_graphql_api_id", "order_id"],
            Self::ShopUpdate | Self::AppUninstalled => &["id", "updated_at"],
            Self::BulkOperationsFinish => &["admin_graphql_api_id", "status"],
            Self::CustomersDataRequest | Self::CustomersRedact | Self::ShopRedact => &[],
        }
    }

    /// The job that deals with it, as `sync_runs.job_type` has it.
    pub const fn job(self) -> &'static str {
        match self {
            Self::OrdersCreate
            | Self::OrdersUpdated
            | Self::OrdersCancelled
            | Self::OrdersEdited
            | Self::RefundsCreate => "shopify_fresh",
            Self::ProductsCreate | Self::ProductsUpdate => "shopify_products",
            Self::CustomersCreate | Self::CustomersUpdate => "shopify_customers",
            Self::ShopUpdate => "shopify_setup",
            Self::BulkOperationsFinish => "shopify_backfill",
            Self::OrdersDelete
            | Self::ProductsDelete
            | Self::CustomersDelete
            | Self::AppUninstalled
            | Self::CustomersDataRequest
            | Self::CustomersRedact
            | Self::ShopRedact => "shopify_webhooks",
        }
    }

    /// Whether its job asks the store, and so has to wait until the link is in order. The others say all there is to
    /// know themselves.
    pub const fn needs_connection(self) -> bool {
        !matches!(
            self,
            Self::OrdersDelete
                | Self::ProductsDelete
                | Self::CustomersDelete
                | Self::AppUninstalled
                | Self::CustomersDataRequest
                | Self::CustomersRedact
                | Self::ShopRedact
        )
    }

    /// Whether it begins no run and only lets one that waits go on at once: without such a run it means nothing.
    pub const fn only_hurries(self) -> bool {
        matches!(self, Self::BulkOperationsFinish)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(name: &str) -> Result<Self, UnknownTopic> {
        Self::ALL
            .into_iter()
            .find(|topic| topic.as_str() == name)
            .ok_or_else(|| UnknownTopic(name.to_owned()))
    }
}

/// Something that a store told, and whose signature was right. The same one may come again, later and out of order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which store, by its permanent domain in lower case. Not signed: only what is linked counts.
    pub shop_domain: String,
    /// What it is about.
    pub topic: Topic,
    /// The delivery's own id: the same for every repetition.
    pub webhook_id: String,
    /// The event's id: the same for all topics of one event.
    pub event_id: Option<String>,
    /// When it happened at the provider.
    pub triggered_at: Option<DateTime<Utc>>,
    /// The part of its body that is kept.
    pub payload: WebhookPayload,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is stored, and what it concerns is awake.
    Accepted,
    /// It was stored before.
    Duplicate,
    /// No account is linked to the store: nothing was stored.
    UnknownShop,
}

/// The part of a delivery that is kept: which thing it is about and when that changed. Everything else in a body, such
/// as names, addresses and telephone numbers, is passed over while it is read. Field names are Shopify's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookPayload {
    /// The order, product, customer, refund or shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// The same as a global id; of a bulk operation, the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_graphql_api_id: Option<String>,
    /// The order that a refund or an edit belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<i64>,
    /// The version of the thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// How a bulk operation ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Of the edit of an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_edit: Option<OrderEdit>,
    /// Of a privacy request: the store that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<i64>,
    /// Of a privacy request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerRef>,
    /// Of a request for a customer's data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders_requested: Vec<i64>,
    /// Of a request to forget a customer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders_to_redact: Vec<i64>,
    /// Of a request for a customer's data: its own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_request: Option<DataRequest>,
}

/// What `orders/edited` wraps its order's id in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderEdit {
    /// The order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<i64>,
}

/// A customer, by id alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomerRef {
    /// Shopify's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
}

/// A request for a customer's data, by id alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataRequest {
    /// Shopify's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
}

impl WebhookPayload {
    /// The order that a delivery of an order's topic is about.
    pub fn order(&self) -> Option<i64> {
        let edited = self.order_edit.as_ref().and_then(|edit| edit.order_id);
        edited.or(self.order_id).or(self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_reads_back_from_its_name() {
        for topic in Topic::ALL {
            assert_eq!(topic.as_str().parse(), Ok(topic));
        }
        // Shopify's word is `updated`, not `update`.
        assert!("orders/update".parse::<Topic>().is_err());
    }

    #[test]
    fn a_topic_that_needs_no_connection_is_for_the_job_that_asks_nobody() {
        for topic in Topic::ALL {
            assert_eq!(topic.needs_connection(), topic.job() != "shopify_webhooks", "{topic}");
            assert!(!topic.is_compliance() || !topic.needs_connection(), "{topic}");
        }
    }

    #[test]
    fn only_what_is_needed_of_a_body_is_kept() {
        let body = r#"{"id": 7, "email": "someone@example.com", "updated_at": "2026-11-22T10:00:00-05:00",
            "customer": {"id": 8, "first_name": "Some", "phone": "+1"}, "shipping_address": {"name": "Some One"}}"#;
        let payload: WebhookPayload = serde_json::from_str(body).expect("the body reads");
        assert_eq!(
            serde_json::to_string(&payload).expect("the payload writes"),
            r#"{"id":7,"updated_at":"2026-11-22T15:00:00Z","customer":{"id":8}}"#
        );
        assert_eq!(payload.order(), Some(7));
    }

    #[test]
    fn the_order_of_a_delivery_is_found_wherever_its_topic_has_it() {
        for (body, order) in [
            (r#"{"id": 1}"#, 1),
            (r#"{"id": 2, "order_id": 1}"#, 1),
            (r#"{"order_edit": {"id": 3, "order_id": 1}}"#, 1),
        ] {
            let payload: WebhookPayload = serde_json::from_str(body).expect("the body reads");
            assert_eq!(payload.order(), Some(order), "{body}");
        }
    }
}
