//! Webhook subscriptions.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};
use url::{Host, Url as Address};

use super::super::search::Kind;
use super::super::state::Subscription;
use super::connection::{Key, connection};
use super::scalars::{DateTime, UnsignedInt64};
use super::{Scene, gid, parse_gid};

connection!(
    WebhookSubscriptionConnection,
    WebhookSubscriptionEdge,
    WebhookSubscription
);

/// The filters on subscriptions.
pub(crate) const SEARCH_FIELDS: &[(&str, Kind)] = &[("id", Kind::Number)];

/// What a subscription listens to.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum WebhookSubscriptionTopic {
    AppScopesUpdate,
    AppUninstalled,
    BulkOperationsFinish,
    CustomersCreate,
    CustomersDelete,
    CustomersMerge,
    CustomersPurchasingSummary,
    CustomersUpdate,
    InventoryLevelsUpdate,
    OrdersCancelled,
    OrdersCreate,
    OrdersDelete,
    OrdersEdited,
    OrdersFulfilled,
    OrdersPaid,
    OrdersPartiallyFulfilled,
    OrdersUpdated,
    OrderTransactionsCreate,
    ProductsCreate,
    ProductsDelete,
    ProductsUpdate,
    RefundsCreate,
    ReturnsClose,
    ReturnsProcess,
    ReturnsRequest,
    ShopUpdate,
}

impl WebhookSubscriptionTopic {
    /// The scope without which Shopify does not deliver it.
    fn scope(self) -> Option<&'static str> {
        match self {
            Self::AppScopesUpdate | Self::AppUninstalled | Self::BulkOperationsFinish | Self::ShopUpdate => None,
            Self::CustomersCreate
            | Self::CustomersDelete
            | Self::CustomersMerge
            | Self::CustomersPurchasingSummary
            | Self::CustomersUpdate => Some("read_customers"),
            Self::InventoryLevelsUpdate => Some("read_inventory"),
            Self::ProductsCreate | Self::ProductsDelete | Self::ProductsUpdate => Some("read_products"),
            Self::ReturnsClose | Self::ReturnsProcess | Self::ReturnsRequest => Some("read_returns"),
            Self::OrdersCancelled
            | Self::OrdersCreate
            | Self::OrdersDelete
            | Self::OrdersEdited
            | Self::OrdersFulfilled
            | Self::OrdersPaid
            | Self::OrdersPartiallyFulfilled
            | Self::OrdersUpdated
            | Self::OrderTransactionsCreate
            | Self::RefundsCreate => Some("read_orders"),
        }
    }
}

/// How payloads are written.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum WebhookSubscriptionFormat {
    Json,
    Xml,
}

/// What subscriptions can be sorted by.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum WebhookSubscriptionSortKeys {
    CreatedAt,
    Id,
}

impl WebhookSubscriptionSortKeys {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Id => "id",
        }
    }

    pub(crate) fn key(self, subscription: &Subscription) -> Key {
        let value = match self {
            Self::CreatedAt => subscription.created_at.timestamp(),
            Self::Id => 0,
        };
        (value, subscription.id)
    }
}

/// What a subscription is made of.
#[derive(InputObject)]
pub(crate) struct WebhookSubscriptionInput {
    filter: Option<String>,
    format: Option<WebhookSubscriptionFormat>,
    include_fields: Option<Vec<String>>,
    name: Option<String>,
    uri: Option<String>,
}

/// A subscription.
#[derive(Clone)]
pub(crate) struct WebhookSubscription(pub(crate) Subscription);

#[Object]
impl WebhookSubscription {
    pub(crate) async fn id(&self) -> ID {
        gid("WebhookSubscription", self.0.id)
    }

    async fn legacy_resource_id(&self) -> UnsignedInt64 {
        UnsignedInt64(self.0.id)
    }

    async fn topic(&self) -> WebhookSubscriptionTopic {
        self.0.topic
    }

    async fn uri(&self) -> String {
        self.0.uri.clone()
    }

    async fn name(&self) -> Option<String> {
        self.0.name.clone()
    }

    async fn filter(&self) -> Option<String> {
        self.0.filter.clone()
    }

    async fn format(&self) -> WebhookSubscriptionFormat {
        WebhookSubscriptionFormat::Json
    }

    async fn include_fields(&self) -> Vec<String> {
        self.0.include_fields.clone()
    }

    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }
}

/// What a mutation of subscriptions says about its input.
#[derive(SimpleObject)]
pub(crate) struct UserError {
    field: Option<Vec<String>>,
    message: String,
}

impl UserError {
    pub(crate) fn of(field: &str, message: &str) -> Self {
        Self {
            field: Some(vec![field.to_owned()]),
            message: message.to_owned(),
        }
    }
}

/// The answer to a creation.
#[derive(SimpleObject)]
pub(crate) struct WebhookSubscriptionCreatePayload {
    user_errors: Vec<UserError>,
    webhook_subscription: Option<WebhookSubscription>,
}

/// The answer to a deletion.
#[derive(SimpleObject)]
pub(crate) struct WebhookSubscriptionDeletePayload {
    deleted_webhook_subscription_id: Option<ID>,
    user_errors: Vec<UserError>,
}

/// Creates a subscription.
pub(crate) fn create(
    scene: &Arc<Scene>,
    topic: WebhookSubscriptionTopic,
    input: WebhookSubscriptionInput,
) -> WebhookSubscriptionCreatePayload {
    match check(scene, topic, input) {
        Ok(subscription) => WebhookSubscriptionCreatePayload {
            user_errors: Vec::new(),
            webhook_subscription: Some(WebhookSubscription(subscription)),
        },
        Err(error) => WebhookSubscriptionCreatePayload {
            user_errors: vec![error],
            webhook_subscription: None,
        },
    }
}

fn check(
    scene: &Arc<Scene>,
    topic: WebhookSubscriptionTopic,
    input: WebhookSubscriptionInput,
) -> Result<Subscription, UserError> {
    let refuse = |field: &[&str], message: String| UserError {
        field: Some(field.iter().map(|&part| part.to_owned()).collect()),
        message,
    };
    if topic.scope().is_some_and(|scope| !scene.has_scope(scope)) {
        let topic = async_graphql::resolver_utils::enum_value(topic);
        return Err(refuse(
            &["topic"],
            format!("You do not have permission to create or update webhooks with {topic} topic."),
        ));
    }
    if input.format == Some(WebhookSubscriptionFormat::Xml) {
        let message = "The sandbox delivers webhooks as JSON only.".to_owned();
        return Err(refuse(&["webhookSubscription", "format"], message));
    }
    let field = ["webhookSubscription", "uri"];
    let uri = input.uri.unwrap_or_default();
    let Ok(address) = Address::parse(&uri) else {
        return Err(refuse(&field, "Address is invalid".to_owned()));
    };
    // The real one takes no plain HTTP at all; a program on this machine has nothing else.
    let local = match address.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match address.scheme() {
        "https" | "pubsub" => {}
        "http" if local => {}
        scheme => {
            return Err(refuse(&field, format!("Address protocol {scheme}:// is not supported")));
        }
    }
    scene.inner.with_store(scene.shop, scene.now, |store| {
        if store.subscriptions.iter().any(|it| it.topic == topic && it.uri == uri) {
            return Err(refuse(
                &field,
                "Address for this topic has already been taken".to_owned(),
            ));
        }
        let subscription = Subscription {
            id: store.next_subscription,
            topic,
            uri,
            name: input.name,
            filter: input.filter,
            include_fields: input.include_fields.unwrap_or_default(),
            created_at: scene.now,
        };
        store.next_subscription += 1;
        store.subscriptions.push(subscription.clone());
        Ok(subscription)
    })
}

/// Deletes a subscription.
pub(crate) fn delete(scene: &Arc<Scene>, id: &ID) -> WebhookSubscriptionDeletePayload {
    let number = parse_gid(id)
        .filter(|(kind, _)| *kind == "WebhookSubscription")
        .map(|(_, number)| number);
    let deleted = scene.inner.with_store(scene.shop, scene.now, |store| {
        let before = store.subscriptions.len();
        store.subscriptions.retain(|it| Some(it.id) != number);
        store.subscriptions.len() < before
    });
    if deleted {
        return WebhookSubscriptionDeletePayload {
            deleted_webhook_subscription_id: Some(id.clone()),
            user_errors: Vec::new(),
        };
    }
    let error = UserError {
        field: Some(vec!["id".to_owned()]),
        message: "Webhook subscription does not exist".to_owned(),
    };
    WebhookSubscriptionDeletePayload {
        deleted_webhook_subscription_id: None,
        user_errors: vec![error],
    }
}
