//! Plain JSON for those who don't speak GraphQL: each address runs one document of `queries/` through the same schema
//! and the same guard, and answers its `data` alone. An error is a problem document.
//!
//! A document's variables are the address's parameters, under the same names. `from`, `to` and `preset` together are
//! the variable `range`.

use async_graphql::parser::types::{BaseType, ExecutableDocument};
use async_graphql::{Request, Value, Variables};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Parameter, json};

use super::error::Failure;
use super::trace::TraceId;
use super::{Web, graphql, media};
use crate::graphql::Code;

const HOME: &str = include_str!("../../../queries/dashboard/home.graphql");
const SHOPIFY: &str = include_str!("../../../queries/dashboard/shopify.graphql");
const SYNC_STATUS: &str = include_str!("../../../queries/settings/sync-status.graphql");
const MANUAL_SYNC: &str = include_str!("../../../queries/settings/manual-sync.graphql");

/// The variable that `from`, `to` and `preset` make up.
const RANGE: &str = "range";

/// `GET /api/dashboard/home?from&to` or `?preset`.
pub(super) async fn home(web: State<Web>, trace: TraceId, headers: HeaderMap, query: RawQuery) -> Response {
    read(web, trace, headers, query, HOME).await
}

/// `GET /api/dashboard/shopify?from&to` or `?preset`.
pub(super) async fn shopify(web: State<Web>, trace: TraceId, headers: HeaderMap, query: RawQuery) -> Response {
    read(web, trace, headers, query, SHOPIFY).await
}

/// `GET /api/settings/sync-status`.
pub(super) async fn sync_status(web: State<Web>, trace: TraceId, headers: HeaderMap, query: RawQuery) -> Response {
    read(web, trace, headers, query, SYNC_STATUS).await
}

/// `POST /api/settings/manual-sync` with the mutation's input as its body; an empty body asks for the usual jobs.
pub(super) async fn manual_sync(
    State(web): State<Web>,
    trace: TraceId,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answered = async {
        let caller = graphql::admit(&web, &headers, &trace, true).await?;
        let body = media::whole(body)?;
        let input = if body.is_empty() {
            Parameter::Object(Map::new())
        } else {
            media::require_json(&headers)?;
            serde_json::from_slice(&body)
                .ok()
                .filter(Parameter::is_object)
                .ok_or_else(|| Failure::new(Code::BadUserInput, "The body must be a JSON object."))?
        };
        let request = Request::new(MANUAL_SYNC).variables(Variables::from_json(json!({ "input": input })));
        data(graphql::execute(&web.schema, request.data(caller)).await?)
    };
    respond(answered.await, &trace)
}

async fn read(
    State(web): State<Web>,
    trace: TraceId,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    document: &'static str,
) -> Response {
    let answered = async {
        let caller = graphql::admit(&web, &headers, &trace, false).await?;
        let mut request = Request::new(document);
        let parsed = request.parsed_query().map_err(|error| Failure::internal(&error))?;
        let variables = variables(parsed, &query.unwrap_or_default())?;
        let request = request.variables(Variables::from_json(Parameter::Object(variables)));
        data(graphql::execute(&web.schema, request.data(caller)).await?)
    };
    respond(answered.await, &trace)
}

/// The address's parameters as the document's variables. One that the document does not know is refused: a misspelt
/// filter that is passed over answers another question than was asked.
fn variables(document: &ExecutableDocument, query: &str) -> Result<Map<String, Parameter>, Failure> {
    let wrong = |message: String| Err(Failure::new(Code::BadUserInput, message));
    let mut variables = Map::new();
    let mut range = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let into_range = matches!(&*name, "from" | "to" | "preset") && declared(document, RANGE).is_some();
        let (target, kind) = match declared(document, &name) {
            _ if into_range => (&mut range, "String"),
            Some(kind) if name != RANGE => (&mut variables, kind),
            _ => {
                return wrong(format!("The parameter `{}` is not known here.", shortened(&name)));
            }
        };
        let Some(value) = typed(kind, &value) else {
            return wrong(format!("The parameter `{name}` must be of type {kind}."));
        };
        if target.insert(name.clone().into_owned(), value).is_some() {
            return wrong(format!("The parameter `{name}` stands twice."));
        }
    }
    if declared(document, RANGE).is_some() {
        variables.insert(RANGE.to_owned(), range.into());
    }
    Ok(variables)
}

/// The type of the document's variable with this name, if it has one that an address can give: no list.
fn declared<'a>(document: &'a ExecutableDocument, name: &str) -> Option<&'a str> {
    let (_, operation) = document.operations.iter().next()?;
    let definitions = &operation.node.variable_definitions;
    let definition = definitions
        .iter()
        .find(|definition| definition.node.name.node == name)?;
    match &definition.node.var_type.node.base {
        BaseType::Named(kind) => Some(kind.as_str()),
        BaseType::List(_) => None,
    }
}

/// A parameter's text as JSON of its variable's type. Ids, dates and enum values are texts in JSON too.
fn typed(kind: &str, text: &str) -> Option<Parameter> {
    match kind {
        "Int" => text.parse::<i32>().ok().map(Parameter::from),
        "Boolean" => text.parse::<bool>().ok().map(Parameter::from),
        _ => Some(Parameter::from(text)),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The answer's data, or its first error.
fn data(response: async_graphql::Response) -> Result<Value, Failure> {
    match response.errors.first() {
        None => Ok(response.data),
        Some(error) => Err(Failure::of(error)),
    }
}

fn respond(answered: Result<Value, Failure>, trace: &TraceId) -> Response {
    match answered {
        Ok(data) => ([(header::CACHE_CONTROL, "private, no-store")], Json(data)).into_response(),
        Err(failure) => failure.to_problem(trace),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    const DOCUMENT: &str =
        "query Home($range: DateRangeInput!, $granularity: Granularity, $first: Int, $ids: [ID!]) { a }";

    fn read(query: &str) -> Result<Parameter, String> {
        let document = parse_query(DOCUMENT).expect("a document");
        variables(&document, query)
            .map(Parameter::Object)
            .map_err(|failure| failure.message)
    }

    #[test]
    fn parameters_become_the_documents_variables() {
        assert_eq!(
            read("from=2026-10-01&to=2026-10-31&granularity=WEEK&first=5"),
            Ok(json!({
                "range": { "from": "2026-10-01", "to": "2026-10-31" },
                "granularity": "WEEK",
                "first": 5,
            }))
        );
        assert_eq!(
            read("preset=LAST_7_DAYS"),
            Ok(json!({ "range": { "preset": "LAST_7_DAYS" } }))
        );
        assert_eq!(read(""), Ok(json!({ "range": {} })));
    }

    #[test]
    fn unknown_repeated_and_unreadable_parameters_are_refused() {
        for wrong in [
            "frm=2026-10-01",
            "first=many",
            "from=1&from=2",
            "range=x",
            "ids=1",
            "first=99999999999",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
