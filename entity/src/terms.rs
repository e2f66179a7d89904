//! The closed lists of words that text columns hold, each with its check constraint in the schema.
//!
//! A term is an enum here, its word in the database, in JSON and in a query's parameters, for SeaORM and sqlx alike.

use std::fmt;
use std::str::FromStr;

use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef, Postgres};
use sqlx::{Decode, Encode, Type};

/// A word that is not on the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {term}: expected one of {expected}.")]
pub struct UnknownTerm {
    term: &'static str,
    word: String,
    expected: &'static str,
}

/// An enum whose variants are words of a text column.
macro_rules! terms {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:tt,)+ })+) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize, EnumIter, DeriveActiveEnum,
        )]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $(
                $(#[$variant_doc])*
                #[sea_orm(string_value = $word)]
                #[serde(rename = $word)]
                $variant,
            )+
        }

        impl $name {
            /// Every term, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownTerm;

            fn from_str(word: &str) -> Result<Self, UnknownTerm> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownTerm {
                        term: stringify!($name),
                        word: word.to_owned(),
                        expected: terms!(@list $($word)+),
                    }),
                }
            }
        }

        impl Type<Postgres> for $name {
            fn type_info() -> PgTypeInfo {
                <str as Type<Postgres>>::type_info()
            }

            fn compatible(ty: &PgTypeInfo) -> bool {
                <str as Type<Postgres>>::compatible(ty)
            }
        }

        impl PgHasArrayType for $name {
            fn array_type_info() -> PgTypeInfo {
                <&str as PgHasArrayType>::array_type_info()
            }
        }

        impl Encode<'_, Postgres> for $name {
            fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
                <&str as Encode<'_, Postgres>>::encode(self.as_str(), buffer)
            }
        }

        impl<'r> Decode<'r, Postgres> for $name {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(<&str as Decode<'r, Postgres>>::decode(value)?.parse()?)
            }
        }
    )+};
    (@list $first:tt $($rest:tt)*) => { concat!($first $(, ", ", $rest)*) };
}

terms! {
    /// What a user or a token may do in its account; each includes what follows it.
    Role {
        /// Everything, the account itself too.
        Owner = "owner",
        /// Everything but the account itself.
        Admin = "admin",
        /// Read the numbers and start syncs.
        Analyst = "analyst",
        /// Read the numbers.
        Viewer = "viewer",
    }

    /// The kind of provider at the other end of an integration.
    IntegrationType {
        /// A store.
        Shopify = "shopify",
        /// An ad account.
        Meta = "meta",
    }

    /// Whether an integration is being synced.
    IntegrationStatus {
        /// It is.
        Connected = "connected",
        /// The provider no longer takes its token: someone must connect it again.
        NeedsReauth = "needs_reauth",
        /// Held until a hindrance is gone; the reason says which.
        Paused = "paused",
        /// Ended; what was synced stays.
        Disconnected = "disconnected",
    }

    /// Who did what a line of the audit log tells.
    ActorKind {
        /// A person who was signed in.
        User = "user",
        /// A program with a token.
        ApiToken = "api_token",
        /// A provider, by a webhook.
        Provider = "provider",
        /// The server itself.
        System = "system",
    }

    /// Where a run stands.
    RunStatus {
        /// Waits for its time and a worker.
        Queued = "queued",
        /// A worker holds its lease.
        Running = "running",
        /// Done.
        Succeeded = "succeeded",
        /// Given up.
        Failed = "failed",
        /// Stopped because someone asked.
        Cancelled = "cancelled",
    }

    /// What asked for a run.
    RunTrigger {
        /// A person or a program.
        Manual = "manual",
        /// The schedule.
        Schedule = "schedule",
        /// A delivery of a webhook.
        Webhook = "webhook",
        /// The integration was connected.
        Connect = "connect",
    }

    /// What became of a delivery.
    WebhookStatus {
        /// Stored, not dealt with yet.
        Received = "received",
        /// Dealt with.
        Processed = "processed",
        /// Nothing to do.
        Ignored = "ignored",
        /// Could not be dealt with.
        Failed = "failed",
    }

    /// What a store can delete.
    TombstoneKind {
        /// An order.
        Order = "order",
        /// A product.
        Product = "product",
        /// A customer.
        Customer = "customer",
    }

    /// Whether a provider tells of a topic.
    SubscriptionStatus {
        /// It does.
        Active = "active",
        /// It would not.
        Refused = "refused",
    }

    /// What a row of insights is about.
    InsightLevel {
        /// The whole ad account: the true totals.
        Account = "account",
        /// One ad.
        Ad = "ad",
    }

    /// A period that `latest_kpis` keeps ready, in local days.
    KpiPeriod {
        /// Today so far.
        Today = "TODAY",
        /// The day before today.
        Yesterday = "YESTERDAY",
        /// Seven days.
        LastSevenDays = "LAST_7_DAYS",
        /// Thirty days.
        LastThirtyDays = "LAST_30_DAYS",
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ActiveEnum;

    use super::*;

    #[test]
    fn a_term_is_the_same_word_everywhere() {
        for status in IntegrationStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(status.to_string(), status.as_str());
            assert_eq!(status.to_value(), status.as_str());
            assert_eq!(serde_json::to_value(status).expect("a word is JSON"), status.as_str());
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_list() {
        let error = "boss".parse::<Role>().expect_err("not on the list");
        assert_eq!(
            error.to_string(),
            "`boss` is no Role: expected one of owner, admin, analyst, viewer."
        );
    }
}
