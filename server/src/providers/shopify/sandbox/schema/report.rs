//! The store's own report: as much of ShopifyQL as asks for its sales by day.
//!
//! `FROM sales SHOW net_sales, … TIMESERIES day SINCE -7d UNTIL today`. A day on which nothing happened has no row.

use std::collections::BTreeMap;

use async_graphql::{Json, SimpleObject};
use chrono::{DateTime, Days, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::super::order::{Action, Reason, SaleKind};
use super::Scene;

/// The answer to a question in ShopifyQL.
#[derive(SimpleObject)]
pub(crate) struct ShopifyqlQueryResponse {
    parse_errors: Vec<String>,
    table_data: Option<ShopifyqlTableData>,
}

/// A table.
#[derive(SimpleObject)]
pub(crate) struct ShopifyqlTableData {
    columns: Vec<ShopifyqlTableDataColumn>,
    rows: Json<Vec<Value>>,
}

/// A column of a table.
#[derive(SimpleObject)]
pub(crate) struct ShopifyqlTableDataColumn {
    display_name: String,
    name: String,
}

/// What the store sold on a day. What takes away is negative, as the report has it.
#[derive(Clone, Copy, Default)]
struct Sums {
    orders: i64,
    gross_sales: Decimal,
    discounts: Decimal,
    sales_reversals: Decimal,
    taxes: Decimal,
    shipping_charges: Decimal,
    duties_and_fees: Decimal,
}

/// The metrics that can be shown.
const METRICS: [&str; 8] = [
    "orders",
    "gross_sales",
    "discounts",
    "sales_reversals",
    "net_sales",
    "taxes",
    "shipping_charges",
    "total_sales",
];

/// A question that was understood.
struct Question {
    metrics: Vec<String>,
    days: u64,
}

/// Answers a question about the store as it is now.
pub(crate) fn answer(scene: &Scene, text: &str) -> ShopifyqlQueryResponse {
    let question = match Question::read(text) {
        Ok(question) => question,
        Err(error) => {
            return ShopifyqlQueryResponse {
                parse_errors: vec![error],
                table_data: None,
            };
        }
    };
    let today = scene.local_date(scene.now);
    let rows = sums(scene)
        .range(today - Days::new(question.days)..=today)
        .map(|(day, sums)| {
            let cells = question
                .metrics
                .iter()
                .map(|metric| (metric.clone(), sums.cell(metric)));
            Value::Object(Map::from_iter(
                [("day".to_owned(), Value::from(day.to_string()))]
                    .into_iter()
                    .chain(cells),
            ))
        })
        .collect();
    let columns = ["day".to_owned()].into_iter().chain(question.metrics);
    ShopifyqlQueryResponse {
        parse_errors: Vec::new(),
        table_data: Some(ShopifyqlTableData {
            columns: columns
                .map(|name| ShopifyqlTableDataColumn {
                    display_name: name.replace('_', " "),
                    name,
                })
                .collect(),
            rows: Json(rows),
        }),
    }
}

impl Question {
    fn read(text: &str) -> Result<Self, String> {
        let shape = "expected FROM sales SHOW … TIMESERIES day SINCE -<days>d UNTIL today";
        let text = text.strip_prefix("FROM sales SHOW ").ok_or(shape)?;
        let (metrics, span) = text.split_once(" TIMESERIES day SINCE -").ok_or(shape)?;
        let days = span.strip_suffix("d UNTIL today").ok_or(shape)?;
        let metrics: Vec<String> = metrics.split(',').map(|metric| metric.trim().to_owned()).collect();
        match metrics.iter().find(|metric| !METRICS.contains(&metric.as_str())) {
            Some(unknown) => Err(format!("Column '{unknown}' not found in sales")),
            None => Ok(Self {
                metrics,
                days: days.parse().map_err(|_| shape)?,
            }),
        }
    }
}

impl Scene {
    fn local_date(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.settings.timezone).date_naive()
    }
}

/// Every day on which something happened. Test orders and deleted ones are in no report.
fn sums(scene: &Scene) -> BTreeMap<NaiveDate, Sums> {
    let mut days: BTreeMap<NaiveDate, Sums> = BTreeMap::new();
    let counted = scene
        .shelf
        .orders
        .iter()
        .filter(|order| !order.test && order.is_there(scene.now));
    for order in counted {
        days.entry(scene.local_date(order.processed_at)).or_default().orders += 1;
        for (agreement, sale) in order.sales(scene.now) {
            let day = days.entry(scene.local_date(agreement.happened_at)).or_default();
            let before_tax = sale.amounts.total - sale.amounts.tax;
            match sale.kind {
                SaleKind::GiftCard | SaleKind::Tip | SaleKind::Unknown => continue,
                SaleKind::Shipping => day.shipping_charges += before_tax,
                SaleKind::Duty | SaleKind::Fee | SaleKind::AdditionalFee => day.duties_and_fees += before_tax,
                SaleKind::Product
                    if sale.action == Action::Order
                        || (agreement.reason == Reason::OrderEdit && before_tax > Decimal::ZERO) =>
                {
                    day.gross_sales += before_tax + sale.amounts.discount_before_taxes;
                    day.discounts -= sale.amounts.discount_before_taxes;
                }
                SaleKind::Product | SaleKind::Adjustment => day.sales_reversals += before_tax,
            }
            day.taxes += sale.amounts.tax;
        }
    }
    days
}

impl Sums {
    fn cell(&self, metric: &str) -> Value {
        let net_sales = self.gross_sales + self.discounts + self.sales_reversals;
        let amount = match metric {
            "orders" => Decimal::from(self.orders),
            "gross_sales" => self.gross_sales,
            "discounts" => self.discounts,
            "sales_reversals" => self.sales_reversals,
            "net_sales" => net_sales,
            "taxes" => self.taxes,
            "shipping_charges" => self.shipping_charges,
            _ => net_sales + self.taxes + self.shipping_charges + self.duties_and_fees,
        };
        Value::from(amount.to_string())
    }
}
