//! The payloads. Names, addresses and telephone numbers in them are made up, and the same for everybody: a program that
//! lets one of them through is found by looking for these.

use chrono::{DateTime, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::order::{Agreement, Customer, Order, Sale};
use super::super::shops::{Product, Profile, Status};
use super::super::state::Settings;
use super::WebhookRequest;

/// Whose address every payload has.
const EMAIL: &str = "someone@example.com";
const PHONE: &str = "+15550100";

/// An order as it is at this instant.
pub(super) fn order(order: &Order, at: DateTime<Utc>, settings: &Settings) -> Value {
    let sold = order.sold(at);
    let money = |amount: Decimal| amount.to_string();
    let set = |amount: Decimal| {
        let amount = json!({ "amount": money(amount), "currency_code": order.terms.currency });
        json!({ "shop_money": amount, "presentment_money": amount })
    };
    let lines = order.lines.iter().filter(|line| line.added_at <= at).map(|line| {
        json!({
            "id": line.id,
            "admin_graphql_api_id": format!("gid://shopify/LineItem/{}", line.id),
            "title": line.title,
            "sku": line.sku,
            "vendor": line.vendor,
            "price": money(line.unit_price),
            "product_id": line.product,
            "variant_id": line.variant,
        })
    });
    json!({
        "id": order.id,
        "admin_graphql_api_id": format!("gid://shopify/Order/{}", order.id),
        "name": order.name(),
        "order_number": order.number,
        "created_at": local(order.created_at, settings),
        "processed_at": local(order.processed_at, settings),
        "updated_at": local(order.updated_at(at), settings),
        "cancelled_at": order.cancelled(at).map(|(at, _)| local(at, settings)),
        "closed_at": order.closed_at(at).map(|at| local(at, settings)),
        "currency": order.terms.currency,
        "presentment_currency": order.terms.presentment,
        "taxes_included": order.terms.taxes_included,
        "test": order.test,
        "source_name": order.source_name,
        "total_price": money(sold.total),
        "total_price_set": set(sold.total),
        "current_total_price": money(order.worth(at).total),
        "current_total_price_set": set(order.worth(at).total),
        "total_tax": money(sold.tax),
        "line_items": lines.collect::<Value>(),
        "customer": order.customer.as_ref().map(|it| customer(it, at, settings)),
        "email": EMAIL,
        "contact_email": EMAIL,
        "phone": PHONE,
        "browser_ip": "192.0.2.1",
        "note": format!("Some One will pick it up; write to {EMAIL}"),
        "billing_address": address(),
        "shipping_address": address(),
    })
}

/// An edit of an order.
pub(super) fn edit(order: &Order, agreement: &Agreement, settings: &Settings) -> Value {
    let lines = |wanted: fn(i32) -> bool| {
        let sales = agreement.sales.iter();
        let rows = sales.filter(move |sale| sale.quantity.is_some_and(wanted));
        rows.map(|sale| line_delta(order, sale)).collect::<Value>()
    };
    json!({
        "order_edit": {
            "id": agreement.id,
            "order_id": order.id,
            "created_at": local(agreement.happened_at, settings),
            "notify_customer": false,
            "staff_note": format!("Some One asked for it; write to {EMAIL}"),
            "line_items": {
                "additions": lines(|quantity| quantity > 0),
                "removals": lines(|quantity| quantity < 0),
            },
        },
    })
}

fn line_delta(order: &Order, sale: &Sale) -> Value {
    let line = sale.line.and_then(|line| order.lines.get(line));
    json!({ "id": line.map(|line| line.id), "delta": sale.quantity })
}

/// A refund of an order.
pub(super) fn refund(order: &Order, agreement: &Agreement, settings: &Settings) -> Value {
    let lines = agreement.sales.iter().filter_map(|sale| {
        let line = order.lines.get(sale.line?)?;
        Some(json!({
            "id": sale.id,
            "line_item_id": line.id,
            "quantity": -sale.quantity.unwrap_or(0),
            "subtotal": (-order.listed(sale.amounts)).to_string(),
        }))
    });
    json!({
        "id": agreement.id,
        "admin_graphql_api_id": format!("gid://shopify/Refund/{}", agreement.id),
        "order_id": order.id,
        "created_at": local(agreement.happened_at, settings),
        "processed_at": local(agreement.happened_at, settings),
        "note": format!("Some One did not like it; write to {EMAIL}"),
        "refund_line_items": lines.collect::<Value>(),
        "transactions": [],
    })
}

/// A customer as of this instant.
pub(super) fn customer(customer: &Customer, at: DateTime<Utc>, settings: &Settings) -> Value {
    json!({
        "id": customer.id,
        "admin_graphql_api_id": format!("gid://shopify/Customer/{}", customer.id),
        "created_at": local(customer.since, settings),
        "updated_at": local(at, settings),
        "orders_count": customer.order_index,
        "first_name": "Some",
        "last_name": "One",
        "email": EMAIL,
        "phone": PHONE,
        "default_address": address(),
    })
}

/// A product.
pub(super) fn product(product: &Product, settings: &Settings) -> Value {
    let variants = product.variants.iter().map(|variant| {
        json!({
            "id": variant.id,
            "title": variant.title,
            "sku": variant.sku,
            "price": variant.price.to_string(),
        })
    });
    json!({
        "id": product.id,
        "admin_graphql_api_id": format!("gid://shopify/Product/{}", product.id),
        "title": product.title,
        "vendor": product.vendor,
        "product_type": product.kind,
        "status": match product.status {
            Status::Active => "active",
            Status::Archived => "archived",
        },
        "created_at": local(product.created_at, settings),
        "updated_at": local(product.updated_at, settings),
        "variants": variants.collect::<Value>(),
    })
}

/// The store.
pub(super) fn shop(profile: &Profile, settings: &Settings) -> Value {
    json!({
        "id": profile.number,
        "name": settings.name,
        "myshopify_domain": profile.domain,
        "domain": profile.domain,
        "currency": settings.currency,
        "iana_timezone": settings.timezone.name(),
        "taxes_included": settings.taxes_included,
        "plan_display_name": profile.plan,
        "updated_at": local(settings.updated_at, settings),
        "shop_owner": "Some One",
        "email": EMAIL,
        "customer_email": EMAIL,
        "phone": PHONE,
        "address1": "1 Example Street",
    })
}

/// A request of privacy law.
pub(super) fn privacy(profile: &Profile, request: &WebhookRequest) -> Value {
    let mut body = json!({ "shop_id": profile.number, "shop_domain": profile.domain });
    if request.topic == "shop/redact" {
        return body;
    }
    body["customer"] = json!({ "id": request.customer_id, "email": EMAIL, "phone": PHONE });
    if request.topic == "customers/redact" {
        body["orders_to_redact"] = json!(request.order_ids);
    } else {
        body["orders_requested"] = json!(request.order_ids);
        body["data_request"] = json!({ "id": 9_999 });
    }
    body
}

fn address() -> Value {
    json!({
        "first_name": "Some",
        "last_name": "One",
        "name": "Some One",
        "address1": "1 Example Street",
        "city": "Exampleton",
        "zip": "00000",
        "phone": PHONE,
    })
}

/// A time as this API writes it: in the store's own time zone.
fn local(at: DateTime<Utc>, settings: &Settings) -> String {
    at.with_timezone(&settings.timezone)
        .to_rfc3339_opts(SecondsFormat::Secs, false)
}
