//! Pages of a list, as Relay asks for them: by key, never by offset.

use async_graphql::connection::{Connection, CursorType};
use async_graphql::{ObjectType, SchemaBuilder, SubscriptionType};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;

use super::delivery::{WebhookDelivery, WebhookDeliveryTotals};
use super::error::ApiError;
use super::order::{Order, OrderTotals};
use super::product::{ProductPerformance, ProductTotals};
use super::sync::{SyncRun, SyncRunTotals};
use crate::domain::ids::{RunId, ShopifyOrderId, WebhookDeliveryId};
use crate::store::{DeliveryKey, OrderKey, ProductKey, ProductMeasure, RunKey};

/// Rows of a page where nobody says how many.
pub(super) const DEFAULT_FIRST: i32 = 50;
/// Rows of a page at most.
const MAX_FIRST: i32 = 250;

/// A page of orders.
pub(super) type OrderConnection = Connection<OrderCursor, Order, OrderTotals>;
/// A page of products.
pub(super) type ProductConnection = Connection<ProductCursor, ProductPerformance, ProductTotals>;
/// A page of runs.
pub(super) type SyncRunConnection = Connection<RunCursor, SyncRun, SyncRunTotals>;

/// A page of deliveries.
pub(super) type WebhookDeliveryConnection = Connection<DeliveryCursor, WebhookDelivery, WebhookDeliveryTotals>;

/// Descriptions for the types that the library makes.
pub(super) fn describe_connections<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    builder
        .override_output_type_description::<OrderConnection>("A page of orders.")
        .override_output_type_description::<ProductConnection>("A page of products.")
        .override_output_type_description::<SyncRunConnection>("A page of runs.")
        .override_output_type_description::<WebhookDeliveryConnection>("A page of deliveries.")
}

/// How many rows are meant by `first`.
pub(super) fn rows(first: Option<i32>) -> Result<usize, ApiError> {
    let first = first.unwrap_or(DEFAULT_FIRST);
    if (1..=MAX_FIRST).contains(&first) {
        Ok(first.unsigned_abs() as usize)
    } else {
        Err(ApiError::BadUserInput(format!(
            "`first` is {first}; it must be between 1 and {MAX_FIRST}"
        )))
    }
}

/// What a page costs: its rows times what is asked of each.
pub(super) fn cost(first: Option<i32>, each: usize) -> usize {
    let first = first.unwrap_or(DEFAULT_FIRST).clamp(1, MAX_FIRST);
    each.saturating_mul(first.unsigned_abs() as usize)
}

/// Where a page starts.
pub(super) fn after<C: CursorType>(cursor: Option<String>) -> Result<Option<C>, ApiError> {
    cursor
        .map(|cursor| C::decode_cursor(&cursor))
        .transpose()
        .map_err(|_| ApiError::BadUserInput("`after` is not a cursor of this list".to_owned()))
}

/// The text is no cursor of this list.
#[derive(Debug, thiserror::Error)]
#[error("not a cursor of this list")]
pub(super) struct BadCursor;

/// The place of an order in the list, in the direction in which the list was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OrderCursor {
    pub(super) key: OrderKey,
    pub(super) ascending: bool,
}

impl CursorType for OrderCursor {
    type Error = BadCursor;

    fn encode_cursor(&self) -> String {
        let direction = if self.ascending { 'a' } else { 'd' };
        let micros = self.key.created_at.timestamp_micros();
        URL_SAFE_NO_PAD.encode(format!("order:{direction}:{micros}:{}", self.key.id))
    }

    fn decode_cursor(text: &str) -> Result<Self, BadCursor> {
        let [kind, direction, micros, id] = parts(text)?;
        let ascending = match (&*kind, &*direction) {
            ("order", "a") => true,
            ("order", "d") => false,
            _ => return Err(BadCursor),
        };
        Ok(Self {
            key: OrderKey {
                created_at: moment(&micros)?,
                id: ShopifyOrderId(id.parse().map_err(|_| BadCursor)?),
            },
            ascending,
        })
    }
}

/// The place of a product in a list by one of its sums, in the direction in which the list was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProductCursor {
    pub(super) measure: ProductMeasure,
    pub(super) ascending: bool,
    pub(super) key: ProductKey,
}

impl CursorType for ProductCursor {
    type Error = BadCursor;

    fn encode_cursor(&self) -> String {
        let direction = if self.ascending { 'a' } else { 'd' };
        let measure = self.measure.as_str();
        let ProductKey {
            value,
            integration_id,
            product_id,
            line,
        } = &self.key;
        // The line comes last: it may hold anything.
        URL_SAFE_NO_PAD.encode(format!(
            "product:{measure}:{direction}:{value}:{integration_id}:{product_id}:{line}"
        ))
    }

    fn decode_cursor(text: &str) -> Result<Self, BadCursor> {
        let [kind, measure, direction, value, integration_id, product_id, line] = parts(text)?;
        let ascending = match (&*kind, &*direction) {
            ("product", "a") => true,
            ("product", "d") => false,
            _ => return Err(BadCursor),
        };
        let measure = ProductMeasure::ALL.into_iter().find(|known| known.as_str() == measure);
        Ok(Self {
            measure: measure.ok_or(BadCursor)?,
            ascending,
            key: ProductKey {
                value: value.parse().map_err(|_| BadCursor)?,
                integration_id: integration_id.parse().map_err(|_| BadCursor)?,
                product_id: product_id.parse().map_err(|_| BadCursor)?,
                line,
            },
        })
    }
}

/// The place of a run in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunCursor(pub(super) RunKey);

impl CursorType for RunCursor {
    type Error = BadCursor;

    fn encode_cursor(&self) -> String {
        let micros = self.0.created_at.timestamp_micros();
        URL_SAFE_NO_PAD.encode(format!("run:{micros}:{}", self.0.id))
    }

    fn decode_cursor(text: &str) -> Result<Self, BadCursor> {
        let [kind, micros, id] = parts(text)?;
        if kind != "run" {
            return Err(BadCursor);
        }
        Ok(Self(RunKey {
            created_at: moment(&micros)?,
            id: id.parse::<RunId>().map_err(|_| BadCursor)?,
        }))
    }
}

/// The place of a delivery in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeliveryCursor(pub(super) DeliveryKey);

impl CursorType for DeliveryCursor {
    type Error = BadCursor;

    fn encode_cursor(&self) -> String {
        let micros = self.0.received_at.timestamp_micros();
        URL_SAFE_NO_PAD.encode(format!("delivery:{micros}:{}", self.0.id))
    }

    fn decode_cursor(text: &str) -> Result<Self, BadCursor> {
        let [kind, micros, id] = parts(text)?;
        if kind != "delivery" {
            return Err(BadCursor);
        }
        Ok(Self(DeliveryKey {
            received_at: moment(&micros)?,
            id: id.parse::<WebhookDeliveryId>().map_err(|_| BadCursor)?,
        }))
    }
}

/// What stands between colons; the last part may hold some itself. No text of the database has a NUL in it.
fn parts<const N: usize>(text: &str) -> Result<[String; N], BadCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
    let text = String::from_utf8(bytes).map_err(|_| BadCursor)?;
    if text.contains('\0') {
        return Err(BadCursor);
    }
    let parts: Vec<String> = text.splitn(N, ':').map(str::to_owned).collect();
    parts.try_into().map_err(|_| BadCursor)
}

fn moment(micros: &str) -> Result<DateTime<chrono::Utc>, BadCursor> {
    let micros = micros.parse().map_err(|_| BadCursor)?;
    DateTime::from_timestamp_micros(micros).ok_or(BadCursor)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let created_at = DateTime::from_timestamp_micros(1_792_684_800_123_456).expect("a moment");
        let id = ShopifyOrderId(77);
        for ascending in [true, false] {
            let cursor = OrderCursor {
                key: OrderKey { created_at, id },
                ascending,
            };
            assert_eq!(OrderCursor::decode_cursor(&cursor.encode_cursor()).ok(), Some(cursor));
        }
        let id = RunId(Uuid::from_u128(7));
        let cursor = RunCursor(RunKey { created_at, id });
        assert_eq!(RunCursor::decode_cursor(&cursor.encode_cursor()).ok(), Some(cursor));
        assert!(OrderCursor::decode_cursor(&cursor.encode_cursor()).is_err());
        let (received_at, id) = (created_at, WebhookDeliveryId(Uuid::from_u128(8)));
        let delivery = DeliveryCursor(DeliveryKey { received_at, id });
        assert_eq!(
            DeliveryCursor::decode_cursor(&delivery.encode_cursor()).ok(),
            Some(delivery)
        );
        assert!(DeliveryCursor::decode_cursor(&cursor.encode_cursor()).is_err());
        for (measure, line) in [(ProductMeasure::Units, ""), (ProductMeasure::RevenueNet, "Tea: 100 g")] {
            let cursor = ProductCursor {
                measure,
                ascending: line.is_empty(),
                key: ProductKey {
                    value: "-12.3400".parse().expect("a decimal"),
                    integration_id: Uuid::from_u128(8).into(),
                    product_id: 9.into(),
                    line: line.to_owned(),
                },
            };
            assert_eq!(ProductCursor::decode_cursor(&cursor.encode_cursor()).ok(), Some(cursor));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "abc", "1042", "b3JkZXI6ZDo5OTk5OTk5OTk5OTk5OTk5OTk5OTo3Nw", "…"] {
            assert!(OrderCursor::decode_cursor(text).is_err(), "{text}");
            assert!(RunCursor::decode_cursor(text).is_err(), "{text}");
            assert!(ProductCursor::decode_cursor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_has_between_one_and_250_rows() {
        assert_eq!(rows(None).ok(), Some(50));
        assert_eq!(rows(Some(250)).ok(), Some(250));
        for first in [0, -1, 251, i32::MIN, i32::MAX] {
            assert!(rows(Some(first)).is_err(), "{first}");
        }
    }

    #[test]
    fn a_page_costs_its_rows_times_each() {
        assert_eq!(cost(None, 4), 200);
        assert_eq!(cost(Some(10), 4), 40);
        assert_eq!(cost(Some(i32::MAX), 4), 1000);
        assert_eq!(cost(Some(-5), 4), 4);
        assert_eq!(cost(Some(250), usize::MAX), usize::MAX);
    }
}
