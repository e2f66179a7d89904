//! One page of a connection at the root of the API, its nodes still unread: smaller where it costs too much, and with
//! the errors sorted out that spoil single nodes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use graphql_client::GraphQLQuery;
use serde_json::value::RawValue;

use super::super::wire::Page;
use super::{LARGEST_PAGE, Refusal, Shopify, errors_by_order, next_cursor, read};
use crate::providers::contract::{ProviderError, ShopAccess};

/// Which part of a connection is meant.
pub(super) struct Part<'a> {
    /// The connection's field, such as `products`.
    pub(super) connection: &'static str,
    /// The cursor behind which it begins.
    pub(super) after: Option<&'a str>,
    /// How many nodes at most.
    pub(super) page_size: u32,
}

/// Nodes of a connection.
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
    /// Where the next page begins; none after the last one.
    pub(super) next: Option<String>,
    /// When it was asked for.
    pub(super) asked_at: DateTime<Utc>,
    /// The page size that worked.
    pub(super) page_size: u32,
}

/// One of them.
pub(super) struct Node {
    pub(super) payload: Box<RawValue>,
    /// Why a part of it is missing, where one is.
    pub(super) spoilt: Option<String>,
}

impl Shopify {
    /// Asks for a part of a connection; `variables` makes the question for so many nodes.
    pub(super) async fn nodes<Q>(
        &self,
        access: &ShopAccess,
        part: Part<'_>,
        variables: impl Fn(i64) -> Q::Variables + Sync,
    ) -> Result<Nodes, ProviderError>
    where
        Q: GraphQLQuery,
        Q::Variables: Send + Sync,
    {
        let mut page_size = part.page_size.clamp(1, LARGEST_PAGE);
        let (asked_at, reply) = loop {
            let asked_at = self.clock.now();
            match self.ask::<Q>(access, variables(page_size.into())).await {
                Ok(reply) => break (asked_at, reply),
                Err(Refusal::TooLarge(_)) if page_size > 1 => page_size /= 2,
                Err(refusal) => return Err(refusal.into()),
            }
        };
        let mut spoilt: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (position, reason) in errors_by_order(&reply.errors, &[part.connection, "nodes"])? {
            spoilt.entry(position).or_default().push(reason);
        }
        let page = read::<BTreeMap<String, Page>>(&reply.data)?.remove(part.connection);
        let page = page.ok_or_else(|| {
            ProviderError::Broken(format!(
                "Shopify's answer has no `{}`, which was asked for",
                part.connection
            ))
        })?;
        let nodes = page.nodes.into_iter().enumerate().map(|(position, payload)| Node {
            payload,
            spoilt: spoilt.remove(&position).map(|reasons| reasons.join("; ")),
        });
        Ok(Nodes {
            nodes: nodes.collect(),
            next: next_cursor(&page.page_info, part.after).map_err(ProviderError::Broken)?,
            asked_at,
            page_size,
        })
    }
}
