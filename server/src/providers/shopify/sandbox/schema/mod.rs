//! The part of Shopify's Admin API that readers of orders use: the same names, the same nullability, the same defaults.
//!
//! Resolvers read one [`Scene`]: a shop as it is at the instant of the request. Access is checked here as Shopify does,
//! field by field, so that a missing scope spoils a part of an answer and not the whole.

mod agreement;
mod connection;
mod customer;
mod order;
mod product;
mod refund;
mod report;
mod sale;
mod scalars;
mod shop;
mod webhook;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_graphql::{Context, EmptySubscription, Error, ErrorExtensions, ID, Interface, Object, Result, Schema};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use self::connection::{Window, paginate};
use self::customer::{Customer, CustomerConnection, CustomerSortKeys};
use self::order::{Order, OrderConnection, OrderSortKeys};
use self::product::{Product, ProductConnection, ProductSortKeys, ProductVariant};
use self::refund::Refund;
use self::report::ShopifyqlQueryResponse;
use self::shop::{AppInstallation, Count, Shop};
use self::webhook::{
    WebhookSubscription, WebhookSubscriptionConnection, WebhookSubscriptionCreatePayload,
    WebhookSubscriptionDeletePayload, WebhookSubscriptionFormat, WebhookSubscriptionInput, WebhookSubscriptionSortKeys,
    WebhookSubscriptionUpdatePayload,
};
use super::Inner;
use super::order as ledger;
use super::search::{Content, Kind, Search};
use super::shops::{self, Profile};
use super::state::{Settings, Shelf, Unlisted};

pub(crate) use self::webhook::WebhookSubscriptionTopic;

/// The schema of the Admin API.
pub(crate) type AdminSchema = Schema<QueryRoot, Mutation, EmptySubscription>;

/// Builds the schema.
pub(crate) fn build() -> AdminSchema {
    Schema::build(QueryRoot, Mutation, EmptySubscription)
        .limit_recursive_depth(64)
        .disable_suggestions()
        .finish()
}

/// A shop at the instant of a request, and what the request may see of it.
pub(crate) struct Scene {
    pub(crate) inner: Arc<Inner>,
    pub(crate) shop: &'static Profile,
    pub(crate) settings: Settings,
    pub(crate) shelf: Arc<Shelf>,
    /// Orders that lists keep back.
    pub(crate) unlisted: HashMap<u64, Unlisted>,
    pub(crate) now: DateTime<Utc>,
    /// Scopes of the token, as granted.
    pub(crate) scopes: Vec<String>,
    /// Orders before this instant stay hidden: the scope for older ones is missing.
    pub(crate) oldest: DateTime<Utc>,
    /// What `extensions.search` will say.
    pub(crate) searches: Mutex<Vec<Value>>,
    /// Whether searches without warnings are told of too.
    pub(crate) explain_searches: bool,
    pub(crate) customers: OnceLock<HashMap<u64, Buyer>>,
}

/// A customer as the visible orders show them.
#[derive(Clone, Debug)]
pub(crate) struct Buyer {
    pub(crate) id: u64,
    pub(crate) since: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Orders, also those before the store's history begins.
    pub(crate) orders: i32,
    /// Spent on the orders of the store's history.
    pub(crate) spent: Decimal,
}

impl Scene {
    /// Whether the token has a scope; the right to write includes the right to read.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        let writing = scope.strip_prefix("read_").map(|what| format!("write_{what}"));
        self.scopes
            .iter()
            .any(|granted| granted == scope || Some(granted) == writing.as_ref())
    }

    fn demand(&self, scope: &str, field: &str) -> Result<()> {
        if self.has_scope(scope) {
            return Ok(());
        }
        let access = format!("`{scope}` access scope.");
        let message = format!("Access denied for {field} field. Required access: {access}");
        Err(Error::new(message).extend_with(|_, extensions| {
            extensions.set("code", "ACCESS_DENIED");
            extensions.set("documentation", "https://shopify.dev/api/usage/access-scopes");
            extensions.set("requiredAccess", access);
        }))
    }

    fn shop(&self) -> Shop {
        Shop {
            shop: self.shop,
            settings: self.settings.clone(),
            now: self.now,
        }
    }

    /// The orders that a reader sees.
    pub(crate) fn orders(&self) -> impl Iterator<Item = &Arc<ledger::Order>> {
        self.shelf
            .orders
            .iter()
            .filter(|order| order.is_there(self.now) && order.created_at >= self.oldest)
    }

    pub(crate) fn order(&self, id: u64) -> Option<Arc<ledger::Order>> {
        self.shelf
            .order(id)
            .filter(|order| order.is_there(self.now) && order.created_at >= self.oldest)
            .cloned()
    }

    /// The products that there are.
    pub(crate) fn products(&self) -> Vec<shops::Product> {
        self.shelf.products(self.shop, self.now)
    }

    /// Customers, worked out once for a request that asks for them.
    pub(crate) fn customers(&self) -> &HashMap<u64, Buyer> {
        self.customers.get_or_init(|| {
            let mut buyers: HashMap<u64, Buyer> = HashMap::new();
            for order in self.shelf.orders.iter().filter(|order| order.is_there(self.now)) {
                let Some(customer) = &order.customer else {
                    continue;
                };
                let updated_at = order.updated_at(self.now);
                let spent = order.worth(self.now).total;
                buyers
                    .entry(customer.id)
                    .and_modify(|buyer| {
                        buyer.updated_at = buyer.updated_at.max(updated_at);
                        buyer.orders = buyer.orders.max(customer.order_index);
                        buyer.spent += spent;
                    })
                    .or_insert(Buyer {
                        id: customer.id,
                        since: customer.since,
                        updated_at,
                        orders: customer.order_index,
                        spent,
                    });
            }
            buyers
        })
    }

    /// Reads a filter, and notes what is wrong with it.
    fn search(&self, ctx: &Context<'_>, query: Option<&str>, fields: &[(&str, Kind)]) -> Search {
        let search = Search::read(query.unwrap_or_default(), fields);
        if query.is_some() && (self.explain_searches || !search.warnings.is_empty()) {
            let path = ctx.path_node.map(|node| node.to_string_vec()).unwrap_or_default();
            let mut note = json!({ "path": path, "query": query, "parsed": search.parsed });
            if !search.warnings.is_empty() {
                note["warnings"] = Value::from(search.warnings.clone());
            }
            self.searches.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        }
        search
    }

    fn found_orders(&self, search: &Search) -> Vec<Arc<ledger::Order>> {
        self.orders()
            .filter(|order| {
                search
                    .filter
                    .admits(self.shop, &|field| order::content(order, self.now, field))
            })
            .cloned()
            .collect()
    }

    /// The same without those that lists keep back.
    fn listed_orders(&self, search: &Search) -> Vec<Arc<ledger::Order>> {
        let mut found = self.found_orders(search);
        let by_change = search.filter.names("updated_at");
        found.retain(|order| match self.unlisted.get(&order.id) {
            None => true,
            Some(Unlisted::FromChanges) => !by_change,
            Some(Unlisted::FromLists) => false,
        });
        found
    }

    fn node(self: &Arc<Self>, id: &str) -> Option<Node> {
        let (kind, number) = parse_gid(id)?;
        let scene = Arc::clone(self);
        Some(match kind {
            "Order" => Node::Order(Order {
                order: self.order(number)?,
                scene,
            }),
            "Customer" => Node::Customer(Customer {
                buyer: self.customers().get(&number)?.clone(),
                scene,
            }),
            "Product" => Node::Product(Product::find(&scene, number)?),
            "ProductVariant" => Node::ProductVariant(ProductVariant::find(&scene, number)?),
            "Refund" => Node::Refund(Refund::find(&scene, number)?),
            "Shop" if number == self.shop.number => Node::Shop(self.shop()),
            _ => return None,
        })
    }
}

/// The scope that an object behind `node` needs.
fn node_scope(id: &str) -> Option<(&'static str, &'static str)> {
    match parse_gid(id)?.0 {
        "Order" => Some(("read_orders", "order")),
        "Refund" => Some(("read_orders", "refund")),
        "Customer" => Some(("read_customers", "customer")),
        "Product" => Some(("read_products", "product")),
        "ProductVariant" => Some(("read_products", "productVariant")),
        _ => None,
    }
}

/// `gid://shopify/Order/1` as a kind and a number.
fn parse_gid(id: &str) -> Option<(&str, u64)> {
    let (kind, number) = id.strip_prefix("gid://shopify/")?.split_once('/')?;
    Some((kind, number.split('?').next()?.parse().ok()?))
}

pub(super) fn gid(kind: &str, number: u64) -> ID {
    ID(format!("gid://shopify/{kind}/{number}"))
}

fn number_of(id: &ID, kind: &str) -> Result<u64> {
    match parse_gid(id) {
        Some((found, number)) if found == kind => Ok(number),
        _ => Err(Error::new(format!("Invalid global id '{}'", id.as_str()))
            .extend_with(|_, extensions| extensions.set("code", "argumentLiteralsIncompatible"))),
    }
}

fn scene<'a>(ctx: &Context<'a>) -> &'a Arc<Scene> {
    ctx.data_unchecked::<Arc<Scene>>()
}

/// An object with an ID.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub(crate) enum Node {
    Order(Order),
    Customer(Customer),
    Product(Product),
    ProductVariant(ProductVariant),
    Refund(Refund),
    Shop(Shop),
    AppInstallation(AppInstallation),
    WebhookSubscription(WebhookSubscription),
    LineItem(order::LineItem),
    CustomerVisit(order::CustomerVisit),
    Return(agreement::Return),
    RefundShippingLine(refund::RefundShippingLine),
    OrderAdjustment(refund::OrderAdjustment),
    Duty(sale::Duty),
    SaleAdditionalFee(sale::SaleAdditionalFee),
    Domain(shop::Domain),
}

/// The root of queries.
pub(crate) struct QueryRoot;

#[Object]
impl QueryRoot {
    async fn shop(&self, ctx: &Context<'_>) -> Shop {
        scene(ctx).shop()
    }

    async fn current_app_installation(&self, ctx: &Context<'_>) -> AppInstallation {
        AppInstallation {
            scopes: scene(ctx).scopes.clone(),
        }
    }

    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Node>> {
        if let Some((scope, field)) = node_scope(&id) {
            scene(ctx).demand(scope, field)?;
        }
        Ok(scene(ctx).node(&id))
    }

    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Node>>> {
        if ids.len() > 250 {
            let message = format!(
                "The input array size of {} is greater than the maximum allowed of 250.",
                ids.len()
            );
            return Err(
                Error::new(message).extend_with(|_, extensions| extensions.set("code", "MAX_INPUT_SIZE_EXCEEDED"))
            );
        }
        for (scope, field) in ids.iter().filter_map(|id| node_scope(id)) {
            scene(ctx).demand(scope, field)?;
        }
        Ok(ids.iter().map(|id| scene(ctx).node(id)).collect())
    }

    async fn order(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Order>> {
        let scene = scene(ctx);
        scene.demand("read_orders", "order")?;
        let order = scene.order(number_of(&id, "Order")?);
        Ok(order.map(|order| Order {
            order,
            scene: Arc::clone(scene),
        }))
    }

    async fn refund(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Refund>> {
        scene(ctx).demand("read_orders", "refund")?;
        Ok(Refund::find(scene(ctx), number_of(&id, "Refund")?))
    }

    #[expect(clippy::too_many_arguments, reason = "the field has so many")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        query: Option<String>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
        saved_search_id: Option<ID>,
        #[graphql(default_with = "Some(OrderSortKeys::ProcessedAt)")] sort_key: Option<OrderSortKeys>,
    ) -> Result<OrderConnection> {
        let scene = scene(ctx);
        scene.demand("read_orders", "orders")?;
        no_saved_searches(saved_search_id)?;
        let search = scene.search(ctx, query.as_deref(), order::SEARCH_FIELDS);
        let sort_key = sort_key.unwrap_or(OrderSortKeys::Id);
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let key = |order: &Arc<ledger::Order>| sort_key.key(order, scene.now);
        let page = paginate(scene.listed_orders(&search), sort_key.name(), key, window)?;
        Ok(page
            .map(|order| Order {
                order,
                scene: Arc::clone(scene),
            })
            .into())
    }

    async fn orders_count(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(10_000)")] limit: Option<i32>,
        query: Option<String>,
        saved_search_id: Option<ID>,
    ) -> Result<Option<Count>> {
        let scene = scene(ctx);
        scene.demand("read_orders", "ordersCount")?;
        no_saved_searches(saved_search_id)?;
        let search = scene.search(ctx, query.as_deref(), order::SEARCH_FIELDS);
        Ok(Some(Count::of(scene.found_orders(&search).len(), limit)))
    }

    async fn shopifyql_query(&self, ctx: &Context<'_>, query: String) -> Result<Option<ShopifyqlQueryResponse>> {
        let scene = scene(ctx);
        scene.demand("read_reports", "shopifyqlQuery")?;
        Ok(Some(report::answer(scene, &query)))
    }

    #[expect(clippy::too_many_arguments, reason = "the field has so many")]
    async fn customers(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        query: Option<String>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
        #[graphql(default_with = "Some(CustomerSortKeys::Id)")] sort_key: Option<CustomerSortKeys>,
    ) -> Result<CustomerConnection> {
        let scene = scene(ctx);
        scene.demand("read_customers", "customers")?;
        let search = scene.search(ctx, query.as_deref(), customer::SEARCH_FIELDS);
        let found: Vec<_> = scene
            .customers()
            .values()
            .filter(|buyer| {
                search
                    .filter
                    .admits(scene.shop, &|field| customer::content(buyer, field))
            })
            .cloned()
            .collect();
        let sort_key = sort_key.unwrap_or(CustomerSortKeys::Id);
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let page = paginate(found, sort_key.name(), |buyer| sort_key.key(buyer), window)?;
        Ok(page
            .map(|buyer| Customer {
                buyer,
                scene: Arc::clone(scene),
            })
            .into())
    }

    #[expect(clippy::too_many_arguments, reason = "the field has so many")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        query: Option<String>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
        saved_search_id: Option<ID>,
        #[graphql(default_with = "Some(ProductSortKeys::Id)")] sort_key: Option<ProductSortKeys>,
    ) -> Result<ProductConnection> {
        let scene = scene(ctx);
        scene.demand("read_products", "products")?;
        no_saved_searches(saved_search_id)?;
        let search = scene.search(ctx, query.as_deref(), product::SEARCH_FIELDS);
        let found: Vec<_> = scene
            .products()
            .into_iter()
            .filter(|product| {
                search
                    .filter
                    .admits(scene.shop, &|field| product::content(product, field))
            })
            .collect();
        let sort_key = sort_key.unwrap_or(ProductSortKeys::Id);
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let page = paginate(found, sort_key.name(), |product| sort_key.key(product), window)?;
        Ok(page.map(|product| Product(Arc::new(product))).into())
    }

    #[expect(clippy::too_many_arguments, reason = "the field has so many")]
    async fn webhook_subscriptions(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        format: Option<WebhookSubscriptionFormat>,
        query: Option<String>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
        #[graphql(default_with = "Some(WebhookSubscriptionSortKeys::CreatedAt)")] sort_key: Option<
            WebhookSubscriptionSortKeys,
        >,
        topics: Option<Vec<WebhookSubscriptionTopic>>,
        uri: Option<String>,
    ) -> Result<WebhookSubscriptionConnection> {
        let scene = scene(ctx);
        let search = scene.search(ctx, query.as_deref(), webhook::SEARCH_FIELDS);
        // Every subscription of the sandbox is delivered as JSON.
        let wanted_format = format.is_none_or(|format| format == WebhookSubscriptionFormat::Json);
        let found: Vec<_> = scene
            .inner
            .with_store(scene.shop, scene.now, |store| store.subscriptions.clone())
            .into_iter()
            .filter(|it| wanted_format && topics.as_ref().is_none_or(|topics| topics.contains(&it.topic)))
            .filter(|it| uri.as_ref().is_none_or(|uri| *uri == it.uri))
            .filter(|it| search.filter.admits(scene.shop, &|_| Content::Number(it.id)))
            .collect();
        let sort_key = sort_key.unwrap_or(WebhookSubscriptionSortKeys::Id);
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let page = paginate(found, sort_key.name(), |it| sort_key.key(it), window)?;
        Ok(page.map(WebhookSubscription).into())
    }
}

/// The root of mutations.
pub(crate) struct Mutation;

#[Object]
impl Mutation {
    async fn webhook_subscription_create(
        &self,
        ctx: &Context<'_>,
        topic: WebhookSubscriptionTopic,
        webhook_subscription: WebhookSubscriptionInput,
    ) -> Option<WebhookSubscriptionCreatePayload> {
        Some(webhook::create(scene(ctx), topic, webhook_subscription))
    }

    async fn webhook_subscription_update(
        &self,
        ctx: &Context<'_>,
        id: ID,
        webhook_subscription: WebhookSubscriptionInput,
    ) -> Option<WebhookSubscriptionUpdatePayload> {
        Some(webhook::update(scene(ctx), &id, webhook_subscription))
    }

    async fn webhook_subscription_delete(&self, ctx: &Context<'_>, id: ID) -> Option<WebhookSubscriptionDeletePayload> {
        Some(webhook::delete(scene(ctx), &id))
    }
}

fn no_saved_searches(id: Option<ID>) -> Result<()> {
    match id {
        None => Ok(()),
        Some(_) => Err(Error::new(
            "The sandbox keeps no saved searches: send the filter as `query`.",
        )),
    }
}
