//! One page of products or customers.

use chrono::{DateTime, Datelike, Utc};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::super::normalise::{YEARS, external_id, number_in};
use super::super::wire;
use super::connection::Part;
use super::{Shopify, changed_since, quoted};
use crate::domain::record::RecordKind;
use crate::providers::contract::{ProviderError, PulledRecord, RecordPage, RecordQuery, ShopAccess};

impl Shopify {
    /// Asks for one page of products or customers.
    pub(in super::super) async fn record_page(
        &self,
        access: &ShopAccess,
        query: &RecordQuery,
    ) -> Result<RecordPage, ProviderError> {
        let search = changed_since(query.updated_from);
        let part = Part {
            connection: query.kind.plural(),
            after: query.after.as_deref(),
            page_size: query.page_size,
        };
        let page = match query.kind {
            RecordKind::Product => {
                let variables = |first| wire::products_page::Variables {
                    first,
                    after: query.after.clone(),
                    query: search.clone(),
                };
                self.nodes::<wire::ProductsPage>(access, part, variables).await?
            }
            RecordKind::Customer => {
                let variables = |first| wire::customers_page::Variables {
                    first,
                    after: query.after.clone(),
                    query: search.clone(),
                };
                self.nodes::<wire::CustomersPage>(access, part, variables).await?
            }
        };
        let records = page.nodes.into_iter().map(|node| match node.spoilt {
            None => pulled(query.kind, node.payload),
            Some(reasons) => unreadable(
                node.payload,
                format!("Shopify left out a part of this {}: {reasons}", query.kind),
            ),
        });
        Ok(RecordPage {
            records: records.collect(),
            next: page.next,
            asked_at: page.asked_at,
            page_size: page.page_size,
        })
    }
}

/// What tells a record and its versions apart.
struct Version {
    id: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

fn pulled(kind: RecordKind, payload: Box<RawValue>) -> PulledRecord {
    let version = match kind {
        RecordKind::Product => shaped(kind, &payload).and_then(|product: wire::ProductNode| {
            version(
                kind,
                &product.legacy_resource_id,
                product.created_at,
                product.updated_at,
            )
        }),
        RecordKind::Customer => shaped(kind, &payload).and_then(|customer: wire::CustomerNode| {
            version(
                kind,
                &customer.legacy_resource_id,
                customer.created_at,
                customer.updated_at,
            )
        }),
    };
    match version {
        Ok(version) => PulledRecord::Read {
            id: version.id,
            created_at: version.created_at,
            updated_at: version.updated_at,
            payload,
        },
        Err(reason) => unreadable(payload, reason),
    }
}

/// The whole record is read, so that one of another shape than was asked for is noticed here and not by its reader.
fn shaped<T: DeserializeOwned>(kind: RecordKind, payload: &RawValue) -> Result<T, String> {
    serde_json::from_str(payload.get()).map_err(|error| {
        let what = quoted(&error.to_string());
        format!("the {kind} does not have the shape that was asked for: {what}")
    })
}

fn version(
    kind: RecordKind,
    id: &str,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
) -> Result<Version, String> {
    for at in [created_at, updated_at] {
        if !YEARS.contains(&at.year()) {
            return Err(format!("the {kind} has a date in the year {}", at.year()));
        }
    }
    Ok(Version {
        id: number_in(id)?,
        created_at,
        updated_at,
    })
}

fn unreadable(payload: Box<RawValue>, reason: String) -> PulledRecord {
    PulledRecord::Unreadable {
        external_id: external_id(&payload),
        payload,
        reason,
    }
}
