//! Plain JSON for those who don't speak GraphQL: each address runs one document of `queries/` through the same schema
//! and the same guard, and answers its `data` alone. An error is a problem document.
//!
//! A document's variables are the parameters of its address, or the fields of its body, under the same names.

use async_graphql::parser::types::{BaseType, ExecutableDocument, Type};
use async_graphql::{Request, Value, Variables};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Parameter};

use super::error::Failure;
use super::trace::TraceId;
use super::{Web, graphql, media};
use crate::graphql::{Caller, Code};

const HOME: &str = include_str!("../../../queries/dashboard/home.graphql");
const SHOPIFY: &str = include_str!("../../../queries/dashboard/shopify.graphql");
const SYNC_STATUS: &str = include_str!("../../../queries/settings/sync-status.graphql");
const MANUAL_SYNC: &str = include_str!("../../../queries/settings/manual-sync.graphql");

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

/// `POST /api/settings/manual-sync` with `{integrationId, jobs?}`.
pub(super) async fn manual_sync(
    State(web): State<Web>,
    trace: TraceId,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answered = async {
        media::require_json(&headers)?;
        let caller = graphql::admit(&web, &headers, &trace, true).await?;
        let Ok(Parameter::Object(fields)) = serde_json::from_slice(&media::whole(body)?) else {
            return Err(Failure::new(Code::BadUserInput, "The body must be a JSON object."));
        };
        run(&web, caller, &trace, MANUAL_SYNC, |document| of_body(document, fields)).await
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
        let query = query.unwrap_or_default();
        run(&web, caller, &trace, document, |document| of_address(document, &query)).await
    };
    respond(answered.await, &trace)
}

/// Runs a document with the variables that `variables` makes for it.
async fn run(
    web: &Web,
    caller: Caller,
    trace: &TraceId,
    document: &'static str,
    variables: impl FnOnce(&ExecutableDocument) -> Result<Map<String, Parameter>, Failure>,
) -> Result<Value, Failure> {
    let mut request = Request::new(document);
    let variables = variables(request.parsed_query().map_err(|error| Failure::internal(&error))?)?;
    let request = request.variables(Variables::from_json(variables.into())).data(caller);
    data(graphql::execute(&web.schema, request, trace).await?)
}

/// The address's parameters as the document's variables.
fn of_address(document: &ExecutableDocument, query: &str) -> Result<Map<String, Parameter>, Failure> {
    let mut variables = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let kind = declared(document, &name)?;
        let value = typed(kind, &value).ok_or_else(|| {
            Failure::new(
                Code::BadUserInput,
                format!("The parameter `{name}` must be of type {kind}."),
            )
        })?;
        if variables.insert(name.clone().into_owned(), value).is_some() {
            return Err(Failure::new(
                Code::BadUserInput,
                format!("The parameter `{name}` stands twice."),
            ));
        }
    }
    Ok(variables)
}

/// The body's fields as the document's variables.
fn of_body(document: &ExecutableDocument, fields: Map<String, Parameter>) -> Result<Map<String, Parameter>, Failure> {
    for name in fields.keys() {
        declared(document, name)?;
    }
    Ok(fields)
}

/// The type of the document's variable with this name. A name that it does not know is refused: a misspelt filter that
/// is passed over answers another question than was asked.
fn declared<'a>(document: &'a ExecutableDocument, name: &str) -> Result<&'a Type, Failure> {
    let definitions = document
        .operations
        .iter()
        .flat_map(|(_, operation)| &operation.node.variable_definitions);
    let definition = definitions
        .map(|definition| &definition.node)
        .find(|definition| definition.name.node == name);
    definition.map(|definition| &definition.var_type.node).ok_or_else(|| {
        let name: String = name.chars().take(40).collect();
        Failure::new(Code::BadUserInput, format!("The parameter `{name}` is not known here."))
    })
}

/// A parameter's text as JSON of its variable's type. Ids, dates and enum values are texts in JSON too; a list is one
/// text with commas.
fn typed(kind: &Type, text: &str) -> Option<Parameter> {
    match &kind.base {
        BaseType::List(item) => text.split(',').map(|text| typed(item, text)).collect(),
        BaseType::Named(name) => match name.as_str() {
            "Int" => text.parse::<i32>().ok().map(Parameter::from),
            "Boolean" => text.parse::<bool>().ok().map(Parameter::from),
            _ => Some(Parameter::from(text)),
        },
    }
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
    use serde_json::json;

    use super::*;

    const DOCUMENT: &str =
        "query Home($from: Date, $to: Date, $granularity: Granularity, $first: Int, $jobs: [SyncJob!]) { a }";

    fn read(query: &str) -> Result<Parameter, String> {
        let document = parse_query(DOCUMENT).expect("a document");
        of_address(&document, query)
            .map(Parameter::Object)
            .map_err(|failure| failure.message)
    }

    #[test]
    fn parameters_become_the_documents_variables() {
        assert_eq!(
            read("from=2026-10-01&to=2026-10-31&granularity=WEEK&first=5&jobs=A,B"),
            Ok(json!({
                "from": "2026-10-01",
                "to": "2026-10-31",
                "granularity": "WEEK",
                "first": 5,
                "jobs": ["A", "B"],
            }))
        );
        assert_eq!(read(""), Ok(json!({})));
    }

    #[test]
    fn unknown_repeated_and_unreadable_parameters_are_refused() {
        for wrong in [
            "frm=2026-10-01",
            "first=many",
            "from=1&from=2",
            "first=99999999999",
            "first=",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_document_can_be_read() {
        for document in [HOME, SHOPIFY, SYNC_STATUS, MANUAL_SYNC] {
            let document = parse_query(document).expect("a document");
            assert_eq!(document.operations.iter().count(), 1);
        }
    }
}
