//! Webhook subscriptions.

use std::sync::Arc;

use async_graphql::resolver_utils::EnumType;
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
    /// The topic with this word, as deliveries name it.
    pub(crate) fn named(word: &str) -> Option<Self> {
        let mut topics = <Self as EnumType>::items().iter().map(|item| item.value);
        topics.find(|topic| topic.word() == word)
    }

    /// The word in deliveries.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::AppScopesUpdate => "app/scopes_update",
            Self::AppUninstalled => "app/uninstalled",
            Self::BulkOperationsFinish => "bulk_operations/finish",
            Self::CustomersCreate => "customers/create",
            Self::CustomersDelete => "customers/delete",
            Self::CustomersMerge => "customers/merge",
            Self::CustomersPurchasingSummary => "customers/purchasing_summary",
            Self::CustomersUpdate => "customers/update",
            Self::InventoryLevelsUpdate => "inventory_levels/update",
            Self::OrdersCancelled => "orders/cancelled",
            Self::OrdersCreate => "orders/create",
            Self::OrdersDelete => "orders/delete",
            Self::OrdersEdited => "orders/edited",
            Self::OrdersFulfilled => "orders/fulfilled",
            Self::OrdersPaid => "orders/paid",
            Self::OrdersPartiallyFulfilled => "orders/partially_fulfilled",
            Self::OrdersUpdated => "orders/updated",
            Self::OrderTransactionsCreate => "order_transactions/create",
            Self::ProductsCreate => "products/create",
            Self::ProductsDelete => "products/delete",
            Self::ProductsUpdate => "products/update",
            Self::RefundsCreate => "refunds/create",
            Self::ReturnsClose => "returns/close",
            Self::ReturnsProcess => "returns/process",
            Self::ReturnsRequest => "returns/request",
            Self::ShopUpdate => "shop/update",
        }
    }

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
        DateTime(self.0.updated_at)
    }
}

/// What a mutation of subscriptions says about its input.
#[derive(SimpleObject)]
pub(crate) struct UserError {
    field: Option<Vec<String>>,
    message: String,
}

/// The answer to a creation.
#[derive(SimpleObject)]
pub(crate) struct WebhookSubscriptionCreatePayload {
    user_errors: Vec<UserError>,
    webhook_subscription: Option<WebhookSubscription>,
}

/// The answer to a change.
#[derive(SimpleObject)]
pub(crate) struct WebhookSubscriptionUpdatePayload {
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
    let (user_errors, webhook_subscription) = outcome(added(scene, topic, input));
    WebhookSubscriptionCreatePayload {
        user_errors,
        webhook_subscription,
    }
}

/// Changes a subscription; what is not given stays.
pub(crate) fn update(scene: &Arc<Scene>, id: &ID, input: WebhookSubscriptionInput) -> WebhookSubscriptionUpdatePayload {
    let (user_errors, webhook_subscription) = outcome(changed(scene, id, input));
    WebhookSubscriptionUpdatePayload {
        user_errors,
        webhook_subscription,
    }
}

fn outcome(done: Result<Subscription, UserError>) -> (Vec<UserError>, Option<WebhookSubscription>) {
    match done {
        Ok(subscription) => (Vec::new(), Some(WebhookSubscription(subscription))),
        Err(error) => (vec![error], None),
    }
}

fn added(
    scene: &Arc<Scene>,
    topic: WebhookSubscriptionTopic,
    input: WebhookSubscriptionInput,
) -> Result<Subscription, UserError> {
    allowed(scene, topic, &input)?;
    let uri = input.uri.unwrap_or_default();
    reachable(scene, &uri)?;
    scene.inner.with_store(scene.shop, scene.now, |store| {
        vacant(&store.subscriptions, topic, &uri, None)?;
        let subscription = Subscription {
            id: store.next_subscription,
            topic,
            uri,
            name: input.name,
            filter: input.filter,
            include_fields: input.include_fields.unwrap_or_default(),
            created_at: scene.now,
            updated_at: scene.now,
            accepted: 0,
        };
        store.next_subscription += 1;
        store.subscriptions.push(subscription.clone());
        Ok(subscription)
    })
}

fn changed(scene: &Arc<Scene>, id: &ID, input: WebhookSubscriptionInput) -> Result<Subscription, UserError> {
    let number = number_in(id);
    let standing = scene.inner.with_store(scene.shop, scene.now, |store| {
        store.subscriptions.iter().find(|it| Some(it.id) == number).cloned()
    });
    let mut subscription = standing.ok_or_else(unknown)?;
    allowed(scene, subscription.topic, &input)?;
    if let Some(uri) = input.uri {
        reachable(scene, &uri)?;
        subscription.uri = uri;
    }
    subscription.name = input.name.or(subscription.name);
    subscription.filter = input.filter.or(subscription.filter);
    subscription.include_fields = input.include_fields.unwrap_or(subscription.include_fields);
    subscription.updated_at = scene.now;
    scene.inner.with_store(scene.shop, scene.now, |store| {
        vacant(&store.subscriptions, subscription.topic, &subscription.uri, number)?;
        let mut standing = store.subscriptions.iter_mut();
        let standing = standing.find(|it| it.id == subscription.id).ok_or_else(unknown)?;
        *standing = subscription.clone();
        Ok(subscription)
    })
}

fn refusal(field: &[&str], message: impl Into<String>) -> UserError {
    UserError {
        field: Some(field.iter().map(|&part| part.to_owned()).collect()),
        message: message.into(),
    }
}

fn unknown() -> UserError {
    refusal(&["id"], "Webhook subscription does not exist")
}

/// Refuses a topic that the token may not listen to, and a format that the sandbox does not write.
fn allowed(scene: &Scene, topic: WebhookSubscriptionTopic, input: &WebhookSubscriptionInput) -> Result<(), UserError> {
    if topic.scope().is_some_and(|scope| !scene.has_scope(scope)) {
        let topic = async_graphql::resolver_utils::enum_value(topic);
        let message = format!("You do not have permission to create or update webhooks with {topic} topic.");
        return Err(refusal(&["topic"], message));
    }
    if input.format == Some(WebhookSubscriptionFormat::Xml) {
        let message = "The sandbox delivers webhooks as JSON only.";
        return Err(refusal(&["webhookSubscription", "format"], message));
    }
    Ok(())
}

/// Refuses an address that Shopify would not deliver to. It takes no plain HTTP at all; here a program on this machine
/// may have nothing else, and is let through.
fn reachable(scene: &Scene, uri: &str) -> Result<(), UserError> {
    let refused = |message: String| Err(refusal(&["webhookSubscription", "uri"], message));
    let Ok(address) = Address::parse(uri) else {
        return refused("Address is invalid".to_owned());
    };
    let loopback = match address.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let internal = match address.host() {
        Some(Host::Ipv4(ip)) => ip.is_private(),
        Some(Host::Domain(name)) => name.ends_with("shopify.com") || name.ends_with(".shopifycloud.com"),
        Some(Host::Ipv6(_)) | None => false,
    };
    match address.scheme() {
        "pubsub" => Ok(()),
        "https" if loopback || internal => refused("Address cannot be a Shopify or an internal domain".to_owned()),
        "https" => Ok(()),
        "http" if loopback && !scene.inner.config.refuse_plain_http => Ok(()),
        scheme => refused(format!("Address protocol {scheme}:// is not supported")),
    }
}

/// Refuses a second subscription of a topic to the same address.
fn vacant(
    standing: &[Subscription],
    topic: WebhookSubscriptionTopic,
    uri: &str,
    but: Option<u64>,
) -> Result<(), UserError> {
    let mut others = standing.iter().filter(|it| Some(it.id) != but);
    if others.any(|it| it.topic == topic && it.uri == uri) {
        let field = ["webhookSubscription", "uri"];
        return Err(refusal(&field, "Address for this topic has already been taken"));
    }
    Ok(())
}

fn number_in(id: &ID) -> Option<u64> {
    let (kind, number) = parse_gid(id)?;
    (kind == "WebhookSubscription").then_some(number)
}

/// Deletes a subscription.
pub(crate) fn delete(scene: &Arc<Scene>, id: &ID) -> WebhookSubscriptionDeletePayload {
    let number = number_in(id);
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
    WebhookSubscriptionDeletePayload {
        deleted_webhook_subscription_id: None,
        user_errors: vec![unknown()],
    }
}
