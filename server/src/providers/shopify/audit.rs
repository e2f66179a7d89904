//! The store's own books, to hold ours against: counts and lists of orders, and its sales report in ShopifyQL.

use std::str::FromStr;

use chrono::{NaiveDate, SecondsFormat};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{next_cursor, quoted, read};
use super::wire::order_count::CountPrecision;
use super::wire::{self, PageInfo};
use super::{Shopify, normalise};
use crate::domain::ids::ShopifyOrderId;
use crate::domain::window::Window;
use crate::providers::contract::{
    ListedOrder, OrderCountQuery, OrderListPage, OrderListQuery, ProviderError, ReportedDay, SalesReportQuery,
    ShopAccess,
};

/// The report's columns that are read.
const DAY: &str = "day";
const NET_SALES: &str = "net_sales";
const TOTAL_SALES: &str = "total_sales";

impl Shopify {
    /// Counts the orders of a window.
    pub(super) async fn order_count(&self, access: &ShopAccess, query: &OrderCountQuery) -> Result<u64, ProviderError> {
        let variables = wire::order_count::Variables {
            query: processed_in(query.processed),
        };
        let reply = self.ask::<wire::OrderCount>(access, variables).await?.whole()?;
        let counted = read::<wire::order_count::ResponseData>(&reply)?.orders_count;
        let counted = counted.ok_or_else(|| ProviderError::Retry("Shopify did not count the orders".to_owned()))?;
        match (counted.precision, u64::try_from(counted.count)) {
            (CountPrecision::Exact, Ok(count)) => Ok(count),
            _ => Err(ProviderError::Broken(
                "Shopify does not count the orders exactly although it was asked to".to_owned(),
            )),
        }
    }

    /// Lists the orders of a window.
    pub(super) async fn order_list(
        &self,
        access: &ShopAccess,
        query: &OrderListQuery,
    ) -> Result<OrderListPage, ProviderError> {
        let variables = wire::order_list::Variables {
            after: query.after.clone(),
            query: processed_in(query.processed),
        };
        let reply = self.ask::<wire::OrderList>(access, variables).await?.whole()?;
        let page = read::<wire::order_list::ResponseData>(&reply)?.orders;
        let end = PageInfo {
            has_next_page: page.page_info.has_next_page,
            end_cursor: page.page_info.end_cursor,
        };
        let next = next_cursor(&end, query.after.as_deref()).map_err(ProviderError::Broken)?;
        let orders = page.nodes.into_iter().map(|order| {
            let id = normalise::number_in(&order.legacy_resource_id).map_err(ProviderError::Broken)?;
            Ok(ListedOrder {
                id: ShopifyOrderId(id),
                updated_at: order.updated_at,
            })
        });
        Ok(OrderListPage {
            orders: orders.collect::<Result<_, ProviderError>>()?,
            next,
        })
    }

    /// Reads the store's own report.
    pub(super) async fn report(
        &self,
        access: &ShopAccess,
        query: &SalesReportQuery,
    ) -> Result<Vec<ReportedDay>, ProviderError> {
        let variables = wire::sales_report::Variables {
            query: sales_by_day(query.days),
        };
        let reply = self.ask::<wire::SalesReport>(access, variables).await?.whole()?;
        read::<ReportData>(&reply)?.days().map_err(ProviderError::Broken)
    }
}

/// The search text for the orders that were processed in a window; tests are not among them.
fn processed_in(window: Window) -> String {
    let from = window.from.to_rfc3339_opts(SecondsFormat::Secs, true);
    let to = window.to.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("processed_at:>='{from}' processed_at:<'{to}' test:false")
}

/// The report of so many days before today, and of today.
fn sales_by_day(days: u64) -> String {
    format!(
        "FROM sales SHOW orders, gross_sales, discounts, sales_reversals, {NET_SALES}, taxes, shipping_charges, \
         {TOTAL_SALES} TIMESERIES {DAY} SINCE -{days}d UNTIL today"
    )
}

/// The report, its table still unread: what a row looks like is not said in the schema.
#[derive(Debug, Deserialize)]
struct ReportData {
    #[serde(rename = "shopifyqlQuery")]
    report: Option<Report>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    table_data: Option<Table>,
    #[serde(default)]
    parse_errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Table {
    columns: Vec<Column>,
    rows: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
}

impl ReportData {
    fn days(self) -> Result<Vec<ReportedDay>, String> {
        let report = self.report.ok_or("the store has no report")?;
        if !report.parse_errors.is_empty() {
            let said = quoted(&report.parse_errors.join("; "));
            return Err(format!("the store does not understand the question: {said}"));
        }
        let table = report.table_data.ok_or("the store's report has no table")?;
        let rows: Vec<Value> =
            serde_json::from_str(table.rows.get()).map_err(|_| "the rows of the store's report are no list")?;
        rows.iter().map(|row| table.day(row)).collect()
    }
}

impl Table {
    fn day(&self, row: &Value) -> Result<ReportedDay, String> {
        let money = |column: &str| {
            let value = self.cell(row, column)?;
            amount(value).ok_or_else(|| format!("`{}` is no amount", quoted(&value.to_string())))
        };
        let day = self.cell(row, DAY)?;
        let date = day.as_str().and_then(|text| text.get(..10)?.parse::<NaiveDate>().ok());
        Ok(ReportedDay {
            date: date.ok_or_else(|| format!("`{}` is no day", quoted(&day.to_string())))?,
            net_sales: money(NET_SALES)?,
            total_sales: money(TOTAL_SALES)?,
        })
    }

    /// A row is a list in the columns' sequence, or an object by their names.
    fn cell<'a>(&self, row: &'a Value, column: &str) -> Result<&'a Value, String> {
        let cell = match row {
            Value::Array(cells) => {
                let place = self.columns.iter().position(|known| known.name == column);
                place.and_then(|place| cells.get(place))
            }
            other => other.get(column),
        };
        cell.ok_or_else(|| format!("the store's report has no `{column}`"))
    }
}

/// An amount as text or as a number; a day on which nothing moved may have none.
fn amount(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Null => return Some(Decimal::ZERO),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Decimal::from_str(&text)
        .or_else(|_| Decimal::from_scientific(&text))
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_days(report: Value) -> Result<Vec<ReportedDay>, String> {
        let data: ReportData =
            serde_json::from_str(&json!({ "shopifyqlQuery": report }).to_string()).expect("the shape of an answer");
        data.days()
    }

    fn table(columns: &[&str], rows: &Value) -> Value {
        let columns: Vec<Value> = columns.iter().map(|name| json!({ "name": name })).collect();
        json!({ "tableData": { "columns": columns, "rows": rows }, "parseErrors": [] })
    }

    #[test]
    fn a_window_is_asked_for_with_quotes_and_in_utc() {
        let window = Window::of_day("2026-11-01".parse().expect("a date"), chrono_tz::America::New_York);
        assert_eq!(
            processed_in(window),
            "processed_at:>='2026-11-01T04:00:00Z' processed_at:<'2026-11-02T05:00:00Z' test:false"
        );
    }

    #[test]
    fn a_report_is_read_in_every_shape_that_its_rows_may_have() {
        let expected = vec![ReportedDay {
            date: "2026-11-20".parse().expect("a date"),
            net_sales: Decimal::new(-1250, 2),
            total_sales: Decimal::new(90071, 1),
        }];
        let names = ["day", "orders", "net_sales", "total_sales"];
        for rows in [
            json!([["2026-11-20", 3, "-12.50", "9007.1"]]),
            json!([["2026-11-20T00:00:00-05:00", "3", -12.5, 9007.1]]),
            json!([{ "day": "2026-11-20", "orders": "3", "net_sales": "-12.50", "total_sales": "9007.10" }]),
            json!([{ "total_sales": 9007.1, "net_sales": -12.5, "day": "2026-11-20T05:00:00Z" }]),
        ] {
            assert_eq!(read_days(table(&names, &rows)), Ok(expected.clone()), "{rows}");
        }
        // By name, whatever the sequence.
        let rows = json!([["9007.1", "-12.5", "2026-11-20"]]);
        let turned = table(&["total_sales", "net_sales", "day"], &rows);
        assert_eq!(read_days(turned), Ok(expected));
        let nothing = json!([["2026-11-20", 0, null, null]]);
        assert_eq!(
            read_days(table(&names, &nothing)).map(|days| days[0].net_sales),
            Ok(Decimal::ZERO)
        );
        assert_eq!(read_days(table(&names, &json!([]))), Ok(Vec::new()));
    }

    #[test]
    fn a_report_that_can_not_be_read_says_why() {
        let names = ["day", "net_sales", "total_sales"];
        for (report, why) in [
            (json!(null), "no report"),
            (
                json!({ "tableData": null, "parseErrors": ["Unknown column `net_sale`"] }),
                "Unknown column",
            ),
            (json!({ "tableData": null, "parseErrors": [] }), "no table"),
            (table(&names, &json!({ "day": 1 })), "no list"),
            (table(&["day"], &json!([["2026-11-20"]])), "no `net_sales`"),
            (table(&names, &json!([["November", "1", "1"]])), "no day"),
            (table(&names, &json!([["2026-11-20", "much", "1"]])), "no amount"),
        ] {
            let refused = read_days(report.clone()).expect_err("not to be read");
            assert!(refused.contains(why), "{report}: {refused}");
        }
    }
}
