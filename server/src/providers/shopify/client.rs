//! Asking a store's Admin API: one question with the store's patience in mind, one page of orders, and what completes
//! an order whose ledger did not fit into the page.
//!
//! Every store gives this app a bucket of points that refills by the second, and says with each answer how full it is.
//! A question that the bucket can't pay yet waits here if the wait is short, and goes back to the queue if it is long.

mod connection;
mod pace;
mod records;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use chrono::{DateTime, SecondsFormat, Utc};
use graphql_client::GraphQLQuery;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::wire::{self, ApiError, Cost, Envelope, PageInfo};
use super::{Shopify, normalise};
use crate::domain::fact::OrderFact;
use crate::domain::ids::ShopifyOrderId;
use crate::providers::contract::{Meter, OrderPage, OrderQuery, OrdersById, ProviderError, PulledOrder, ShopAccess};
use crate::providers::http::{Answer, NoAnswer};
use crate::telemetry;
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
    /// JSON.
    data: Bytes,
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

/// A page of a list.
pub(super) struct Paged {
    /// When it was asked for.
    pub(super) asked_at: DateTime<Utc>,
    /// How many members were asked for.
    pub(super) size: u32,
    /// The answer.
    pub(super) reply: Reply,
}

/// On whose behalf a question is put.
#[derive(Clone, Copy)]
struct Asker<'a> {
    domain: &'a str,
    access_token: &'a SecretString,
    meter: &'a Meter,
}

impl<'a> Asker<'a> {
    fn of(access: &'a ShopAccess) -> Self {
        Self {
            domain: &access.domain,
            access_token: &access.access_token,
            meter: &access.meter,
        }
    }
}

/// What an answer means before its data is looked at.
enum Verdict {
    Answered(Reply),
    Throttled { after: Duration, why: String },
    Refused(Refusal),
}

impl Verdict {
    /// For counting.
    fn word(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Throttled { .. } => "throttled",
            Self::Refused(Refusal::TooLarge(_)) => "too_large",
            Self::Refused(Refusal::Failed(error)) => match error {
                ProviderError::Later { .. } => "later",
                ProviderError::Retry(_) => "retry",
                ProviderError::Reconnect(_) => "reconnect",
                ProviderError::Denied(_) => "denied",
                ProviderError::Broken(_) => "broken",
            },
        }
    }
}

impl Shopify {
    /// Asks for one page of orders.
    pub(super) async fn order_page(&self, access: &ShopAccess, query: &OrderQuery) -> Result<OrderPage, ProviderError> {
        let search = changed_in(query.updated_from, query.updated_before);
        let variables = |first| wire::orders_page::Variables {
            first,
            after: query.after.clone(),
            query: search.clone(),
        };
        let paged = self
            .ask_page::<wire::OrdersPage>(access, query.page_size, variables)
            .await?;
        let spoilt = errors_by_order(&paged.reply.errors, &["orders", "nodes"])?;
        let page = read::<wire::OrdersData>(&paged.reply.data)?.orders;
        let next = next_cursor(&page.page_info, query.after.as_deref()).map_err(ProviderError::Broken)?;
        let mut orders = Vec::with_capacity(page.nodes.len());
        for (position, node) in page.nodes.into_iter().enumerate() {
            orders.push(match left_out(&spoilt, position) {
                None => self.pulled(access, node).await?,
                Some(reason) => unreadable(node.to_owned(), reason),
            });
        }
        Ok(OrderPage {
            orders,
            next,
            asked_at: paged.asked_at,
            page_size: paged.size,
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
                    (Some(node), None) => found.orders.push(self.pulled(access, &node).await?),
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

    /// Reads an order, completing it before where that is necessary.
    async fn pulled(&self, access: &ShopAccess, node: &RawValue) -> Result<PulledOrder, ProviderError> {
        let order: wire::OrderNode = match serde_json::from_str(node.get()) {
            Ok(order) => order,
            Err(error) => return Ok(unreadable(node.to_owned(), normalise::unreadable(&error))),
        };
        if order.is_complete() {
            let fact = normalise::order_fact(&order, access.timezone, access.currency);
            return Ok(understood(node.to_owned(), fact));
        }
        Ok(
            match self.completed(access, node, read(node.get().as_bytes())?).await? {
                Ok(payload) => {
                    let fact = normalise::replay(&payload, access.timezone, access.currency);
                    understood(payload, fact)
                }
                Err(reason) => unreadable(node.to_owned(), reason),
            },
        )
    }

    /// The order with all of its agreements and sales; a sentence where they don't fit together.
    async fn completed(
        &self,
        access: &ShopAccess,
        node: &RawValue,
        extent: wire::OrderExtent,
    ) -> Result<Result<Box<RawValue>, String>, ProviderError> {
        let mut order: Value = read(node.get().as_bytes())?;
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
        let asker = Asker {
            domain,
            access_token,
            meter: &Meter::default(),
        };
        let reply = self.put::<wire::Shop>(asker, 0, wire::shop::Variables).await?.whole()?;
        Ok(read::<wire::shop::ResponseData>(&reply)?.shop)
    }

    /// Asks for a page of a list, at most `most` of its members: as many as the store is known to take at once, and
    /// fewer where it turns out not to.
    pub(super) async fn ask_page<Q>(
        &self,
        access: &ShopAccess,
        most: u32,
        variables: impl Fn(i64) -> Q::Variables + Send,
    ) -> Result<Paged, ProviderError>
    where
        Q: GraphQLQuery,
        Q::Variables: Send + Sync,
    {
        let most = most.clamp(1, LARGEST_PAGE);
        let document = Q::build_query(variables(most.into())).operation_name;
        loop {
            let size = self.paces.page_size(&access.domain, document, most);
            let asked_at = self.clock.now();
            match self.put::<Q>(Asker::of(access), size, variables(size.into())).await {
                Ok(reply) => {
                    self.paces.page_worked(&access.domain, document, size);
                    return Ok(Paged { asked_at, size, reply });
                }
                Err(Refusal::TooLarge(_)) if size > 1 => self.paces.page_too_large(&access.domain, document, size),
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }

    /// Asks one question with the access of a link.
    pub(super) async fn ask<Q>(&self, access: &ShopAccess, variables: Q::Variables) -> Result<Reply, Refusal>
    where
        Q: GraphQLQuery,
        Q::Variables: Sync,
    {
        self.put::<Q>(Asker::of(access), 0, variables).await
    }

    /// Puts one question, which asks for `size` members of a list: waits for the bucket before, and again where the
    /// store says so.
    async fn put<Q>(&self, asker: Asker<'_>, size: u32, variables: Q::Variables) -> Result<Reply, Refusal>
    where
        Q: GraphQLQuery,
        Q::Variables: Sync,
    {
        let Asker {
            domain,
            access_token,
            meter,
        } = asker;
        let body = Q::build_query(variables);
        let document = body.operation_name;
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
            let turn = match self.paces.turn(domain, (document, size), SHORT_WAIT).await {
                Ok(turn) => turn,
                Err(after) => {
                    return Err(Refusal::Failed(ProviderError::Later {
                        after,
                        why: used_up(domain),
                    }));
                }
            };
            if !turn.waited.is_zero() {
                meter.waited(turn.waited);
                telemetry::provider_waited(turn.waited);
            }
            let answer = self.http.post_json(url.clone(), headers.clone(), &body).await;
            let (verdict, cost) = match answer {
                Ok(answer) => self.judge(domain, answer),
                Err(NoAnswer::TooLong) => (
                    Verdict::Refused(Refusal::TooLarge(format!(
                        "an answer of {domain} is too long to be read"
                    ))),
                    None,
                ),
                Err(NoAnswer::Unreachable(why)) => (
                    Verdict::Refused(retry(format!("{domain} could not be asked: {why}"))),
                    None,
                ),
            };
            turn.settle(cost);
            telemetry::provider_asked(document, verdict.word(), cost.map_or(0.0, |cost| cost.spent()));
            if let Some(status) = cost.and_then(|cost| cost.throttle_status) {
                meter.bucket(
                    status.currently_available,
                    status.maximum_available,
                    status.restore_rate,
                );
            }
            tries += 1;
            match verdict {
                Verdict::Answered(reply) => return Ok(reply),
                Verdict::Refused(refusal) => return Err(refusal),
                Verdict::Throttled { after, why } => {
                    meter.throttled();
                    if after > SHORT_WAIT || tries >= TRIES {
                        return Err(Refusal::Failed(ProviderError::Later { after, why }));
                    }
                    // Others may draw from this bucket and have been told the same: not all should come back at once.
                    let spread = StdRng::from_os_rng().random_range(1.0..1.25);
                    self.paces.pause(domain, after.mul_f64(spread));
                }
            }
        }
    }

    /// Sorts an answer by what to do next, and says what it cost.
    fn judge(&self, domain: &str, answer: Answer) -> (Verdict, Option<Cost>) {
        self.notice_version(domain, &answer);
        if answer.status != StatusCode::OK {
            return (judge_status(domain, &answer), None);
        }
        let envelope: Envelope = match serde_json::from_slice(&answer.body) {
            Ok(envelope) => envelope,
            Err(_) => {
                let why = format!("{domain} sent something that is not whole JSON");
                return (Verdict::Refused(retry(why)), None);
            }
        };
        let cost = envelope.cost();
        let errors = envelope.errors();
        let verdict = || {
            if errors.iter().any(|error| error.code == "THROTTLED") {
                return match cost {
                    Some(cost) if cost.never_fits() => Verdict::Refused(Refusal::TooLarge(format!(
                        "{domain} never has as many points as a question needs"
                    ))),
                    _ => Verdict::Throttled {
                        after: cost.map_or(UNSAID_WAIT, pace::told),
                        why: used_up(domain),
                    },
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
                Some(data) => Verdict::Answered(Reply {
                    data: answer.body.slice_ref(data.get().as_bytes()),
                    errors: errors.clone(),
                }),
                None if errors.is_empty() => Verdict::Refused(retry(format!("{domain} sent an answer without data"))),
                None => Verdict::Refused(Refusal::Failed(failed(&errors))),
            }
        };
        (verdict(), cost)
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
    pub(super) fn whole(self) -> Result<Bytes, ProviderError> {
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
        nodes.push(read(node.get().as_bytes())?);
    }
    connection["pageInfo"] = serde_json::to_value(&page.page_info).map_err(unexpected)?;
    Ok(())
}

/// An order and what became of the attempt to read it.
pub(super) fn understood(payload: Box<RawValue>, fact: Result<OrderFact, String>) -> PulledOrder {
    match fact {
        Ok(fact) => PulledOrder::Read {
            payload,
            fact: Box::new(fact),
        },
        Err(reason) => unreadable(payload, reason),
    }
}

pub(super) fn unreadable(payload: Box<RawValue>, reason: String) -> PulledOrder {
    PulledOrder::Unreadable {
        external_id: normalise::external_id(&payload),
        payload,
        reason,
    }
}

fn vanished() -> String {
    "the order was deleted while it was read".to_owned()
}

fn used_up(domain: &str) -> String {
    format!("{domain} has used up its share of Shopify's API for now")
}

/// The search text for all that changed last in a stretch of time. The quotes matter: without them Shopify ignores the
/// time of day.
pub(super) fn changed_in(from: DateTime<Utc>, before: Option<DateTime<Utc>>) -> String {
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let from = format!("updated_at:>='{}'", text(from));
    match before {
        Some(before) => format!("{from} updated_at:<'{}'", text(before)),
        None => from,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER).and_then(seconds_in)
}

/// The span of time that a header says in seconds.
pub(super) fn seconds_in(header: &HeaderValue) -> Option<Duration> {
    let seconds: f64 = header.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Reads the data of an answer.
pub(super) fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, ProviderError> {
    serde_json::from_slice(data).map_err(unexpected)
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
