//! The ledger's rules, row by row, and what must hold for any ledger.

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const LINES: [&str; 8] = [
    "PRODUCT",
    "GIFT_CARD",
    "TIP",
    "SHIPPING",
    "DUTY",
    "FEE",
    "ADDITIONAL_FEE",
    "ADJUSTMENT",
];

/// A row of the ledger as Shopify words it; amounts in cents.
#[derive(Debug, Clone)]
struct Row {
    line: &'static str,
    action: &'static str,
    quantity: i64,
    total: i64,
    tax: i64,
    discount: i64,
    /// What stands on the line of a product.
    product: Option<i64>,
    title: &'static str,
}

impl Row {
    /// As a row of this product.
    fn about(self, product: Option<i64>, title: &'static str) -> Self {
        Self { product, title, ..self }
    }
}

/// An agreement: its reason, when it happened (minutes after 2026-11-20 00:00 UTC), its rows.
type Entry = (&'static str, i64, Vec<Row>);

fn row(line: &'static str, action: &'static str, quantity: i64, total: i64, tax: i64, discount: i64) -> Row {
    Row {
        line,
        action,
        quantity,
        total,
        tax,
        discount,
        product: None,
        title: "A shirt",
    }
}

fn at(minutes: i64) -> DateTime<Utc> {
    "2026-11-20T00:00:00Z".parse::<DateTime<Utc>>().expect("a moment") + TimeDelta::minutes(minutes)
}

fn money(cents: i64) -> Value {
    let amount = Decimal::new(cents, 2).to_string();
    json!({"shopMoney": {"amount": amount, "currencyCode": "EUR"}})
}

fn sale(row: &Row) -> Value {
    let mut sale = json!({
        "__typename": match row.line {
            "PRODUCT" => "ProductSale",
            "SHIPPING" => "ShippingLineSale",
            _ => "FeeSale",
        },
        "id": "gid://shopify/Sale/1",
        "actionType": row.action,
        "lineType": row.line,
        "quantity": row.quantity,
        "totalAmount": money(row.total),
        "totalTaxAmount": money(row.tax),
        "totalDiscountAmountBeforeTaxes": money(row.discount),
    });
    if row.line == "PRODUCT" {
        let product = row
            .product
            .map(|id| json!({ "id": format!("gid://shopify/Product/{id}") }));
        sale["lineItem"] =
            json!({"id": "gid://shopify/LineItem/1", "title": row.title, "sku": null, "product": product});
    }
    sale
}

fn agreement((reason, minutes, rows): &Entry) -> Value {
    json!({
        "__typename": "OrderAgreement",
        "id": "gid://shopify/OrderAgreement/1",
        "happenedAt": at(*minutes),
        "reason": reason,
        "sales": {
            "nodes": rows.iter().map(sale).collect::<Vec<_>>(),
            "pageInfo": {"hasNextPage": false, "endCursor": null},
        },
    })
}

/// An order of a customer's first, processed at 23:30 UTC on the 20th.
fn order(entries: &[Entry]) -> Value {
    json!({
        "id": "gid://shopify/Order/5001",
        "legacyResourceId": "5001",
        "name": "#1001",
        "createdAt": at(1410),
        "updatedAt": at(9999),
        "processedAt": at(1410),
        "cancelledAt": null,
        "test": false,
        "currencyCode": "EUR",
        "taxesIncluded": true,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "A_STATUS_OF_NEXT_YEAR",
        "sourceName": "web",
        "customer": {"id": "gid://shopify/Customer/77"},
        "customerJourneySummary": {
            "ready": true,
            "customerOrderIndex": 1,
            "lastVisit": {"utmParameters": {
                "source": "newsletter", "medium": "email", "campaign": "black friday", "content": null, "term": null,
            }},
        },
        "agreements": {
            "nodes": entries.iter().map(agreement).collect::<Vec<_>>(),
            "pageInfo": {"hasNextPage": false, "endCursor": null},
        },
    })
}

fn normalise(order: &Value, timezone: Tz) -> Result<OrderFact, String> {
    let payload = serde_json::value::to_raw_value(order).expect("it is JSON");
    replay(&payload, timezone, "EUR".parse().expect("a currency"))
}

fn read(order: &Value) -> OrderFact {
    normalise(order, Tz::UTC).expect("a readable order")
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn cents(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

/// The amounts of an order whose only row, in an agreement of another reason than `ORDER`, is this one.
fn of(row: Row) -> [Decimal; 6] {
    let sums = read(&order(&[("ORDER_EDIT", 1410, vec![row])])).totals;
    [
        sums.gross_sales,
        sums.discounts,
        sums.refunds,
        sums.shipping,
        sums.taxes,
        sums.duties_and_fees,
    ]
}

#[test]
fn each_row_counts_where_the_ledger_says() {
    let zero = Decimal::ZERO;
    let nothing = [zero; 6];
    // 119.00 with 19.00 tax after a discount of 20.00: 100.00 net, 120.00 gross.
    let sold = [cents(12000), cents(2000), zero, zero, cents(1900), zero];
    let returned = [zero, zero, cents(10000), zero, cents(-1900), zero];
    let cases = [
        (row("PRODUCT", "ORDER", 2, 11900, 1900, 2000), sold),
        (row("PRODUCT", "UPDATE", 2, 11900, 1900, 2000), sold),
        (row("PRODUCT", "UPDATE", -2, -11900, -1900, 0), returned),
        (row("PRODUCT", "RETURN", -2, -11900, -1900, 0), returned),
        // Given away for nothing: the discount is the price.
        (
            row("PRODUCT", "ORDER", 1, 0, 0, 500),
            [cents(500), cents(500), zero, zero, zero, zero],
        ),
        (
            row("PRODUCT", "UPDATE", 1, 0, 0, 500),
            [cents(500), cents(500), zero, zero, zero, zero],
        ),
        (row("PRODUCT", "UPDATE", -1, 0, 0, 0), nothing),
        (
            row("ADJUSTMENT", "RETURN", 0, -500, -80, 0),
            [zero, zero, cents(420), zero, cents(-80), zero],
        ),
        // A restocking fee is kept back from the refund.
        (
            row("ADJUSTMENT", "RETURN", 0, 500, 0, 0),
            [zero, zero, cents(-500), zero, zero, zero],
        ),
        (
            row("SHIPPING", "ORDER", 1, 595, 95, 0),
            [zero, zero, zero, cents(500), cents(95), zero],
        ),
        (
            row("SHIPPING", "RETURN", -1, -595, -95, 0),
            [zero, zero, zero, cents(-500), cents(-95), zero],
        ),
        (
            row("DUTY", "ORDER", 1, 1000, 0, 0),
            [zero, zero, zero, zero, zero, cents(1000)],
        ),
        (
            row("FEE", "ORDER", 1, 119, 19, 0),
            [zero, zero, zero, zero, cents(19), cents(100)],
        ),
        (
            row("ADDITIONAL_FEE", "ORDER", 1, 300, 0, 0),
            [zero, zero, zero, zero, zero, cents(300)],
        ),
        (row("GIFT_CARD", "ORDER", 1, 5000, 100, 0), nothing),
        (row("TIP", "ORDER", 1, 200, 10, 0), nothing),
    ];
    for (row, expected) in cases {
        assert_eq!(of(row.clone()), expected, "{row:?}");
    }
}

#[test]
fn an_order_and_its_refund_count_on_their_own_days() {
    let fact = read(&order(&[
        (
            "ORDER",
            1410,
            vec![
                row("PRODUCT", "ORDER", 3, 11900, 1900, 2000),
                row("SHIPPING", "ORDER", 1, 595, 95, 0),
            ],
        ),
        ("ORDER_EDIT", 1500, vec![row("PRODUCT", "UPDATE", 1, 1190, 190, 0)]),
        ("REFUND", 3000, vec![row("PRODUCT", "RETURN", -1, -3570, -570, 0)]),
    ]));
    let dates: Vec<NaiveDate> = fact.days.iter().map(|day| day.date).collect();
    assert_eq!(dates, [day("2026-11-20"), day("2026-11-21"), day("2026-11-22")]);
    let [placed, edited, refunded] = [fact.days[0].sums, fact.days[1].sums, fact.days[2].sums];
    assert_eq!((placed.orders, placed.units, placed.new_customer_orders), (1, 3, 1));
    assert_eq!(placed.gross_sales, cents(12000));
    assert_eq!(placed.order_value, cents(10000));
    assert_eq!(placed.total_sales(), cents(11900 + 595));
    assert_eq!((edited.orders, edited.units, edited.order_value), (0, 0, Decimal::ZERO));
    assert_eq!(edited.revenue_net(), cents(1000));
    assert_eq!(refunded.revenue_net(), cents(-3000));
    assert_eq!(fact.totals.revenue_net(), cents(8000));
}

/// What the only row of an order, in an agreement of this reason, contributes to its product.
fn product_of(reason: &'static str, row: Row) -> Option<(Option<i64>, Option<String>, ProductSums)> {
    let mut days = read(&order(&[(reason, 1410, vec![row])])).product_days;
    assert!(days.len() <= 1, "{days:?}");
    let day = days.pop()?;
    assert_eq!(day.date, crate::domain::clock::local_date(at(1410), Tz::UTC));
    Some((day.product_id.map(|id| id.0), day.title, day.sums))
}

#[test]
fn each_row_of_merchandise_counts_for_its_product_alone() {
    let tea = |row: Row| row.about(Some(9), "Tea");
    let sums = |units, units_returned, gross, discounts, refunds| ProductSums {
        units,
        units_returned,
        gross_sales: cents(gross),
        discounts: cents(discounts),
        refunds: cents(refunds),
    };
    // Reason of the agreement, row, what counts for product 9.
    let cases = [
        (
            "ORDER",
            row("PRODUCT", "ORDER", 2, 11900, 1900, 2000),
            sums(2, 0, 12000, 2000, 0),
        ),
        // Added later: money, but no unit, as in the order's own day.
        (
            "ORDER_EDIT",
            row("PRODUCT", "ORDER", 2, 11900, 1900, 2000),
            sums(0, 0, 12000, 2000, 0),
        ),
        (
            "ORDER_EDIT",
            row("PRODUCT", "UPDATE", 1, 1190, 190, 0),
            sums(0, 0, 1000, 0, 0),
        ),
        (
            "ORDER_EDIT",
            row("PRODUCT", "UPDATE", -1, -1190, -190, 0),
            sums(0, 1, 0, 0, 1000),
        ),
        (
            "REFUND",
            row("PRODUCT", "RETURN", -3, -3570, -570, 0),
            sums(0, 3, 0, 0, 3000),
        ),
        // A reduction without a piece that moves.
        (
            "ORDER_EDIT",
            row("PRODUCT", "UPDATE", 0, -500, -80, 0),
            sums(0, 0, 0, 0, 420),
        ),
        // A present: the discount is the price.
        ("ORDER", row("PRODUCT", "ORDER", 1, 0, 0, 500), sums(1, 0, 500, 500, 0)),
        // Taken back for nothing.
        ("REFUND", row("PRODUCT", "RETURN", -1, 0, 0, 0), sums(0, 1, 0, 0, 0)),
    ];
    for (reason, row, expected) in cases {
        let found = product_of(reason, tea(row.clone()));
        assert_eq!(
            found,
            Some((Some(9), Some("Tea".to_owned()), expected)),
            "{reason} {row:?}"
        );
    }
    // A line typed in by hand, or of a product that is gone.
    let typed = product_of("ORDER", row("PRODUCT", "ORDER", 1, 100, 0, 0));
    assert_eq!(typed, Some((None, Some("A shirt".to_owned()), sums(1, 0, 100, 0, 0))));
    // A difference belongs to no line, whatever quantity it has.
    for quantity in [0, -1] {
        let adjusted = product_of("REFUND", row("ADJUSTMENT", "RETURN", quantity, 500, 80, 0));
        assert_eq!(adjusted, Some((None, None, sums(0, 0, 0, 0, -420))));
    }
    for line in ["GIFT_CARD", "TIP", "SHIPPING", "DUTY", "FEE", "ADDITIONAL_FEE"] {
        assert_eq!(product_of("ORDER", row(line, "ORDER", 1, 500, 80, 10)), None, "{line}");
    }
}

#[test]
fn a_products_name_is_cut_and_a_blank_one_is_none() {
    let long: &'static str = "é".repeat(300).leak();
    for (title, expected) in [
        (long, Some("é".repeat(255))),
        ("  Tea ", Some("Tea".to_owned())),
        (" ", None),
    ] {
        let row = row("PRODUCT", "ORDER", 1, 100, 0, 0).about(Some(9), title);
        assert_eq!(product_of("ORDER", row).expect("it counts").1, expected);
    }
}

#[test]
fn a_products_units_count_on_the_orders_own_day_and_its_money_on_the_day_it_moved() {
    let tea = |row: Row| row.about(Some(9), "Tea");
    let fact = read(&order(&[
        ("ORDER", 1410, vec![tea(row("PRODUCT", "ORDER", 3, 900, 0, 0))]),
        // The same order agreed upon twice: placed on the day of the first.
        ("ORDER", 1500, vec![tea(row("PRODUCT", "ORDER", 1, 300, 0, 0))]),
        ("REFUND", 3000, vec![tea(row("PRODUCT", "RETURN", -1, -300, 0, 0))]),
    ]));
    let moved = Vec::from_iter(fact.product_days.iter().map(|day| {
        let ProductSums {
            units,
            units_returned,
            gross_sales,
            refunds,
            ..
        } = day.sums;
        (day.date.to_string(), units, units_returned, gross_sales, refunds)
    }));
    let zero = Decimal::ZERO;
    assert_eq!(
        moved,
        [
            ("2026-11-20".to_owned(), 4, 0, cents(900), zero),
            ("2026-11-21".to_owned(), 0, 0, cents(300), zero),
            ("2026-11-22".to_owned(), 0, 1, zero, cents(300)),
        ]
    );
}

#[test]
fn a_day_is_the_stores_own() {
    let entries = [("ORDER", 1410, vec![row("PRODUCT", "ORDER", 1, 100, 0, 0)])];
    let date = |timezone| normalise(&order(&entries), timezone).expect("readable").order_date;
    assert_eq!(date(Tz::UTC), day("2026-11-20"));
    assert_eq!(date(Tz::Europe__Berlin), day("2026-11-21"));
    assert_eq!(date(Tz::Pacific__Kiritimati), day("2026-11-21"));
    assert_eq!(date(Tz::Pacific__Pago_Pago), day("2026-11-20"));
}

#[test]
fn an_order_that_was_never_agreed_on_counts_on_the_day_it_was_processed() {
    let fact = read(&order(&[]));
    assert_eq!(fact.order_date, day("2026-11-20"));
    assert_eq!(fact.days.len(), 1);
    assert_eq!(fact.days[0].sums.orders, 1);
    // And an imported order on the day of its first agreement, however it is listed.
    let fact = read(&order(&[
        ("ORDER", 100, vec![row("PRODUCT", "ORDER", 1, 100, 0, 0)]),
        ("ORDER", -2000, vec![row("PRODUCT", "ORDER", 1, 200, 0, 0)]),
    ]));
    assert_eq!(fact.order_date, day("2026-11-18"));
    assert_eq!(fact.days[0].sums.order_value, cents(300));
}

#[test]
fn customers_are_new_returning_or_guests() {
    let counted = |customer: Value, journey: Value| {
        let mut order = order(&[]);
        order["customer"] = customer;
        order["customerJourneySummary"] = journey;
        let sums = read(&order).totals;
        assert_eq!(sums.orders, 1);
        (
            sums.new_customer_orders,
            sums.returning_customer_orders,
            sums.guest_orders,
        )
    };
    let customer = json!({"id": "gid://shopify/Customer/77"});
    let journey = |index: Value| json!({"ready": true, "customerOrderIndex": index, "lastVisit": null});
    assert_eq!(counted(customer.clone(), journey(json!(1))), (1, 0, 0));
    assert_eq!(counted(customer.clone(), journey(json!(2))), (0, 1, 0));
    assert_eq!(counted(customer.clone(), journey(Value::Null)), (0, 0, 0));
    assert_eq!(counted(customer, Value::Null), (0, 0, 0));
    assert_eq!(counted(Value::Null, Value::Null), (0, 0, 1));
    assert_eq!(counted(Value::Null, journey(json!(1))), (0, 0, 1));
}

#[test]
fn a_test_order_is_kept_and_counts_on_no_day() {
    let mut test = order(&[("ORDER", 1410, vec![row("PRODUCT", "ORDER", 1, 100, 0, 0)])]);
    test["test"] = json!(true);
    let fact = read(&test);
    assert!(fact.is_test);
    assert!(fact.days.is_empty() && fact.product_days.is_empty());
    assert_eq!(fact.totals.gross_sales, cents(100));
}

#[test]
fn what_an_order_is_called_and_where_it_came_from_is_kept() {
    let fact = read(&order(&[]));
    assert_eq!(fact.id, ShopifyOrderId(5001));
    assert_eq!(fact.customer_id, Some(ShopifyCustomerId(77)));
    assert_eq!(fact.customer_order_index, Some(1));
    assert_eq!(fact.financial_status.as_deref(), Some("PAID"));
    assert_eq!(fact.fulfillment_status.as_deref(), Some("A_STATUS_OF_NEXT_YEAR"));
    assert_eq!(fact.utm.campaign.as_deref(), Some("black friday"));
    assert_eq!(fact.utm.term, None);
}

#[test]
fn an_order_that_would_give_a_wrong_number_gives_none() {
    let whole = order(&[("ORDER", 1410, vec![row("PRODUCT", "ORDER", 1, 100, 0, 0)])]);
    let cases: [(&str, Value, &str); 17] = [
        ("/currencyCode", json!("USD"), "the order is in USD"),
        (
            "/agreements/nodes/0/sales/nodes/0/totalTaxAmount/shopMoney/currencyCode",
            json!("USD"),
            "a sale is in USD",
        ),
        (
            "/agreements/nodes/0/sales/nodes/0/lineType",
            json!("SUBSCRIPTION"),
            "unknown type `SUBSCRIPTION`",
        ),
        (
            "/agreements/nodes/0/sales/nodes/0/lineType",
            json!("UNKNOWN"),
            "an unknown type",
        ),
        (
            "/agreements/nodes/0/sales/nodes/0/actionType",
            json!("SWAP"),
            "unknown action `SWAP`",
        ),
        (
            "/agreements/nodes/0/sales/nodes/0/actionType",
            json!("UNKNOWN"),
            "unknown action",
        ),
        (
            "/agreements/nodes/0/sales/nodes/0/totalAmount/shopMoney/amount",
            json!("1,00"),
            "shape",
        ),
        ("/agreements/nodes/0/sales/nodes/0/totalAmount", Value::Null, "shape"),
        (
            "/agreements/nodes/0/sales/nodes/0/totalAmount/shopMoney/amount",
            json!("79228162514264337593543950335"),
            "can't be kept exactly",
        ),
        (
            "/agreements/nodes/0/sales/nodes/0/totalAmount/shopMoney/amount",
            json!("1.00001"),
            "can't be kept exactly",
        ),
        (
            "/agreements/nodes/0/sales/nodes/0/quantity",
            json!(i64::MAX),
            "can't be a quantity",
        ),
        ("/agreements/nodes/0/happenedAt", json!("yesterday"), "shape"),
        (
            "/agreements/nodes/0/happenedAt",
            json!("+262142-12-31T23:59:59Z"),
            "year 262142",
        ),
        ("/processedAt", json!("yesterday"), "shape"),
        ("/agreements/pageInfo/hasNextPage", json!(true), "more agreements"),
        (
            "/agreements/nodes/0/sales/pageInfo/hasNextPage",
            json!(true),
            "more sales",
        ),
        ("/legacyResourceId", json!("five"), "not one of Shopify's ids"),
    ];
    for (place, value, expected) in cases {
        let mut order = whole.clone();
        *order.pointer_mut(place).expect("the place is there") = value;
        let reason = normalise(&order, Tz::UTC).expect_err(place);
        assert!(reason.contains(expected), "{place}: {reason}");
    }
}

#[test]
fn the_largest_amount_is_a_thousand_million_million_and_none_is_as_large() {
    assert_eq!(LARGEST_AMOUNT, Decimal::from(1_000_000_000_000_000_i64));
}

#[test]
fn an_unknown_kind_of_sale_or_agreement_is_judged_by_what_it_says() {
    let mut order = order(&[("ORDER", 1410, vec![row("FEE", "ORDER", 1, 100, 0, 0)])]);
    for place in [
        "/agreements/nodes/0/__typename",
        "/agreements/nodes/0/sales/nodes/0/__typename",
    ] {
        *order.pointer_mut(place).expect("the place is there") = json!("SomethingOfNextYear");
    }
    assert_eq!(read(&order).totals.duties_and_fees, cents(100));
}

#[test]
fn the_id_of_an_unreadable_order_is_found_if_it_is_there() {
    let id = |json: &str| {
        let payload = RawValue::from_string(json.to_owned()).expect("it is JSON");
        external_id(&payload)
    };
    assert_eq!(id(r#"{"legacyResourceId":"7","id":null}"#).as_deref(), Some("7"));
    assert_eq!(
        id(r#"{"legacyResourceId":7,"id":"gid://shopify/Order/8"}"#).as_deref(),
        Some("8")
    );
    assert_eq!(id(r#"{"id":"gid://shopify/Order/x"}"#), None);
    assert_eq!(id("null"), None);
}

fn any_row() -> impl Strategy<Value = Row> {
    (
        prop::sample::select(&LINES[..]),
        prop::sample::select(&["ORDER", "UPDATE", "RETURN"][..]),
        -3_i64..=3,
        -100_000_i64..=100_000,
        0_i64..=5_000,
        prop::option::of(1_i64..=3),
    )
        .prop_map(|(line, action, quantity, total, discount, product)| {
            row(line, action, quantity, total, total / 6, discount).about(product, "A shirt")
        })
}

fn any_entry() -> impl Strategy<Value = Entry> {
    (
        prop::sample::select(&["ORDER", "ORDER_EDIT", "REFUND", "RETURN", "UNKNOWN"][..]),
        -5_000_i64..=50_000,
        prop::collection::vec(any_row(), 0..6),
    )
}

fn any_timezone() -> impl Strategy<Value = Tz> {
    prop::sample::select(&chrono_tz::TZ_VARIANTS[..])
}

proptest! {
    #[test]
    fn the_days_add_up_to_the_totals(entries in prop::collection::vec(any_entry(), 0..6), timezone in any_timezone()) {
        let fact = normalise(&order(&entries), timezone).expect("readable");
        let mut sum = SalesSums::default();
        for day in &fact.days {
            sum += day.sums;
        }
        prop_assert_eq!(sum, fact.totals);
        prop_assert!(fact.days.is_sorted_by(|a, b| a.date < b.date));
        prop_assert!(fact.days.iter().any(|day| day.date == fact.order_date && day.sums.orders == 1));
    }

    #[test]
    fn the_products_of_a_day_add_up_to_its_merchandise(
        entries in prop::collection::vec(any_entry(), 0..6),
        timezone in any_timezone(),
    ) {
        let fact = normalise(&order(&entries), timezone).expect("readable");
        for day in &fact.days {
            let mut sum = SalesSums::default();
            for product in fact.product_days.iter().filter(|product| product.date == day.date) {
                sum.units += product.sums.units;
                sum.gross_sales += product.sums.gross_sales;
                sum.discounts += product.sums.discounts;
                sum.refunds += product.sums.refunds;
            }
            let SalesSums { units, gross_sales, discounts, refunds, .. } = day.sums;
            prop_assert_eq!(sum, SalesSums { units, gross_sales, discounts, refunds, ..SalesSums::default() });
        }
        let dated = |date| fact.days.iter().any(|day| day.date == date);
        prop_assert!(fact.product_days.iter().all(|product| dated(product.date)));
    }

    #[test]
    fn the_sequence_and_grouping_of_rows_do_not_matter(
        entries in prop::collection::vec(any_entry(), 0..6),
        timezone in any_timezone(),
    ) {
        let as_listed = normalise(&order(&entries), timezone);
        let mut reversed = entries.clone();
        reversed.reverse();
        reversed.iter_mut().for_each(|(_, _, rows)| rows.reverse());
        prop_assert_eq!(&normalise(&order(&reversed), timezone), &as_listed);
        let split: Vec<Entry> = entries
            .iter()
            .flat_map(|(reason, minutes, rows)| {
                let (front, back) = rows.split_at(rows.len() / 2);
                [(*reason, *minutes, front.to_vec()), (*reason, *minutes, back.to_vec())]
            })
            .collect();
        prop_assert_eq!(&normalise(&order(&split), timezone), &as_listed);
    }

    #[test]
    fn what_is_left_is_the_merchandise_that_stayed(entries in prop::collection::vec(any_entry(), 0..6)) {
        let fact = read(&order(&entries));
        let merchandise: i64 = entries
            .iter()
            .flat_map(|(_, _, rows)| rows)
            .filter(|row| matches!(row.line, "PRODUCT" | "ADJUSTMENT"))
            .map(|row| row.total - row.tax)
            .sum();
        let counted: i64 = entries
            .iter()
            .flat_map(|(_, _, rows)| rows)
            .filter(|row| !matches!(row.line, "GIFT_CARD" | "TIP"))
            .map(|row| row.total)
            .sum();
        prop_assert_eq!(fact.totals.revenue_net(), cents(merchandise));
        prop_assert_eq!(fact.totals.total_sales(), cents(counted));
    }

    #[test]
    fn moving_the_time_zone_moves_days_and_never_totals(
        entries in prop::collection::vec(any_entry(), 0..6),
        here in any_timezone(),
        there in any_timezone(),
    ) {
        let order = order(&entries);
        let (here, there) = (normalise(&order, here), normalise(&order, there));
        prop_assert_eq!(here.map(|fact| fact.totals), there.map(|fact| fact.totals));
    }
}

#[test]
fn the_order_of_a_forgotten_customer_counts_as_before_and_names_nobody() {
    let entries = [("ORDER", 0, vec![row("PRODUCT", "ORDER", 1, 1000, 0, 0)])];
    for index in [json!(1), json!(2), Value::Null] {
        let mut named = order(&entries);
        named["customerJourneySummary"]["customerOrderIndex"] = index;
        let mut forgotten = named.clone();
        forgotten["customer"] = json!({"id": "gid://shopify/Customer/0"});
        forgotten["customerJourneySummary"]["lastVisit"] = Value::Null;
        let (named, forgotten) = (read(&named), read(&forgotten));
        assert!(named.customer_id.is_some());
        assert_eq!((forgotten.customer_id, &forgotten.utm), (None, &Utm::default()));
        assert_eq!((forgotten.days, forgotten.totals), (named.days, named.totals));
    }
}
