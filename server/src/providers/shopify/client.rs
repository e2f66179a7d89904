//! Asking a store's Admin API: one question with the store's patience in mind, one page of orders, and what completes
//! an order whose ledger did not fit into the page.
//!
//! Every store gives this app a bucket of points that refills by the second, and says with each answer how full it is.
//! A question that the bucket can't pay yet waits here if the wait is short, and goes back to the queue if it is long.

mod connection;
mod pace;
mod records;

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use chrono::{DateTime, SecondsFormat, Utc};
use graphql_client::GraphQLQuery;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use super::wire::{self, ApiError, Envelope, PageInfo};
use super::{Shopify, normalise};
use crate::domain::ids::ShopifyOrderId;
use crate::providers::contract::{OrderPage, OrderQuery, OrdersById, ProviderError, PulledOrder, ShopAccess};
use crate::providers::http::{Answer, NoAnswer};
pub(super) use pace::Paces;

/// The longest wait for a bucket to fill that is spent here.
///
/// A question costs at most 1,000 points and the smallest plan refills 100 a second.
const SHORT_WAIT: Duration = Duration::from_secs(10);
/// How often a question is asked before its throttle is passed on.
const TRIES: u32 = 4;
/// The wait where a store throttles and does not say for how long.
const UNSAID_WAIT: Duration = Duration::from_secs(2);
/// The most that a connection gives at once.
const LARGEST_PAGE: u32 = 250;
/// How many orders are asked for by their ids at once, at first: their cost is just below what one question may cost.
const IDS_AT_ONCE: usize = 10;
/// How much of a text of Shopify's is quoted in an error, in characters.
const QUOTED: usize = 300;

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-shopify-access-token");
const API_VERSION: &str = "x-shopify-api-version";

/// An answer with data in it. Errors that concern only a part of the data stand beside it.
pub(super) struct Reply {
    data: Box<RawValue>,
    errors: Vec<ApiError>,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It asks for too much at once: a smaller page may do.
    TooLarge(String),
    /// Anything else.
    Failed(ProviderError),
}

impl From<Refusal> for ProviderError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLarge(why) => Self::Broken(why),
            Refusal::Failed(error) => error,
        }
    }
}

/// What an answer means before its data is looked at.
enum Verdict {
    Answered(Reply),
    Throttled { after: Duration, why: String },
    Refused(Refusal),
}

impl Shopify {
    /// Asks for one page of orders.
    pub(super) async fn order_page(&self, access: &ShopAccess, query: &OrderQuery) -> Result<OrderPage, ProviderError> {
        let mut page_size = query.page_size.clamp(1, LARGEST_PAGE);
        let (asked_at, reply) = loop {
            let asked_at = self.clock.now();
            let variables = wire::orders_page::Variables {
                first: page_size.into(),
                after: query.after.clone(),
                query: changed_since(query.updated_from),
            };
            match self.ask::<wire::OrdersPage>(access, variables).await {
                Ok(reply) => break (asked_at, reply),
                Err(Refusal::TooLarge(_)) if page_size > 1 => page_size /= 2,
                Err(refusal) => return Err(refusal.into()),
            }
        };
        let spoilt = errors_by_order(&reply.errors, &["orders", "nodes"])?;
        let page = read::<wire::OrdersData>(&reply.data)?.orders;
        let next = next_cursor(&page.page_info, query.after.as_deref()).map_err(ProviderError::Broken)?;
        let mut orders = Vec::with_capacity(page.nodes.len());
        for (position, node) in page.nodes.into_iter().enumerate() {
            orders.push(match left_out(&spoilt, position) {
                None => self.pulled(access, node).await?,
                Some(reason) => unreadable(node, reason),
            });
        }
        Ok(OrderPage {
            orders,
            next,
            asked_at,
            page_size,
        })
    }

    /// Asks for orders by their ids.
    pub(super) async fn named_orders(
        &self,
        access: &ShopAccess,
        ids: &[ShopifyOrderId],
    ) -> Result<OrdersById, ProviderError> {
        let mut found = OrdersById {
            orders: Vec::with_capacity(ids.len()),
            missing: Vec::new(),
            asked_at: self.clock.now(),
        };
        let mut at_once = IDS_AT_ONCE;
        let mut left = ids;
        while !left.is_empty() {
            let (asked, later) = left.split_at(at_once.min(left.len()));
            let variables = wire::orders_by_id::Variables {
                ids: asked.iter().map(|id| format!("gid://shopify/Order/{id}")).collect(),
            };
            let reply = match self.ask::<wire::OrdersById>(access, variables).await {
                Ok(reply) => reply,
                Err(Refusal::TooLarge(_)) if asked.len() > 1 => {
                    at_once = asked.len() / 2;
                    continue;
                }
                Err(refusal) => return Err(refusal.into()),
            };
            let spoilt = errors_by_order(&reply.errors, &["nodes"])?;
            let nodes = read::<wire::NodesData>(&reply.data)?.nodes;
            if nodes.len() != asked.len() {
                return Err(ProviderError::Broken(
                    "Shopify answers with another number of orders than it was asked for".to_owned(),
                ));
            }
            for (position, (id, node)) in asked.iter().zip(nodes).enumerate() {
                match (node, left_out(&spoilt, position)) {
                    (Some(node), None) => found.orders.push(self.pulled(access, node).await?),
                    (Some(node), Some(reason)) => found.orders.push(unreadable(node, reason)),
                    (None, None) => found.missing.push(*id),
                    // It is there, but so much of it is left out that nothing remains.
                    (None, Some(_)) => return Err(failed(&reply.errors)),
                }
            }
            left = later;
        }
        Ok(found)
    }

    /// Completes an order and reads it.
    async fn pulled(&self, access: &ShopAccess, node: Box<RawValue>) -> Result<PulledOrder, ProviderError> {
        let extent: wire::OrderExtent = match serde_json::from_str(node.get()) {
            Ok(extent) => extent,
            Err(error) => return Ok(unreadable(node, normalise::unreadable(&error))),
        };
        let payload = if extent.is_complete() {
            node
        } else {
            match self.completed(access, &node, extent).await? {
                Ok(payload) => payload,
                Err(reason) => return Ok(unreadable(node, reason)),
            }
        };
        Ok(match normalise::replay(&payload, access.timezone, access.currency) {
            Ok(fact) => PulledOrder::Read {
                payload,
                fact: Box::new(fact),
            },
            Err(reason) => unreadable(payload, reason),
        })
    }

    /// The order with all of its agreements and sales; a sentence where they don't fit together.
    async fn completed(
        &self,
        access: &ShopAccess,
        node: &RawValue,
        extent: wire::OrderExtent,
    ) -> Result<Result<Box<RawValue>, String>, ProviderError> {
        let mut order: Value = read(node)?;
        let id = extent.id;
        let mut agreements = extent.agreements.nodes;
        let mut end = extent.agreements.page_info;
        let mut after = None;
        loop {
            after = match next_cursor(&end, after.as_deref()) {
                Ok(None) => break,
                Ok(next) => next,
                Err(reason) => return Ok(Err(reason)),
            };
            let variables = wire::order_agreements::Variables {
                id: id.clone(),
                after: after.clone(),
            };
            let Some(page) = self
                .agreements_of::<wire::OrderAgreements, wire::Page>(access, variables)
                .await?
            else {
                return Ok(Err(vanished()));
            };
            for node in &page.nodes {
                match serde_json::from_str(node.get()) {
                    Ok(extent) => agreements.push(extent),
                    Err(error) => return Ok(Err(normalise::unreadable(&error))),
                }
            }
            append(&mut order["agreements"], &page)?;
            end = page.page_info;
        }
        for (position, agreement) in agreements.iter().enumerate() {
            let mut end = agreement.sales.page_info.clone();
            if !end.has_next_page {
                continue;
            }
            let before = match self.cursor_before(access, &id, position).await? {
                Ok(before) => before,
                Err(reason) => return Ok(Err(reason)),
            };
            let mut after = None;
            loop {
                after = match next_cursor(&end, after.as_deref()) {
                    Ok(None) => break,
                    Ok(next) => next,
                    Err(reason) => return Ok(Err(reason)),
                };
                let variables = wire::agreement_sales::Variables {
                    id: id.clone(),
                    after: before.clone(),
                    sales_after: after.clone(),
                };
                let page = self
                    .agreements_of::<wire::AgreementSales, wire::OneAgreement>(access, variables)
                    .await?;
                let Some(page) = page else {
                    return Ok(Err(vanished()));
                };
                let Some(found) = page.nodes.into_iter().find(|found| found.id == agreement.id) else {
                    return Ok(Err(
                        "the order's agreements changed their sequence while it was read".to_owned()
                    ));
                };
                append(&mut order["agreements"]["nodes"][position]["sales"], &found.sales)?;
                end = found.sales.page_info;
            }
        }
        Ok(Ok(to_raw_value(&order).map_err(unexpected)?))
    }

    /// The cursor behind which the agreement at `position` comes; none for the first.
    async fn cursor_before(
        &self,
        access: &ShopAccess,
        id: &str,
        position: usize,
    ) -> Result<Result<Option<String>, String>, ProviderError> {
        let mut cursor = None;
        let mut left = position;
        while left > 0 {
            let first = left.min(LARGEST_PAGE as usize);
            let variables = wire::agreement_cursor::Variables {
                id: id.to_owned(),
                first: first as i64,
                after: cursor,
            };
            let page = self
                .agreements_of::<wire::AgreementCursor, wire::PageEnd>(access, variables)
                .await?;
            cursor = match page {
                None => return Ok(Err(vanished())),
                Some(page) => page.page_info.end_cursor,
            };
            if cursor.is_none() {
                return Ok(Err("the order lost agreements while it was read".to_owned()));
            }
            left -= first;
        }
        Ok(Ok(cursor))
    }

    /// Asks about the agreements of one order; none when there is no such order any more.
    async fn agreements_of<Q, T>(
        &self,
        access: &ShopAccess,
        variables: Q::Variables,
    ) -> Result<Option<T>, ProviderError>
    where
        Q: GraphQLQuery,
        Q::Variables: Sync,
        T: DeserializeOwned,
    {
        let reply = self.ask::<Q>(access, variables).await?.whole()?;
        let data: wire::OrderData<wire::WithAgreements<T>> = read(&reply)?;
        Ok(data.order.map(|order| order.agreements))
    }

    /// Asks what the store says of itself.
    pub(super) async fn shop(
        &self,
        domain: &str,
        access_token: &SecretString,
    ) -> Result<wire::shop::ShopShop, ProviderError> {
        let reply = self
            .ask_store::<wire::Shop>(domain, access_token, wire::shop::Variables)
            .await?
            .whole()?;
        Ok(read::<wire::shop::ResponseData>(&reply)?.shop)
    }

    /// Asks one question with the access of a link.
    pub(super) async fn ask<Q>(&self, access: &ShopAccess, variables: Q::Variables) -> Result<Reply, Refusal>
    where
        Q: GraphQLQuery,
        Q::Variables: Sync,
    {
        self.ask_store::<Q>(&access.domain, &access.access_token, variables)
            .await
    }

    /// Asks one question: waits for the bucket before, and once more where the store says so.
    async fn ask_store<Q>(
        &self,
        domain: &str,
        access_token: &SecretString,
        variables: Q::Variables,
    ) -> Result<Reply, Refusal>
    where
        Q: GraphQLQuery,
        Q::Variables: Sync,
    {
        let body = Q::build_query(variables);
        let version = &self.config.api_version;
        let url = self
            .address(domain, &format!("/admin/api/{version}/graphql.json"))
            .map_err(Refusal::Failed)?;
        let mut headers = HeaderMap::new();
        let mut token = HeaderValue::from_str(access_token.expose_secret()).map_err(|_| {
            Refusal::Failed(ProviderError::Reconnect(
                "The stored access token can't be one of Shopify's; connect the store again.".to_owned(),
            ))
        })?;
        token.set_sensitive(true);
        headers.insert(ACCESS_TOKEN, token);

        let mut tries = 0;
        loop {
            let wait = self
                .paces
                .reserve(domain, body.operation_name, SHORT_WAIT, Instant::now());
            if wait > SHORT_WAIT {
                return Err(Refusal::Failed(ProviderError::Later {
                    after: wait,
                    why: format!("{domain} has used up its share of Shopify's API for now"),
                }));
            }
            tokio::time::sleep(wait).await;
            let answer = self.http.post_json(url.clone(), headers.clone(), &body).await;
            let verdict = match answer {
                Ok(answer) => self.judge(domain, body.operation_name, &answer),
                Err(NoAnswer::TooLong) => Verdict::Refused(Refusal::TooLarge(format!(
                    "an answer of {domain} is too long to be read"
                ))),
                Err(NoAnswer::Unreachable(why)) => {
                    Verdict::Refused(retry(format!("{domain} could not be asked: {why}")))
                }
            };
            tries += 1;
            match verdict {
                Verdict::Answered(reply) => return Ok(reply),
                Verdict::Refused(refusal) => return Err(refusal),
                Verdict::Throttled { after, .. } if after <= SHORT_WAIT && tries < TRIES => {
                    tokio::time::sleep(after).await;
                }
                Verdict::Throttled { after, why } => {
                    return Err(Refusal::Failed(ProviderError::Later { after, why }));
                }
            }
        }
    }

    /// Sorts an answer by what to do next.
    fn judge(&self, domain: &str, operation: &'static str, answer: &Answer) -> Verdict {
        self.notice_version(domain, answer);
        if answer.status != StatusCode::OK {
            return judge_status(domain, answer);
        }
        let envelope: Envelope = match serde_json::from_slice(&answer.body) {
            Ok(envelope) => envelope,
            Err(_) => return Verdict::Refused(retry(format!("{domain} sent something that is not whole JSON"))),
        };
        let cost = envelope.cost();
        let errors = envelope.errors();
        if let Some(cost) = cost {
            self.paces.note(domain, operation, cost, Instant::now());
        }
        if errors.iter().any(|error| error.code == "THROTTLED") {
            let after = cost.map_or(UNSAID_WAIT, pace::wait_for);
            return Verdict::Throttled {
                after,
                why: format!("{domain} has used up its share of Shopify's API for now"),
            };
        }
        if let Some(error) = errors.iter().find(|error| error.code == "MAX_COST_EXCEEDED") {
            return Verdict::Refused(Refusal::TooLarge(format!(
                "{domain} finds a question too costly: {}",
                quoted(&error.message)
            )));
        }
        if let Some(denied) = errors.iter().find_map(denial) {
            return Verdict::Refused(Refusal::Failed(ProviderError::Denied(denied)));
        }
        let warnings = envelope.search_warnings();
        if !warnings.is_empty() {
            return Verdict::Refused(broken(format!(
                "{domain} left out a term of the search: {}",
                quoted(&warnings.join("; "))
            )));
        }
        match envelope.data {
            Some(data) => Verdict::Answered(Reply { data, errors }),
            None if errors.is_empty() => Verdict::Refused(retry(format!("{domain} sent an answer without data"))),
            None => Verdict::Refused(Refusal::Failed(failed(&errors))),
        }
    }

    /// An API version that is no longer supported is replaced by the oldest one that is, without a word but this header.
    fn notice_version(&self, domain: &str, answer: &Answer) {
        let served = answer
            .headers
            .get(API_VERSION)
            .and_then(|version| version.to_str().ok());
        if let Some(served) = served
            && served != self.config.api_version
        {
            tracing::warn!(
                shop = domain,
                asked = self.config.api_version,
                served,
                "Shopify answers with another version of its API than was asked for"
            );
        }
    }
}

impl Reply {
    /// The data of an answer that must be whole.
    pub(super) fn whole(self) -> Result<Box<RawValue>, ProviderError> {
        if self.errors.is_empty() {
            Ok(self.data)
        } else {
            Err(failed(&self.errors))
        }
    }
}

/// Statuses other than 200, by Shopify's own list.
fn judge_status(domain: &str, answer: &Answer) -> Verdict {
    let said = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(body) => wire::read_errors(&body["errors"])
            .into_iter()
            .map(|error| error.message)
            .collect::<Vec<_>>()
            .join("; "),
        Err(_) => String::new(),
    };
    let said = quoted(&said);
    let refused = |error| Verdict::Refused(Refusal::Failed(error));
    match answer.status.as_u16() {
        300..=399 => refused(ProviderError::Broken(format!(
            "{domain} answers with a redirect, which is not followed with a token; check that it is the store's \
             permanent domain"
        ))),
        401 => refused(ProviderError::Reconnect(format!(
            "{domain} no longer accepts its access token; connect the store again."
        ))),
        402 => refused(ProviderError::Denied(format!(
            "{domain} is frozen until its Shopify bill is paid; what was synced stays."
        ))),
        403 if said.to_lowercase().contains("non-expiring access token") => refused(ProviderError::Reconnect(format!(
            "{domain} was connected with a kind of token that Shopify no longer accepts; connect the store again."
        ))),
        403 if is_unapproved(&said) => refused(ProviderError::Denied(unapproved(&said))),
        403 => refused(ProviderError::Denied(format!(
            "{domain} refuses access ({said}); check the app's scopes, then connect the store again."
        ))),
        404 => refused(ProviderError::Denied(format!(
            "There is no store at {domain}, or it was closed."
        ))),
        423 => refused(ProviderError::Denied(format!(
            "Shopify has locked {domain}; the store's owner has to ask Shopify's support why."
        ))),
        429 => Verdict::Throttled {
            after: retry_after(&answer.headers).unwrap_or(UNSAID_WAIT),
            why: format!("{domain} asks for a pause"),
        },
        430 => Verdict::Refused(retry(format!("Shopify's protection turned a request to {domain} away"))),
        500..=599 => match retry_after(&answer.headers) {
            Some(after) => refused(ProviderError::Later {
                after,
                why: format!("{domain} is being maintained or overloaded"),
            }),
            None => Verdict::Refused(retry(format!("{domain} failed with status {}", answer.status.as_u16()))),
        },
        status => refused(ProviderError::Broken(format!(
            "{domain} rejects the request with status {status} ({said})"
        ))),
    }
}

/// The errors that spoil single orders, by the order's position in the list at `list`; any other error concerns all of
/// the answer.
fn errors_by_order(errors: &[ApiError], list: &[&str]) -> Result<Vec<(usize, String)>, ProviderError> {
    let mut spoilt = Vec::new();
    let mut general = Vec::new();
    for error in errors {
        let Some((path, [position, field @ ..])) = error.path.split_at_checked(list.len()) else {
            general.push(error.clone());
            continue;
        };
        match position.as_u64() {
            Some(position) if path == list => {
                let field: Vec<String> = field
                    .iter()
                    .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned))
                    .collect();
                let reason = format!("{} ({})", quoted(&error.message), field.join("."));
                spoilt.push((usize::try_from(position).unwrap_or(usize::MAX), reason));
            }
            _ => general.push(error.clone()),
        }
    }
    if general.is_empty() {
        Ok(spoilt)
    } else {
        Err(failed(&general))
    }
}

/// Why the order at this position can't be read, where errors have spoilt it.
fn left_out(spoilt: &[(usize, String)], position: usize) -> Option<String> {
    let of_this = spoilt.iter().filter(|(spoilt, _)| *spoilt == position);
    let reasons: Vec<&str> = of_this.map(|(_, reason)| reason.as_str()).collect();
    (!reasons.is_empty()).then(|| format!("Shopify left out a part of this order: {}", reasons.join("; ")))
}

/// Errors that leave nothing to work with.
fn failed(errors: &[ApiError]) -> ProviderError {
    let said: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    let said = quoted(&said.join("; "));
    let is_theirs = |error: &ApiError| {
        error.code == "INTERNAL_SERVER_ERROR" || error.code == "TIMEOUT" || error.message.starts_with("Internal error")
    };
    if errors.iter().any(is_theirs) {
        ProviderError::Retry(format!("Shopify failed to answer: {said}"))
    } else {
        ProviderError::Broken(format!("Shopify rejects the question: {said}"))
    }
}

/// The sentence for an error that says that we may not.
fn denial(error: &ApiError) -> Option<String> {
    if is_unapproved(&error.message) {
        return Some(unapproved(&quoted(&error.message)));
    }
    if error.code != "ACCESS_DENIED" {
        return None;
    }
    let what = error
        .path
        .iter()
        .rev()
        .find_map(Value::as_str)
        .map_or_else(String::new, |field| format!(" of `{field}`"));
    let needed = match &error.required_access {
        Some(access) => format!("the {}", quoted(access)),
        None => quoted(&error.message),
    };
    Some(format!(
        "Shopify denies the reading{what}: it takes {needed}. Add the scope to the app, then connect the store again."
    ))
}

/// Whether a text says that Shopify has not approved the app for customers' data.
fn is_unapproved(text: &str) -> bool {
    text.contains("not approved to access")
}

fn unapproved(said: &str) -> String {
    format!(
        "Shopify has not approved this app for protected customer data yet ({said}); request access for it in the app's settings at Shopify."
    )
}

/// The cursor to go on from, if there is more; refuses to go in circles.
pub(super) fn next_cursor(end: &PageInfo, before: Option<&str>) -> Result<Option<String>, String> {
    match (&end.has_next_page, &end.end_cursor) {
        (false, _) => Ok(None),
        (true, Some(cursor)) if Some(cursor.as_str()) != before => Ok(Some(cursor.clone())),
        (true, Some(_)) => Err("Shopify answers with the same page again instead of the next one".to_owned()),
        (true, None) => Err("Shopify says that there are more pages but not where".to_owned()),
    }
}

/// Adds a page to the connection that it continues.
fn append(connection: &mut Value, page: &wire::Page) -> Result<(), ProviderError> {
    let nodes = connection["nodes"]
        .as_array_mut()
        .ok_or_else(|| ProviderError::Broken("an order's ledger is not a list".to_owned()))?;
    for node in &page.nodes {
        nodes.push(read(node)?);
    }
    connection["pageInfo"] = serde_json::to_value(&page.page_info).map_err(unexpected)?;
    Ok(())
}

fn unreadable(payload: Box<RawValue>, reason: String) -> PulledOrder {
    PulledOrder::Unreadable {
        external_id: normalise::external_id(&payload),
        payload,
        reason,
    }
}

fn vanished() -> String {
    "the order was deleted while it was read".to_owned()
}

/// The search text for all that changed at `since` or later. The quotes matter: without them Shopify ignores the time
/// of day.
fn changed_since(since: DateTime<Utc>) -> String {
    format!("updated_at:>='{}'", since.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Reads the data of an answer.
pub(super) fn read<T: DeserializeOwned>(data: &RawValue) -> Result<T, ProviderError> {
    serde_json::from_str(data.get()).map_err(unexpected)
}

fn unexpected(error: serde_json::Error) -> ProviderError {
    ProviderError::Broken(format!(
        "Shopify's answer does not have the shape that was asked for: {error}"
    ))
}

fn retry(why: String) -> Refusal {
    Refusal::Failed(ProviderError::Retry(why))
}

fn broken(why: String) -> Refusal {
    Refusal::Failed(ProviderError::Broken(why))
}

/// The beginning of a text of Shopify's.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    quoted
}
