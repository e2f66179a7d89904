//! Trouble on request: what the next answers of a shop shall look like.
//!
//! Faults wait in a queue for each shop. A request takes the first one meant for its endpoint; when the queue is empty,
//! the sandbox behaves.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A fault, and how many requests it shall meet.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// How many requests meet it, one after the other.
    #[serde(default = "once")]
    pub times: u32,
    /// Which endpoint it waits at.
    #[serde(default)]
    pub on: Target,
}

/// The endpoint that a fault waits at.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The Admin API.
    #[default]
    Graphql,
    /// The token endpoint of OAuth.
    Token,
    /// The next bulk operation.
    Bulk,
    /// The file of a bulk operation.
    Download,
}

/// What can go wrong.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum FaultKind {
    /// An HTTP status with the body that Shopify sends along.
    Status {
        /// 401, 402, 403, 404, 423, 429, 430, or one of the 5xx.
        status: u16,
        /// Seconds, sent as `Retry-After`.
        retry_after: Option<u64>,
    },
    /// The cost bucket is empty, whatever it holds.
    Throttled,
    /// A right answer, cut off in the middle.
    MalformedJson,
    /// A web page instead of JSON, as a proxy in between would send.
    Html,
    /// Data, with an error about a part of it.
    PartialError,
    /// The request is carried out, but the connection breaks before the answer: the caller can't know.
    DropConnection,
    /// The answer comes late.
    Delay {
        /// How late.
        delay_ms: u64,
    },
    /// One order of the page has a field of the wrong type. Waits for an answer that has the order.
    MalformedOrder {
        /// The order; the one in the middle of the page if not given.
        order_id: Option<u64>,
        /// The field; `name` if not given, or else the first text that is not the id.
        field: Option<String>,
    },
    /// The token of the request is dead from now on.
    RevokeToken,
    /// The app may not begin a bulk operation.
    BulkRefused,
    /// Other bulk operations of the app are still running.
    BulkInProgress,
    /// The bulk operation fails.
    BulkFails,
    /// The bulk operation's file is gone before anybody reads it.
    BulkExpires,
    /// The lines of the bulk operation's file do not stand with their parents.
    BulkUngrouped,
    /// The bulk operation's file lacks its end.
    BulkTruncated,
    /// The bulk operation says that it has one more object than its file.
    BulkMiscounted,
    /// The file is sent from its beginning, whatever range is asked for.
    RangeIgnored,
}

impl Fault {
    /// A fault that the next request to the Admin API meets.
    pub fn once(kind: FaultKind) -> Self {
        Self {
            kind,
            times: 1,
            on: Target::Graphql,
        }
    }
}

fn once() -> u32 {
    1
}

/// The body that comes with a status.
pub(crate) fn status_body(status: u16) -> Value {
    let errors = match status {
        401 => "[API] Invalid API key or access token (unrecognized login or wrong password)",
        402 => "[API] This shop's plan does not have access to this feature: Unavailable Shop",
        403 => "[API] This action requires merchant approval for the scopes that the app asked for.",
        404 => "Not Found",
        423 => "[API] Shop is locked",
        429 => {
            "Exceeded the allowed number of requests per second. Reduce request rates to resume uninterrupted service."
        }
        430 => "Shopify Security Rejection",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    json!({ "errors": errors })
}

/// Puts an error about a part beside the data.
pub(crate) fn add_partial_error(answer: &mut Value) {
    let path = answer["data"].as_object().and_then(|data| data.keys().next()).cloned();
    let error = json!({
        "message": "Internal error. Looks like something went wrong on our end.\nRequest ID: sandbox (include this in support requests).",
        "path": path.into_iter().collect::<Vec<_>>(),
        "extensions": { "code": "INTERNAL_SERVER_ERROR", "requestId": "sandbox" },
    });
    match answer["errors"].as_array_mut() {
        Some(errors) => errors.push(error),
        None => answer["errors"] = json!([error]),
    }
}

/// Breaks one field of one order in a page or a list of orders, wherever the page has it; false where the answer has no
/// such order.
pub(crate) fn break_order(answer: &mut Value, order_id: Option<u64>, field: Option<&str>) -> bool {
    let Some(data) = answer["data"].as_object_mut() else {
        return false;
    };
    for connection in data.values_mut() {
        let mut orders: Vec<&mut Value> = match connection {
            Value::Array(orders) => orders.iter_mut().collect(),
            Value::Object(object) if object.contains_key("nodes") => object
                .get_mut("nodes")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
                .collect(),
            Value::Object(object) if object.contains_key("edges") => object
                .get_mut("edges")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
                .map(|edge| &mut edge["node"])
                .collect(),
            _ => continue,
        };
        let middle = orders.len() / 2;
        let chosen = match order_id {
            None => orders.get_mut(middle),
            Some(id) => {
                let gid = Value::from(format!("gid://shopify/Order/{id}"));
                orders.iter_mut().find(|order| order["id"] == gid)
            }
        };
        let Some(order) = chosen.and_then(|order| order.as_object_mut()) else {
            continue;
        };
        let name = field.unwrap_or("name");
        let name = if order.contains_key(name) {
            Some(name.to_owned())
        } else {
            order
                .iter()
                .find(|(key, value)| *key != "id" && value.is_string())
                .map(|(key, _)| key.clone())
        };
        if let Some(name) = name {
            order.insert(name, json!({ "unexpected": [1, 2] }));
        }
        return true;
    }
    false
}
