//! What goes over the wire: the documents, the types made from them, and the envelope that every answer comes in.
//!
//! An answer is read in two steps. The envelope is read once and leaves each order as the text that it is; then each
//! order is read on its own, so that one that makes no sense does not take its neighbours along.

use graphql_client::GraphQLQuery;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::money;

// The schema's scalars, and the enums that are passed on as they are spelled.
type CurrencyCode = money::CurrencyCode;
type CustomerState = String;
type DateTime = chrono::DateTime<chrono::Utc>;
type Decimal = money::Decimal;
type Id = String;
type Json = Value;
type OrderDisplayFinancialStatus = String;
type OrderDisplayFulfillmentStatus = String;
type ProductStatus = String;
type UnsignedInt64 = String;
pub(super) type WebhookSubscriptionFormat = String;
pub(super) type WebhookSubscriptionTopic = String;
type Url = String;

/// One page of orders.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/orders.graphql",
    response_derives = "Debug, Clone, PartialEq",
    normalization = "rust",
    fragments_other_variant = "true",
    extern_enums("CurrencyCode", "OrderDisplayFinancialStatus", "OrderDisplayFulfillmentStatus")
)]
pub(super) struct OrdersPage;

/// Orders by their ids.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/orders.graphql",
    normalization = "rust",
    fragments_other_variant = "true",
    extern_enums("CurrencyCode", "OrderDisplayFinancialStatus", "OrderDisplayFulfillmentStatus")
)]
pub(super) struct OrdersById;
/// One page of products.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/products.graphql",
    normalization = "rust",
    fragments_other_variant = "true",
    extern_enums("ProductStatus")
)]
pub(super) struct ProductsPage;

/// One page of customers.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/customers.graphql",
    normalization = "rust",
    extern_enums("CurrencyCode", "CustomerState")
)]
pub(super) struct CustomersPage;

/// Agreements of one order after a cursor.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/order.graphql",
    normalization = "rust",
    fragments_other_variant = "true",
    extern_enums("CurrencyCode")
)]
pub(super) struct OrderAgreements;

/// Where the first agreements of an order end.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/order.graphql",
    normalization = "rust"
)]
pub(super) struct AgreementCursor;

/// Sales of one agreement after a cursor.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/order.graphql",
    normalization = "rust",
    fragments_other_variant = "true",
    extern_enums("CurrencyCode")
)]
pub(super) struct AgreementSales;

/// What a store says of itself.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/shop.graphql",
    response_derives = "Debug",
    normalization = "rust",
    extern_enums("CurrencyCode")
)]
pub(super) struct Shop;

/// What the store grants.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/setup.graphql",
    normalization = "rust"
)]
pub(super) struct AccessScopes;

/// One page of the subscriptions to webhooks.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/setup.graphql",
    normalization = "rust",
    extern_enums("WebhookSubscriptionFormat", "WebhookSubscriptionTopic")
)]
pub(super) struct WebhookSubscriptions;

/// Makes a subscription.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/setup.graphql",
    normalization = "rust",
    extern_enums("WebhookSubscriptionFormat", "WebhookSubscriptionTopic")
)]
pub(super) struct WebhookSubscriptionCreate;

/// Changes a subscription.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/setup.graphql",
    normalization = "rust",
    extern_enums("WebhookSubscriptionFormat", "WebhookSubscriptionTopic")
)]
pub(super) struct WebhookSubscriptionUpdate;

/// Ends a subscription.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/setup.graphql",
    normalization = "rust"
)]
pub(super) struct WebhookSubscriptionDelete;
/// How many orders there are.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/reconcile.graphql",
    response_derives = "Debug",
    normalization = "rust"
)]
pub(super) struct OrderCount;

/// Which orders there are.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/reconcile.graphql",
    response_derives = "Debug",
    normalization = "rust"
)]
pub(super) struct OrderList;

/// The store's own report.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "../queries/shopify/admin.graphql",
    query_path = "../queries/shopify/reconcile.graphql",
    response_derives = "Debug",
    normalization = "rust"
)]
pub(super) struct SalesReport;

/// An order with its ledger.
pub(super) type OrderNode = orders_page::OrderParts;
/// One entry of the ledger, made of sales.
pub(super) type Agreement = orders_page::AgreementParts;
/// One row of the ledger.
pub(super) type Sale = orders_page::SaleParts;
/// What a row of the ledger has beyond its amounts, by its type.
pub(super) type SaleDetails = orders_page::SalePartsOn;
/// The words of the ledger.
pub(super) use orders_page::{OrderActionType, SaleActionType, SaleLineType};
/// A product.
pub(super) type ProductNode = products_page::ProductParts;
/// A customer.
pub(super) type CustomerNode = customers_page::CustomerParts;

/// Every answer of the Admin API.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    /// The data as text.
    #[serde(default)]
    pub(super) data: Option<Box<RawValue>>,
    /// A list of errors; now and then a sentence, or an object by field.
    #[serde(default)]
    errors: Value,
    /// What is said beside the data.
    #[serde(default)]
    extensions: Value,
}

/// What a query cost, in points.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    /// What the bucket had to hold before the query ran.
    pub(super) requested_query_cost: f64,
    /// The bucket.
    #[serde(default)]
    pub(super) throttle_status: Option<ThrottleStatus>,
}

/// The bucket of points of this app at this store.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThrottleStatus {
    /// How much it holds when full.
    pub(super) maximum_available: f64,
    /// How much it holds now.
    pub(super) currently_available: f64,
    /// Points that flow in per second.
    pub(super) restore_rate: f64,
}

/// One error of an answer, in whatever shape it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ApiError {
    /// What Shopify says.
    pub(super) message: String,
    /// `THROTTLED`, `ACCESS_DENIED`, …; empty where none was given.
    pub(super) code: String,
    /// The scope that is missing, as Shopify words it.
    pub(super) required_access: Option<String>,
    /// The place in the answer: names and positions.
    pub(super) path: Vec<Value>,
}

impl Envelope {
    /// The errors, in one shape.
    pub(super) fn errors(&self) -> Vec<ApiError> {
        read_errors(&self.errors)
    }

    /// What the query cost, where it is said.
    pub(super) fn cost(&self) -> Option<Cost> {
        serde_json::from_value(self.extensions["cost"].clone()).ok()
    }

    /// Why terms of a search text were left out. There must be none: without a term, a search finds something else.
    pub(super) fn search_warnings(&self) -> Vec<String> {
        let searches = self.extensions["search"].as_array().into_iter().flatten();
        searches
            .flat_map(|search| search["warnings"].as_array().into_iter().flatten())
            .map(|warning| text(&warning["message"]).unwrap_or_else(|| warning.to_string()))
            .collect()
    }
}

/// Errors come as a list of objects, as one sentence, or as an object from field to sentences.
pub(super) fn read_errors(errors: &Value) -> Vec<ApiError> {
    let sentence = |message: String| ApiError {
        message,
        ..ApiError::default()
    };
    match errors {
        Value::Null => Vec::new(),
        Value::String(message) => vec![sentence(message.clone())],
        Value::Array(list) => list
            .iter()
            .map(|error| match error {
                Value::Object(_) => ApiError {
                    message: text(&error["message"]).unwrap_or_else(|| "an error without a message".to_owned()),
                    code: text(&error["extensions"]["code"]).unwrap_or_default(),
                    required_access: text(&error["extensions"]["requiredAccess"]),
                    path: error["path"].as_array().cloned().unwrap_or_default(),
                },
                other => sentence(text(other).unwrap_or_else(|| other.to_string())),
            })
            .collect(),
        Value::Object(by_field) => by_field
            .iter()
            .map(|(field, messages)| {
                sentence(format!(
                    "{field}: {}",
                    text(messages).unwrap_or_else(|| messages.to_string())
                ))
            })
            .collect(),
        other => vec![sentence(other.to_string())],
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The data of [`OrdersPage`], the orders still unread.
#[derive(Debug, Deserialize)]
pub(super) struct OrdersData {
    /// The page.
    pub(super) orders: Page,
}

/// The data of [`OrdersById`], the orders still unread, in the sequence of the ids.
#[derive(Debug, Deserialize)]
pub(super) struct NodesData {
    /// None where there is nothing with that id.
    pub(super) nodes: Vec<Option<Box<RawValue>>>,
}

/// The data of a question about one order.
#[derive(Debug, Deserialize)]
pub(super) struct OrderData<T> {
    /// None when there is no such order any more.
    pub(super) order: Option<T>,
}

/// An order of which only the agreements were asked for.
#[derive(Debug, Deserialize)]
pub(super) struct WithAgreements<T> {
    /// The agreements.
    pub(super) agreements: T,
}

/// A page of anything, its members unread.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    /// The members.
    pub(super) nodes: Vec<Box<RawValue>>,
    /// Whether there are more.
    pub(super) page_info: PageInfo,
}

/// Where a page ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    /// Whether there are more.
    pub(super) has_next_page: bool,
    /// The cursor to go on from.
    pub(super) end_cursor: Option<String>,
}

/// As much of an order as tells whether its ledger is complete.
#[derive(Debug, Deserialize)]
pub(super) struct OrderExtent {
    /// The order's id.
    pub(super) id: String,
    /// Its agreements.
    pub(super) agreements: AgreementsExtent,
}

/// As much of the agreements as tells whether they are all here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AgreementsExtent {
    /// One for each agreement.
    pub(super) nodes: Vec<AgreementExtent>,
    /// Whether there are more.
    pub(super) page_info: PageInfo,
}

/// As much of an agreement as tells whether its sales are all here.
#[derive(Debug, Deserialize)]
pub(super) struct AgreementExtent {
    /// The agreement's id.
    pub(super) id: String,
    /// Its sales.
    pub(super) sales: SalesExtent,
}

/// Where the sales of an agreement end.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SalesExtent {
    /// Whether there are more.
    pub(super) page_info: PageInfo,
}

/// A page of the one agreement that [`AgreementSales`] asks for.
#[derive(Debug, Deserialize)]
pub(super) struct OneAgreement {
    /// It, or nothing where there is none behind the cursor.
    pub(super) nodes: Vec<SalesOf>,
}

/// Sales of an agreement, unread.
#[derive(Debug, Deserialize)]
pub(super) struct SalesOf {
    /// The agreement's id.
    pub(super) id: String,
    /// The sales.
    pub(super) sales: Page,
}

/// A page of which only the end was asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageEnd {
    /// Where it ends.
    pub(super) page_info: PageInfo,
}

impl OrderExtent {
    /// Whether every agreement and every sale is here.
    pub(super) fn is_complete(&self) -> bool {
        !self.agreements.page_info.has_next_page
            && self
                .agreements
                .nodes
                .iter()
                .all(|agreement| !agreement.sales.page_info.has_next_page)
    }
}
