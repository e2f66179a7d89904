//! Bulk operations: a query that runs over everything in the background and leaves a file with a line for each object.
//!
//! The query's own words are carried out by the schema, page by page, on the shelf as it was when the operation began.
//! What Shopify refuses is refused: `nodes`, more than five connections, lists nested deeper than two, a parent without
//! its id. The file's address is signed and takes no token.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Pos, Positioned, Request, Value as Literal};
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::admin::{apply, not_found, pause};
use super::faults::{FaultKind, Target};
use super::schema::{Scene, Uncapped};
use super::shops;
use super::{Inner, Sandbox};

/// Operations of an app at a store that may run at once.
const AT_ONCE: usize = 5;
/// Connections that a query may have.
const MOST_CONNECTIONS: usize = 5;
/// Connections that may stand within one another.
const DEEPEST: usize = 3;
/// Objects asked for at once, of each connection.
const SLICE: u32 = 250;
/// Pieces in which a file is sent.
const PIECE: usize = 64 * 1024;
/// How long an address is good.
const GOOD_FOR: i64 = 7 * 86_400;

/// A bulk operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: u64,
    pub(crate) query: String,
    pub(crate) status: Status,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) objects: u64,
    pub(crate) roots: u64,
    pub(crate) file: Option<File>,
}

/// What an operation leaves.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) text: Bytes,
    /// What is said to be its length.
    pub(crate) size: u64,
    pub(crate) address: String,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Running,
    Completed,
    Failed,
    Canceled,
    Expired,
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ErrorCode {
    AccessDenied,
    InternalServerError,
}

/// Why an operation is not begun.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The app may not ask for one.
    Denied,
    /// Too many are running.
    Busy(String),
    /// The query can't be run so.
    Invalid(String),
}

/// Begins an operation. `origin` is where the sandbox is reached.
pub(crate) fn begin(scene: &Arc<Scene>, query: String, grouped: bool, origin: String) -> Result<Operation, Refusal> {
    let fault = scene
        .inner
        .with_store(scene.shop, scene.now, |store| store.next_fault(Target::Bulk));
    let fault = fault.map(|fault| fault.kind);
    let busy = |running: &str| {
        Refusal::Busy(format!(
            "A bulk query operation for this app and shop is already in progress: {running}."
        ))
    };
    match fault {
        Some(FaultKind::BulkRefused) => return Err(Refusal::Denied),
        Some(FaultKind::BulkInProgress) => return Err(busy("gid://shopify/BulkOperation/1")),
        _ => {}
    }
    let mut document = parse_query(&query).map_err(|error| Refusal::Invalid(error.to_string()))?;
    check(&document).map_err(Refusal::Invalid)?;
    page_everything(&mut document);
    let operation = scene.inner.with_store(scene.shop, scene.now, |store| {
        let running = store.operations.iter().filter(|it| it.status == Status::Running);
        let running: Vec<_> = running
            .map(|it| format!("gid://shopify/BulkOperation/{}", it.id))
            .collect();
        if running.len() >= AT_ONCE {
            return Err(busy(&running.join(", ")));
        }
        let operation = Operation {
            id: store.profile.number * 1_000_000 + store.operations.len() as u64 + 1,
            query: query.clone(),
            status: Status::Running,
            error: None,
            created_at: scene.now,
            completed_at: None,
            objects: 0,
            roots: 0,
            file: None,
        };
        store.operations.push(operation.clone());
        Ok(operation)
    })?;
    let work = Work {
        scene: Arc::clone(scene),
        id: operation.id,
        document,
        grouped: grouped && !matches!(fault, Some(FaultKind::BulkUngrouped)),
        origin,
        fault,
    };
    tokio::spawn(work.run());
    Ok(operation)
}

/// Ends an operation that is running.
pub(crate) fn cancel(scene: &Scene, id: u64) -> Option<Operation> {
    change(&scene.inner, scene, id, |operation| {
        if operation.status == Status::Running {
            operation.status = Status::Canceled;
        }
    })
}

fn change(inner: &Inner, scene: &Scene, id: u64, change: impl FnOnce(&mut Operation)) -> Option<Operation> {
    inner.with_store(scene.shop, scene.now, |store| {
        let operation = store.operations.iter_mut().find(|operation| operation.id == id)?;
        change(operation);
        Some(operation.clone())
    })
}

/// An operation in progress.
struct Work {
    scene: Arc<Scene>,
    id: u64,
    document: ExecutableDocument,
    grouped: bool,
    origin: String,
    fault: Option<FaultKind>,
}

/// A line of the file, and how deep its object stands.
type Line = (usize, String);

impl Work {
    async fn run(self) {
        if let Some(FaultKind::Delay { delay_ms }) = self.fault {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        let mut lines: Vec<Line> = Vec::new();
        let mut after = None;
        loop {
            tokio::time::sleep(self.scene.inner.config.bulk_pace).await;
            match self.slice(after, &mut lines).await {
                Err(error) => return self.fail(error),
                Ok(None) => break,
                Ok(next) => after = next,
            }
            let roots = lines.iter().filter(|(depth, _)| *depth == 0).count() as u64;
            let objects = lines.len() as u64;
            let still = change(&self.scene.inner, &self.scene, self.id, |operation| {
                (operation.roots, operation.objects) = (roots, objects);
            });
            if still.is_none_or(|operation| operation.status != Status::Running) {
                return;
            }
        }
        self.finish(lines);
    }

    /// Adds the next objects; answers the cursor to go on from.
    async fn slice(&self, after: Option<Literal>, lines: &mut Vec<Line>) -> Result<Option<Literal>, ErrorCode> {
        let mut document = self.document.clone();
        if let Some(after) = after {
            for_root_fields(&mut document, |field| set_argument(field, "after", after.clone()));
        }
        let mut request = Request::new("").data(Arc::clone(&self.scene)).data(Uncapped);
        request.set_parsed_query(document);
        let answer = self.scene.inner.schema.execute(request).await;
        if !answer.errors.is_empty() {
            return Err(ErrorCode::AccessDenied);
        }
        let data = serde_json::to_value(&answer.data).unwrap_or_default();
        let mut next = None;
        for connection in data.as_object().into_iter().flat_map(Map::values) {
            write_lines(connection, None, 0, lines)?;
            let end = &connection["pageInfo"];
            if end["hasNextPage"] == true {
                next = end["endCursor"].as_str().map(|cursor| Literal::from(cursor.to_owned()));
            }
        }
        Ok(next)
    }

    fn finish(self, mut lines: Vec<Line>) {
        if !self.grouped {
            lines.sort_by_key(|(depth, _)| *depth);
        }
        let roots = lines.iter().filter(|(depth, _)| *depth == 0).count() as u64;
        let objects = lines.len() as u64;
        let mut text = String::new();
        for (_, line) in lines {
            text.push_str(&line);
            text.push('\n');
        }
        let size = text.len() as u64;
        let mut text = Bytes::from(text);
        if matches!(self.fault, Some(FaultKind::BulkTruncated)) {
            text.truncate(text.len() * 3 / 5);
        }
        let Scene { inner, shop, now, .. } = &*self.scene;
        let expires = now.timestamp() + GOOD_FOR;
        let path = format!("/_bulk/{}/{}", shop.domain, self.id);
        let signature = sign(inner, &path, expires);
        let address = format!(
            "{}{path}?GoogleAccessId=sandbox&Expires={expires}&Signature={signature}",
            self.origin
        );
        change(inner, &self.scene, self.id, |operation| {
            if operation.status != Status::Running {
                return;
            }
            operation.completed_at = Some(*now);
            operation.objects = objects;
            operation.roots = roots;
            operation.status = match self.fault {
                Some(FaultKind::BulkFails) => {
                    operation.error = Some(ErrorCode::InternalServerError);
                    Status::Failed
                }
                Some(FaultKind::BulkExpires) => Status::Expired,
                _ => Status::Completed,
            };
            if matches!(self.fault, Some(FaultKind::BulkMiscounted)) {
                operation.roots += 1;
            }
            if operation.status == Status::Completed && objects > 0 {
                operation.file = Some(File { text, size, address });
            }
        });
    }

    fn fail(self, error: ErrorCode) {
        change(&self.scene.inner, &self.scene, self.id, |operation| {
            operation.status = Status::Failed;
            operation.error = Some(error);
        });
    }
}

/// Writes the objects of a connection, each followed by those of its own connections.
fn write_lines(connection: &Value, parent: Option<&str>, depth: usize, lines: &mut Vec<Line>) -> Result<(), ErrorCode> {
    if depth > 0 && connection["pageInfo"]["hasNextPage"] == true {
        return Err(ErrorCode::InternalServerError);
    }
    for edge in connection["edges"].as_array().into_iter().flatten() {
        let Some(object) = edge["node"].as_object() else {
            continue;
        };
        let (inner, plain): (Vec<_>, Vec<_>) = object.iter().partition(|(_, value)| value.get("edges").is_some());
        let mut line = String::from("{");
        for (name, value) in plain {
            let separator = if line.len() > 1 { "," } else { "" };
            let _ = write!(line, "{separator}\"{name}\":{value}");
        }
        if let Some(parent) = parent {
            let _ = write!(line, ",\"__parentId\":\"{parent}\"");
        }
        line.push('}');
        lines.push((depth, line));
        let id = object.get("id").and_then(Value::as_str);
        for (_, connection) in inner {
            write_lines(connection, id, depth + 1, lines)?;
        }
    }
    Ok(())
}

/// Whether the query is one that runs in bulk.
fn check(document: &ExecutableDocument) -> Result<(), String> {
    let DocumentOperations::Single(operation) = only_operation(document) else {
        return Err("Bulk queries must have exactly one operation".to_owned());
    };
    if operation.node.ty != OperationType::Query {
        return Err("Bulk queries must be queries".to_owned());
    }
    let mut connections = 0;
    check_set(&operation.node.selection_set.node, 0, &mut connections)?;
    match connections {
        0 => Err("Bulk queries must contain at least one connection".to_owned()),
        1..=MOST_CONNECTIONS => Ok(()),
        _ => Err(format!(
            "Bulk queries cannot contain more than {MOST_CONNECTIONS} connections"
        )),
    }
}

/// The operations, a single named one like one without a name.
fn only_operation(document: &ExecutableDocument) -> DocumentOperations {
    match &document.operations {
        DocumentOperations::Multiple(named) if named.len() == 1 => {
            let only = named.values().next().cloned();
            only.map_or_else(|| document.operations.clone(), DocumentOperations::Single)
        }
        operations => operations.clone(),
    }
}

fn check_set(set: &SelectionSet, depth: usize, connections: &mut usize) -> Result<(), String> {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let field = &field.node;
                let inner = &field.selection_set.node;
                if field.name.node == "nodes" {
                    return Err("Bulk queries must use edges, not nodes".to_owned());
                }
                let is_connection = has_field(inner, "edges");
                if is_connection {
                    *connections += 1;
                    if depth + 1 > DEEPEST {
                        return Err("Bulk queries cannot nest connections deeper than two levels".to_owned());
                    }
                    if depth > 0 && !has_field(set, "id") {
                        return Err(format!(
                            "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be of 'ID' return type. Connection fields without 'id': {}.",
                            field.name.node
                        ));
                    }
                }
                check_set(inner, depth + usize::from(is_connection), connections)?;
            }
            Selection::InlineFragment(fragment) => check_set(&fragment.node.selection_set.node, depth, connections)?,
            Selection::FragmentSpread(_) => return Err("The sandbox's bulk queries have no fragments".to_owned()),
        }
    }
    Ok(())
}

/// Whether a set has a field of this name under its own name.
fn has_field(set: &SelectionSet, name: &str) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => field.node.name.node == name && field.node.alias.is_none(),
        _ => false,
    })
}

/// Gives every connection a size, and asks where it ends.
fn page_everything(document: &mut ExecutableDocument) {
    document.operations = only_operation(document);
    let DocumentOperations::Single(operation) = &mut document.operations else {
        return;
    };
    page_set(&mut operation.node.selection_set.node);
}

fn page_set(set: &mut SelectionSet) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) => {
                let field = &mut field.node;
                if has_field(&field.selection_set.node, "edges") {
                    set_argument(field, "first", Literal::from(SLICE));
                    let ends = ["hasNextPage", "endCursor"].map(|name| plain_field(name, Vec::new()));
                    let page_info = plain_field("pageInfo", Vec::from(ends));
                    field.selection_set.node.items.push(page_info);
                }
                page_set(&mut field.selection_set.node);
            }
            Selection::InlineFragment(fragment) => page_set(&mut fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn for_root_fields(document: &mut ExecutableDocument, change: impl Fn(&mut Field)) {
    if let DocumentOperations::Single(operation) = &mut document.operations {
        for selection in &mut operation.node.selection_set.node.items {
            if let Selection::Field(field) = &mut selection.node {
                change(&mut field.node);
            }
        }
    }
}

fn set_argument(field: &mut Field, name: &str, value: Literal) {
    let here = |node| Positioned::new(node, Pos::default());
    field.arguments.retain(|(known, _)| known.node != name);
    let value = Positioned::new(value.into(), Pos::default());
    field.arguments.push((here(Name::new(name)), value));
}

fn plain_field(name: &str, items: Vec<Positioned<Selection>>) -> Positioned<Selection> {
    let field = Field {
        alias: None,
        name: Positioned::new(Name::new(name), Pos::default()),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::new(SelectionSet { items }, Pos::default()),
    };
    Positioned::new(Selection::Field(Positioned::new(field, Pos::default())), Pos::default())
}

fn sign(inner: &Inner, path: &str, expires: i64) -> String {
    let secret = inner.config.api_secret.expose_secret();
    let hash = Sha256::digest(format!("{secret} {path} {expires}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the address of a file carries.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Signed {
    expires: i64,
    signature: String,
}

/// `GET /_bulk/{shop}/{operation}`.
pub(crate) async fn download(
    State(sandbox): State<Sandbox>,
    Path((shop, id)): Path<(String, u64)>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Response {
    pause(&sandbox).await;
    let inner = Arc::clone(&sandbox.inner);
    let Some(shop) = shops::find(&shop) else {
        return not_found();
    };
    let now = inner.now();
    let path = format!("/_bulk/{}/{id}", shop.domain);
    if signed.signature != sign(&inner, &path, signed.expires) || signed.expires < now.timestamp() {
        return StatusCode::FORBIDDEN.into_response();
    }
    // The real file lies with somebody else: a token must never get there.
    if headers.contains_key("x-shopify-access-token") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let fault = inner.with_store(shop, now, |store| store.next_fault(Target::Download));
    let fault = match apply(fault).await {
        Ok(fault) => fault,
        Err(response) => return response,
    };
    let from = match fault {
        Some(FaultKind::RangeIgnored) => None,
        _ => headers.get(RANGE).and_then(|range| {
            let range = range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?;
            range.parse::<usize>().ok()
        }),
    };
    let file = inner.with_store(shop, now, |store| {
        let operation = store.operations.iter().find(|operation| operation.id == id);
        let file = operation.and_then(|operation| operation.file.clone());
        if file.is_some() {
            store.tally.downloads.push(from.unwrap_or(0) as u64);
        }
        file
    });
    let Some(file) = file else {
        return not_found();
    };
    let all = file.text.len();
    let mut text = file.text;
    let first = from.unwrap_or(0);
    if first > 0 && first >= all {
        return (
            StatusCode::RANGE_NOT_SATISFIABLE,
            [(CONTENT_RANGE, format!("bytes */{all}"))],
        )
            .into_response();
    }
    let text = text.split_off(first);
    let length = text.len();
    let breaks_at = matches!(fault, Some(FaultKind::DropConnection)).then_some(length / 2);
    let body = Body::from_stream(pieces(text, breaks_at, inner.config.bulk_pace));
    let plain = [
        (CONTENT_TYPE, "application/jsonl".to_owned()),
        (CONTENT_LENGTH, length.to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
    ];
    match from {
        Some(_) => {
            let range = format!("bytes {first}-{}/{all}", all - 1);
            (StatusCode::PARTIAL_CONTENT, plain, [(CONTENT_RANGE, range)], body).into_response()
        }
        None => (plain, body).into_response(),
    }
}

/// The text piece by piece, at a pace, up to where the connection breaks.
fn pieces(
    text: Bytes,
    breaks_at: Option<usize>,
    pace: Duration,
) -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send {
    futures::stream::unfold((text, 0), move |(mut rest, sent)| async move {
        if breaks_at.is_some_and(|breaks_at| sent >= breaks_at) {
            let broken = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the connection was to break");
            return Some((Err(broken), (Bytes::new(), 0)));
        }
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pace).await;
        let most = breaks_at.map_or(PIECE, |breaks_at| PIECE.min(breaks_at - sent)).max(1);
        let piece = rest.split_to(most.min(rest.len()));
        let sent = sent + piece.len();
        Some((Ok(piece), (rest, sent)))
    })
}
