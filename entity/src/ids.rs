//! Typed keys: an order's id cannot be passed where a run's is meant.
//!
//! Each is the plain value in the database, in JSON and on the wire; only the compiler tells them apart.

use std::fmt;
use std::str::FromStr;

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A key made by this system: a UUID.
macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize, DeriveValueType, sqlx::Type,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl TryFromU64 for $name {
            /// No UUID is a number: the database never generates such a key by counting.
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        id_text!($name, Uuid);
    )+};
}

/// A key made by a provider: a whole number.
macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize, DeriveValueType, sqlx::Type,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub i64);

        id_text!($name, i64);
    )+};
}

/// To and from text and the plain value.
macro_rules! id_text {
    ($name:ident, $plain:ty) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = <$plain as FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<$plain> for $name {
            fn from(plain: $plain) -> Self {
                Self(plain)
            }
        }

        impl From<$name> for $plain {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

uuid_id! {
    /// An account: the tenant.
    AccountId;
    /// A person who signs in.
    UserId;
    /// A store.
    ShopId;
    /// An ad account.
    AdAccountId;
    /// The link to a store or an ad account.
    IntegrationId;
    /// A sealed token of an integration.
    SecretId;
    /// A token of the API.
    ApiTokenId;
    /// A line of the audit log.
    AuditEntryId;
    /// A run of a job.
    RunId;
    /// The right to write for a run: new with every start, so that a worker that lost its lease writes nothing.
    RunToken;
    /// A record that could not be read.
    RejectId;
    /// A delivery of a webhook.
    WebhookDeliveryId;
}

number_id! {
    /// A store, as Shopify counts them.
    ShopifyShopId;
    /// An order, as Shopify counts them.
    ShopifyOrderId;
    /// A product, as Shopify counts them.
    ShopifyProductId;
    /// A customer, as Shopify counts them.
    ShopifyCustomerId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_text_and_its_json() {
        let account = AccountId(Uuid::from_u128(7));
        assert_eq!(account.to_string().parse(), Ok(account));
        let json = serde_json::to_string(&account).expect("a UUID is JSON");
        assert_eq!(json, "\"00000000-0000-0000-0000-000000000007\"");
        assert_eq!(
            serde_json::from_str::<AccountId>(&json).expect("what was just written"),
            account
        );

        let order = ShopifyOrderId(5_512_345_678_901);
        assert_eq!(order.to_string().parse(), Ok(order));
        assert!("gid://shopify/Order/1".parse::<ShopifyOrderId>().is_err());
    }
}
