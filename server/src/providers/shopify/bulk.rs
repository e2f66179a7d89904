//! A store's whole history as one file, which Shopify prepares in the background.
//!
//! The file has a line for every order, agreement and sale; a child names its parent. Asked to group them, Shopify lets
//! an order's lines follow it, so an order is complete when the next one begins. That is checked, not believed: a line
//! that stands elsewhere, or an order without any agreement, gives the whole file up, because an order that lacks a part
//! of its ledger has wrong numbers.
//!
//! The address of the file is signed: whoever knows it may read it. It is sent nothing, and it is told to nobody.

use std::collections::HashMap;
use std::fmt;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_RANGE, RETRY_AFTER};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use futures::StreamExt;
use futures::stream;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::client::{changed_in, quoted, read, seconds_in, understood, unreadable};
use super::{Shopify, normalise, wire};
use crate::domain::money::CurrencyCode;
use crate::providers::contract::{
    ChangedCountQuery, Extent, HiddenHistory, HistoryError, HistoryFile, HistoryPart, HistoryParts, HistoryState,
    HistoryStateQuery, ProviderError, PulledOrder, ShopAccess, Started,
};
use crate::providers::http::{Download, NoAnswer};

/// What is collected.
const BULK_ORDERS: &str = include_str!("../../../../queries/shopify/bulk-orders.graphql");
/// Orders in one part.
const PART_ORDERS: usize = 500;
/// A part ends also when its orders have so many bytes.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 16 * 1024 * 1024;
/// Without the scope for all orders, Shopify shows those of so many days.
const SHOWN: TimeDelta = TimeDelta::days(60);
/// The scope for all orders.
const ALL_ORDERS: &str = "read_all_orders";

/// What a token with these scopes does not get to see.
pub(super) fn hidden_history(scopes: &[String], now: DateTime<Utc>) -> Option<HiddenHistory> {
    let shows_all = scopes.iter().any(|scope| scope == ALL_ORDERS);
    (!shows_all).then(|| HiddenHistory {
        before: now - SHOWN,
        why: format!(
            "Shopify shows this app only the last {} days of orders: add the scope {ALL_ORDERS} to the app and connect \
             the store again.",
            SHOWN.num_days()
        ),
    })
}

impl Shopify {
    /// How much history there is.
    pub(super) async fn history_extent(&self, access: &ShopAccess) -> Result<Extent, ProviderError> {
        let reply = self
            .ask::<wire::Extent>(access, wire::extent::Variables)
            .await?
            .whole()?;
        let data: wire::extent::ResponseData = read(&reply)?;
        Ok(Extent {
            opened_at: data.shop.created_at,
            orders: data.orders_count.map_or(0, |counted| counted.count.unsigned_abs()),
        })
    }

    /// How many orders changed last in a stretch of time.
    pub(super) async fn count_changed(
        &self,
        access: &ShopAccess,
        query: &ChangedCountQuery,
    ) -> Result<u64, ProviderError> {
        let variables = wire::changed_count::Variables {
            query: changed_in(query.updated_from, Some(query.updated_before)),
        };
        let reply = self.ask::<wire::ChangedCount>(access, variables).await?.whole()?;
        let data: wire::changed_count::ResponseData = read(&reply)?;
        let counted = data.orders_count;
        Ok(counted.map_or(0, |counted| counted.count.unsigned_abs()))
    }

    /// Asks for the file.
    pub(super) async fn start_bulk(&self, access: &ShopAccess) -> Result<Started, ProviderError> {
        use wire::start_history::{BulkOperationUserErrorCode as Code, ResponseData, Variables};
        let variables = Variables {
            query: BULK_ORDERS.to_owned(),
        };
        let asked = match self.ask::<wire::StartHistory>(access, variables).await {
            Ok(reply) => reply.whole(),
            Err(refusal) => Err(refusal.into()),
        };
        let reply = match asked {
            Err(ProviderError::Denied(why)) => return Ok(Started::Refused(why)),
            reply => reply?,
        };
        let data: ResponseData = read(&reply)?;
        let payload = data
            .bulk_operation_run_query
            .ok_or_else(|| ProviderError::Broken("Shopify says nothing about the bulk operation".to_owned()))?;
        if let Some(operation) = payload.bulk_operation {
            return Ok(Started::Preparing(operation.id));
        }
        let is_full = |code: &Option<Code>| matches!(code, Some(Code::OperationInProgress | Code::LimitReached));
        let is_busy = payload.user_errors.iter().any(|error| is_full(&error.code));
        let said: Vec<&str> = payload.user_errors.iter().map(|error| error.message.as_str()).collect();
        let said = quoted(&said.join("; "));
        Ok(if is_busy {
            Started::Busy(format!(
                "{} is preparing other data for this app: {said}",
                access.domain
            ))
        } else {
            Started::Refused(format!("{} prepares no data in bulk: {said}", access.domain))
        })
    }

    /// How far the file is.
    pub(super) async fn bulk_state(
        &self,
        access: &ShopAccess,
        query: &HistoryStateQuery<'_>,
    ) -> Result<HistoryState, ProviderError> {
        use wire::history_state::{BulkOperationStatus as Status, ResponseData, Variables};
        let variables = Variables {
            id: query.operation.to_owned(),
        };
        let reply = self.ask::<wire::HistoryState>(access, variables).await?.whole()?;
        let data: ResponseData = read(&reply)?;
        let Some(operation) = data.bulk_operation else {
            return Ok(HistoryState::Failed(
                "Shopify knows the bulk operation no longer".to_owned(),
            ));
        };
        let orders = whole_number(&operation.root_object_count)?;
        let failed = |what: &str| {
            let code = operation.error_code.as_ref().map(|code| format!(" ({code:?})"));
            HistoryState::Failed(format!("the bulk operation {what}{}", code.unwrap_or_default()))
        };
        Ok(match operation.status {
            Status::Created | Status::Running => HistoryState::Preparing { orders },
            Status::Completed if operation.url.is_none() && orders > 0 => failed("has no file"),
            Status::Completed => HistoryState::Ready(HistoryFile {
                address: operation.url.map(Into::into),
                orders,
                bytes: operation.file_size.as_deref().map(whole_number).transpose()?,
            }),
            Status::Canceled | Status::Canceling => failed("was cancelled"),
            Status::Expired => failed("has expired"),
            Status::Failed => failed("failed"),
            Status::Other(other) => HistoryState::Failed(format!("the bulk operation is `{}`", quoted(&other))),
        })
    }

    /// Opens the file and reads on in the background.
    pub(super) async fn read_bulk(
        &self,
        access: &ShopAccess,
        file: &HistoryFile,
        from: u64,
    ) -> Result<HistoryParts, HistoryError> {
        let Some(address) = &file.address else {
            return Ok(stream::empty().boxed());
        };
        let url = self.file_address(access, address.expose_secret())?;
        let answer = self.http.download(url, from).await.map_err(broken_off)?;
        let skip = opened(&answer, from)?;
        let reader = Reader {
            lines: Lines::new(from, skip),
            ledger: Assembly::default(),
            books: (access.timezone, access.currency),
            expected: file.bytes,
            orders: Vec::new(),
            bytes: 0,
        };
        // One part waits while the next is put together, and reading stops there.
        let (sender, mut parts) = mpsc::channel(1);
        let reading = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = reader.read(answer, &sender).await {
                let _ = sender.send(Err(error)).await;
            }
        }));
        let parts = stream::poll_fn(move |context| {
            let _kept = &reading;
            parts.poll_recv(context)
        });
        Ok(parts.boxed())
    }

    /// The file's address, if it is one to go to: over TLS, or where the store itself is.
    fn file_address(&self, access: &ShopAccess, text: &str) -> Result<Url, HistoryError> {
        let unusable = |why: &str| HistoryError::Gone(format!("the address of the bulk operation's file {why}"));
        let url = Url::parse(text).map_err(|_| unusable("makes no sense"))?;
        let store = self.address(&access.domain, "/")?;
        if url.scheme() == "https" || url.origin() == store.origin() {
            Ok(url)
        } else {
            Err(unusable("is not a secure one"))
        }
    }
}

/// How many bytes of the answer are to be passed over so that it begins at `from`.
fn opened(answer: &Download, from: u64) -> Result<u64, HistoryError> {
    let gone = || {
        HistoryError::Gone(format!(
            "the bulk operation's file can't be read any more (status {})",
            answer.status.as_u16()
        ))
    };
    match answer.status {
        StatusCode::OK => Ok(from),
        StatusCode::PARTIAL_CONTENT => {
            let range = answer.headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
            let begins = range
                .and_then(|range| range.strip_prefix("bytes "))
                .and_then(|range| range.split('-').next())
                .and_then(|first| first.parse().ok());
            if begins == Some(from) { Ok(0) } else { Err(gone()) }
        }
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            let why = format!(
                "the bulk operation's file can't be had now (status {})",
                status.as_u16()
            );
            let after = answer.headers.get(RETRY_AFTER).and_then(seconds_in);
            Err(match after {
                Some(after) => ProviderError::Later { after, why },
                None => ProviderError::Retry(why),
            }
            .into())
        }
        _ => Err(gone()),
    }
}

fn broken_off(why: NoAnswer) -> HistoryError {
    ProviderError::Retry(format!("the bulk operation's file could not be read: {why}")).into()
}

fn whole_number(text: impl AsRef<str>) -> Result<u64, ProviderError> {
    let text = text.as_ref();
    text.parse()
        .map_err(|_| ProviderError::Broken(format!("Shopify counts in `{}`", quoted(text))))
}

/// From the bytes of the file to parts.
struct Reader {
    lines: Lines,
    ledger: Assembly,
    books: (Tz, CurrencyCode),
    /// The length that the file should have.
    expected: Option<u64>,
    orders: Vec<PulledOrder>,
    /// Bytes of `orders`.
    bytes: usize,
}

type Sender = mpsc::Sender<Result<HistoryPart, HistoryError>>;

impl Reader {
    async fn read(mut self, mut answer: Download, parts: &Sender) -> Result<(), HistoryError> {
        while let Some(chunk) = answer.chunk().await.map_err(broken_off)? {
            let mut rest = self.lines.skipped(chunk);
            while let Some(line) = self.lines.next(&mut rest) {
                let begins_at = line.begins_at;
                let complete = match line.text {
                    Ok(text) => self.ledger.take(&text),
                    Err(TooLong) => self.ledger.take_unreadable("a line of it is too long to be read"),
                };
                if let Some(order) = complete.map_err(HistoryError::Ungrouped)? {
                    self.add(order);
                    if self.is_full() && !self.send(begins_at, parts).await {
                        return Ok(());
                    }
                }
            }
        }
        if let Some(text) = self.lines.last() {
            let complete = self.ledger.take(&text).map_err(HistoryError::Ungrouped)?;
            complete.into_iter().for_each(|order| self.add(order));
        }
        let end = self.lines.at;
        if self.expected.is_some_and(|expected| expected != end) {
            // The last order may lack some of its lines.
            let why = "the bulk operation's file ends too early".to_owned();
            return Err(ProviderError::Retry(why).into());
        }
        let last = self.ledger.end().map_err(HistoryError::Ungrouped)?;
        last.into_iter().for_each(|order| self.add(order));
        if !self.orders.is_empty() {
            self.send(end, parts).await;
        }
        Ok(())
    }

    fn add(&mut self, order: Complete) {
        let (timezone, currency) = self.books;
        let order = match order {
            Complete::Whole(payload) => {
                let fact = normalise::replay(&payload, timezone, currency);
                self.bytes += payload.get().len();
                understood(payload, fact)
            }
            Complete::Unreadable { payload, reason } => unreadable(payload, reason),
        };
        self.orders.push(order);
    }

    fn is_full(&self) -> bool {
        self.orders.len() >= PART_ORDERS || self.bytes >= PART_BYTES
    }

    /// Whether somebody still wants to have it.
    async fn send(&mut self, resume_at: u64, parts: &Sender) -> bool {
        self.bytes = 0;
        let part = HistoryPart {
            orders: std::mem::take(&mut self.orders),
            resume_at,
        };
        parts.send(Ok(part)).await.is_ok()
    }
}

/// Cuts bytes into lines.
struct Lines {
    /// Where in the file the current line begins.
    at: u64,
    /// Bytes still to be passed over.
    skip: u64,
    /// What came of the current line so far.
    begun: Vec<u8>,
    /// Bytes of the current line that were dropped because there are too many.
    dropped: u64,
}

struct Line {
    begins_at: u64,
    text: Result<Bytes, TooLong>,
}

struct TooLong;

impl Lines {
    /// The first line begins at `at`, behind so many bytes that are passed over.
    fn new(at: u64, skip: u64) -> Self {
        Self {
            at,
            skip,
            begun: Vec::new(),
            dropped: 0,
        }
    }

    /// The chunk without what is to be passed over.
    fn skipped(&mut self, mut chunk: Bytes) -> Bytes {
        let skip = self.skip.min(chunk.len() as u64);
        self.skip -= skip;
        chunk.split_off(skip as usize)
    }

    /// The next whole line, taken off the chunk; none when the rest of it is kept for later.
    fn next(&mut self, chunk: &mut Bytes) -> Option<Line> {
        let Some(end) = memchr::memchr(b'\n', chunk) else {
            if self.begun.len() + chunk.len() > LONGEST_LINE {
                self.dropped += (self.begun.len() + chunk.len()) as u64;
                self.begun = Vec::new();
            } else {
                self.begun.extend_from_slice(chunk);
            }
            chunk.clear();
            return None;
        };
        let tail = chunk.split_to(end + 1);
        let length = self.dropped + (self.begun.len() + tail.len()) as u64;
        let text = if length > LONGEST_LINE as u64 {
            self.begun = Vec::new();
            Err(TooLong)
        } else if self.begun.is_empty() {
            Ok(tail.slice(..end))
        } else {
            self.begun.extend_from_slice(&tail[..end]);
            Ok(std::mem::take(&mut self.begun).into())
        };
        let begins_at = self.at;
        self.at += length;
        self.dropped = 0;
        Some(Line { begins_at, text })
    }

    /// What stands behind the last line end.
    fn last(&mut self) -> Option<Bytes> {
        self.at += self.dropped + self.begun.len() as u64;
        let text = std::mem::take(&mut self.begun);
        (!text.is_empty()).then(|| text.into())
    }
}

/// Puts orders together from their lines.
#[derive(Default)]
struct Assembly {
    open: Option<OpenOrder>,
}

/// An order whose lines are still coming.
struct OpenOrder {
    id: String,
    /// Its own line, an object without its end.
    text: String,
    /// Id and text of each agreement, as above.
    agreements: Vec<(String, String)>,
    /// The agreement's id and the text of each sale, as above.
    sales: Vec<(String, String)>,
    /// Why it can't be read, if so.
    damage: Option<String>,
}

/// An order with all its lines.
#[derive(Debug)]
enum Complete {
    Whole(Box<RawValue>),
    Unreadable { payload: Box<RawValue>, reason: String },
}

impl Assembly {
    /// Takes the next line; answers the order that is complete with it. The error is a sentence that says why the file
    /// is not one that was grouped.
    fn take(&mut self, line: &[u8]) -> Result<Option<Complete>, String> {
        if line.is_empty() {
            return Ok(None);
        }
        let object: Object = match serde_json::from_slice(line) {
            Ok(object) => object,
            Err(error) => return self.take_unreadable(&normalise::unreadable(&error)),
        };
        let Some(parent) = object.parent else {
            let complete = self.end()?;
            self.open = Some(OpenOrder {
                id: object.id,
                text: object.text,
                agreements: Vec::new(),
                sales: Vec::new(),
                damage: None,
            });
            return Ok(complete);
        };
        let Some(open) = &mut self.open else {
            return Err(format!(
                "the bulk operation's file begins with a part of {}",
                quoted(&parent)
            ));
        };
        if parent == open.id {
            open.agreements.push((object.id, object.text));
        } else {
            open.sales.push((parent, object.text));
        }
        Ok(None)
    }

    /// A line that makes no sense spoils the order in whose midst it stands.
    fn take_unreadable(&mut self, reason: &str) -> Result<Option<Complete>, String> {
        match &mut self.open {
            Some(open) => {
                open.damage = Some(reason.to_owned());
                Ok(None)
            }
            None => Err(format!("the bulk operation's file begins with nonsense: {reason}")),
        }
    }

    /// There are no more lines of the open order.
    fn end(&mut self) -> Result<Option<Complete>, String> {
        self.open.take().map(OpenOrder::complete).transpose()
    }
}

const LAST_PAGE: &str = r#"],"pageInfo":{"hasNextPage":false,"endCursor":null}}"#;

impl OpenOrder {
    /// The order in the shape that it has in a page.
    fn complete(self) -> Result<Complete, String> {
        if let Some(reason) = self.damage {
            let payload = raw(self.text + "}")?;
            return Ok(Complete::Unreadable { payload, reason });
        }
        if self.agreements.is_empty() {
            return Err(format!(
                "the bulk operation's file is not grouped: {} has no agreement",
                quoted(&self.id)
            ));
        }
        let mut sales: HashMap<&str, Vec<&str>> = HashMap::new();
        for (agreement, text) in &self.sales {
            sales.entry(agreement).or_default().push(text);
        }
        let parts = self.agreements.iter().chain(&self.sales);
        let length: usize = parts.map(|(_, text)| text.len() + LAST_PAGE.len() + 32).sum();
        let mut text = String::with_capacity(self.text.len() + length + 128);
        text.push_str(&self.text);
        text.push_str(r#","agreements":{"nodes":["#);
        for (position, (id, agreement)) in self.agreements.iter().enumerate() {
            text.push_str(if position == 0 { "" } else { "," });
            text.push_str(agreement);
            text.push_str(r#","sales":{"nodes":["#);
            for (position, sale) in sales.remove(id.as_str()).unwrap_or_default().into_iter().enumerate() {
                text.push_str(if position == 0 { "" } else { "," });
                text.push_str(sale);
                text.push('}');
            }
            text.push_str(LAST_PAGE);
            text.push('}');
        }
        text.push_str(LAST_PAGE);
        text.push('}');
        match sales.keys().next() {
            Some(stray) => Err(format!(
                "the bulk operation's file is not grouped: a part of {} stands among those of {}",
                quoted(stray),
                quoted(&self.id)
            )),
            None => Ok(Complete::Whole(raw(text)?)),
        }
    }
}

fn raw(text: String) -> Result<Box<RawValue>, String> {
    RawValue::from_string(text).map_err(|error| normalise::unreadable(&error))
}

/// A line of the file, taken apart as far as necessary.
struct Object {
    id: String,
    parent: Option<String>,
    /// All members but the parent, without the closing brace.
    text: String,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an id")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut id = None;
                let mut parent = None;
                let mut text = String::with_capacity(512);
                text.push('{');
                while let Some(name) = map.next_key::<&str>()? {
                    if name == "__parentId" {
                        parent = Some(map.next_value()?);
                        continue;
                    }
                    let value: &RawValue = map.next_value()?;
                    if name == "id" {
                        id = serde_json::from_str(value.get()).map_err(A::Error::custom)?;
                    }
                    if text.len() > 1 {
                        text.push(',');
                    }
                    for piece in ["\"", name, "\":", value.get()] {
                        text.push_str(piece);
                    }
                }
                Ok(Object {
                    id: id.ok_or_else(|| A::Error::missing_field("id"))?,
                    parent,
                    text,
                })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lines(values: &[Value]) -> Vec<String> {
        values.iter().map(Value::to_string).collect()
    }

    fn order(number: u32) -> Value {
        json!({"id": format!("O{number}"), "name": format!("#{number}\n")})
    }

    fn child(id: &str, of: &str) -> Value {
        json!({"__parentId": of, "id": id, "reason": "ORDER"})
    }

    /// What comes of the lines, up to the sentence that gives the file up.
    fn assembled(lines: &[String]) -> (Vec<Value>, Option<String>) {
        let mut assembly = Assembly::default();
        let mut orders = Vec::new();
        let taken = lines.iter().map(Some).chain([None]);
        for line in taken {
            let complete = match line {
                Some(line) => assembly.take(line.as_bytes()),
                None => assembly.end(),
            };
            match complete {
                Ok(Some(Complete::Whole(payload))) => {
                    orders.push(serde_json::from_str(payload.get()).expect("an order is JSON"));
                }
                Ok(Some(Complete::Unreadable { reason, .. })) => orders.push(json!(reason)),
                Ok(None) => {}
                Err(reason) => return (orders, Some(reason)),
            }
        }
        (orders, None)
    }

    #[test]
    fn an_order_has_the_shape_of_a_page_whatever_the_sequence_of_its_lines() {
        let page = |nodes: Value| json!({"nodes": nodes, "pageInfo": {"hasNextPage": false, "endCursor": null}});
        let part = |id: &str| json!({"id": id, "reason": "ORDER"});
        let agreement = |id: &str, sales: Value| json!({"id": id, "reason": "ORDER", "sales": page(sales)});
        let mut expected = order(1);
        expected["agreements"] = page(json!([
            agreement("A1", json!([part("S1"), part("S2")])),
            agreement("A2", json!([part("S3")])),
            agreement("A3", json!([])),
        ]));
        let [a1, a2, a3] = ["A1", "A2", "A3"].map(|id| child(id, "O1"));
        let [s1, s2, s3] = [("S1", "A1"), ("S2", "A1"), ("S3", "A2")].map(|(id, of)| child(id, of));
        for file in [
            vec![&a1, &s1, &s2, &a2, &s3, &a3],
            vec![&a1, &a2, &a3, &s1, &s2, &s3],
            vec![&s3, &s1, &s2, &a1, &a2, &a3],
        ] {
            let mut file = Vec::from_iter(file.into_iter().cloned());
            file.insert(0, order(1));
            file.extend([order(2), child("A4", "O2")]);
            let (orders, given_up) = assembled(&lines(&file));
            assert_eq!(given_up, None);
            assert_eq!(orders[0], expected);
            assert_eq!(orders[1]["agreements"]["nodes"][0]["id"], "A4");
            assert_eq!(orders.len(), 2);
        }
    }

    #[test]
    fn a_file_that_is_not_grouped_is_given_up() {
        for (file, orders, reason) in [
            (vec![order(1), order(2), child("A1", "O1")], 0, "no agreement"),
            (
                vec![
                    order(1),
                    child("A1", "O1"),
                    order(2),
                    child("A2", "O2"),
                    child("A3", "O1"),
                ],
                1,
                "a part of O1 stands among those of O2",
            ),
            (
                vec![
                    order(1),
                    child("A1", "O1"),
                    order(2),
                    child("A2", "O2"),
                    child("S1", "A1"),
                ],
                1,
                "a part of A1 stands among those of O2",
            ),
            (vec![order(1), child("A1", "O1"), order(2)], 1, "no agreement"),
            (vec![child("A1", "O1")], 0, "begins with a part of O1"),
        ] {
            let (complete, given_up) = assembled(&lines(&file));
            assert_eq!(complete.len(), orders, "{file:?}");
            let given_up = given_up.expect("it is given up");
            assert!(given_up.contains(reason), "{given_up}");
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_spoils_its_order_alone() {
        let mut file = lines(&[order(1), child("A1", "O1"), order(2), child("A2", "O2")]);
        file.insert(1, r#"{"id": "A0", "__parentId": "O1", "#.to_owned());
        let (orders, given_up) = assembled(&file);
        assert_eq!(given_up, None);
        assert!(
            orders[0].as_str().is_some_and(|reason| reason.contains("shape")),
            "{orders:?}"
        );
        assert_eq!(orders[1]["id"], "O2");
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let file = b"{\"a\":1}\n\n{\"b\":22}\n{\"c\":3}";
        for size in 1..file.len() {
            for skip in [0_u64, 8, 9] {
                let mut lines = Lines::new(skip, skip);
                let mut found = Vec::new();
                for chunk in file.chunks(size) {
                    let mut rest = lines.skipped(Bytes::copy_from_slice(chunk));
                    while let Some(line) = lines.next(&mut rest) {
                        found.push((line.begins_at, line.text.ok().expect("short enough")));
                    }
                }
                let last = lines.last().expect("a line without an end");
                assert_eq!(last, "{\"c\":3}");
                assert_eq!(lines.at, file.len() as u64);
                let all = [(0, "{\"a\":1}"), (8, ""), (9, "{\"b\":22}")];
                let expected = all.into_iter().filter(|(at, _)| *at >= skip);
                let expected = Vec::from_iter(expected.map(|(at, text)| (at, Bytes::from(text))));
                assert_eq!(found, expected, "{size} {skip}");
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_without_being_kept() {
        let mut lines = Lines::new(0, 0);
        let mut most = 0;
        for _ in 0..40 {
            let mut chunk = Bytes::from(vec![b'x'; 1 << 20]);
            assert!(lines.next(&mut chunk).is_none());
            most = most.max(lines.begun.len());
        }
        let mut end = Bytes::from_static(b"x\nshort\n");
        let long = lines.next(&mut end).expect("a line");
        assert!(long.text.is_err());
        let short = lines.next(&mut end).expect("a line");
        assert_eq!(short.begins_at, (40 << 20) + 2);
        assert_eq!(short.text.ok().expect("short enough"), "short");
        assert!(most <= LONGEST_LINE);
    }

    #[test]
    fn the_scope_for_all_orders_hides_nothing() {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().expect("a moment");
        let hidden = |scopes: &[&str]| {
            let scopes = Vec::from_iter(scopes.iter().map(|scope| (*scope).to_owned()));
            hidden_history(&scopes, now).map(|hidden| hidden.before)
        };
        assert_eq!(hidden(&["read_orders", "read_all_orders"]), None);
        let first = "2026-09-23T12:00:00Z".parse().expect("a moment");
        assert_eq!(hidden(&["read_orders"]), Some(first));
    }
}
