//! Customers, without anything that names or reaches a person.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};

use super::super::search::{Content, Kind};
use super::connection::{Key, connection};
use super::scalars::{DateTime, MoneyV2, UnsignedInt64};
use super::{Buyer, Scene, gid};

connection!(CustomerConnection, CustomerEdge, Customer);

/// A customer.
#[derive(Clone)]
pub(crate) struct Customer {
    pub(crate) buyer: Buyer,
    pub(crate) scene: Arc<Scene>,
}

/// What customers can be sorted by.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum CustomerSortKeys {
    CreatedAt,
    Id,
    UpdatedAt,
}

/// Whether a customer can sign in to the store.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum CustomerState {
    Disabled,
    Enabled,
}

impl CustomerSortKeys {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Id => "id",
            Self::UpdatedAt => "updated_at",
        }
    }

    pub(crate) fn key(self, buyer: &Buyer) -> Key {
        let value = match self {
            Self::CreatedAt => buyer.since.timestamp(),
            Self::Id => 0,
            Self::UpdatedAt => buyer.updated_at.timestamp(),
        };
        (value, buyer.id)
    }
}

/// The filters on customers that the sandbox imitates.
pub(crate) const SEARCH_FIELDS: &[(&str, Kind)] = &[
    ("customer_date", Kind::Time),
    ("id", Kind::Number),
    ("orders_count", Kind::Number),
    ("updated_at", Kind::Time),
];

/// What a customer has in a field of [`SEARCH_FIELDS`].
pub(crate) fn content(buyer: &Buyer, field: &str) -> Content {
    match field {
        "customer_date" => Content::Time(buyer.since),
        "updated_at" => Content::Time(buyer.updated_at),
        "orders_count" => Content::Number(u64::try_from(buyer.orders).unwrap_or(0)),
        _ => Content::Number(buyer.id),
    }
}

#[Object]
impl Customer {
    pub(crate) async fn id(&self) -> ID {
        gid("Customer", self.buyer.id)
    }

    async fn legacy_resource_id(&self) -> UnsignedInt64 {
        UnsignedInt64(self.buyer.id)
    }

    async fn created_at(&self) -> DateTime {
        DateTime(self.buyer.since)
    }

    async fn updated_at(&self) -> DateTime {
        DateTime(self.buyer.updated_at)
    }

    async fn number_of_orders(&self) -> UnsignedInt64 {
        UnsignedInt64(u64::try_from(self.buyer.orders).unwrap_or(0))
    }

    async fn amount_spent(&self) -> MoneyV2 {
        MoneyV2::new(self.buyer.spent, self.scene.shop.currency)
    }

    /// Every fifth customer has an account to sign in to.
    async fn state(&self) -> CustomerState {
        if self.buyer.id.is_multiple_of(5) {
            CustomerState::Enabled
        } else {
            CustomerState::Disabled
        }
    }

    async fn tags(&self) -> Vec<String> {
        Vec::new()
    }
}
