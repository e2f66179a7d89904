//! The shop, the installed app, and counts.

use async_graphql::{Enum, ID, Object, SimpleObject};
use chrono::{DateTime as Instant, Offset, Utc};

use super::super::money::CurrencyCode;
use super::super::shops::Profile;
use super::super::state::Settings;
use super::gid;
use super::scalars::{DateTime, Url};

/// The shop.
pub(crate) struct Shop {
    pub(crate) shop: &'static Profile,
    pub(crate) settings: Settings,
    pub(crate) now: Instant<Utc>,
}

#[Object]
impl Shop {
    pub(crate) async fn id(&self) -> ID {
        gid("Shop", self.shop.number)
    }

    async fn name(&self) -> &str {
        &self.settings.name
    }

    async fn myshopify_domain(&self) -> &str {
        self.shop.domain
    }

    async fn currency_code(&self) -> CurrencyCode {
        self.settings.currency
    }

    async fn enabled_presentment_currencies(&self) -> Vec<CurrencyCode> {
        let others = self.shop.presentment.iter().map(|(currency, _)| *currency);
        [self.settings.currency].into_iter().chain(others).collect()
    }

    async fn iana_timezone(&self) -> &str {
        self.settings.timezone.name()
    }

    async fn timezone_offset_minutes(&self) -> i32 {
        self.now
            .with_timezone(&self.settings.timezone)
            .offset()
            .fix()
            .local_minus_utc()
            / 60
    }

    async fn timezone_abbreviation(&self) -> String {
        self.now.with_timezone(&self.settings.timezone).format("%Z").to_string()
    }

    async fn taxes_included(&self) -> bool {
        self.settings.taxes_included
    }

    async fn tax_shipping(&self) -> bool {
        self.shop.taxes_shipping
    }

    async fn plan(&self) -> ShopPlan {
        ShopPlan {
            partner_development: false,
            public_display_name: self.shop.plan.to_owned(),
            shopify_plus: false,
        }
    }

    async fn primary_domain(&self) -> Domain {
        Domain {
            host: self.shop.domain.to_owned(),
            id: gid("Domain", self.shop.number),
            ssl_enabled: true,
            url: Url(format!("https://{}", self.shop.domain)),
        }
    }

    async fn url(&self) -> Url {
        Url(format!("https://{}", self.shop.domain))
    }

    async fn created_at(&self) -> DateTime {
        DateTime(self.shop.opened_at())
    }
}

/// The shop's subscription to the platform.
#[derive(SimpleObject)]
pub(crate) struct ShopPlan {
    partner_development: bool,
    public_display_name: String,
    shopify_plus: bool,
}

/// A web domain of the shop.
#[derive(SimpleObject)]
pub(crate) struct Domain {
    host: String,
    #[graphql(owned)]
    pub(crate) id: ID,
    ssl_enabled: bool,
    url: Url,
}

/// The app, as installed on the shop.
pub(crate) struct AppInstallation {
    pub(crate) scopes: Vec<String>,
}

#[Object]
impl AppInstallation {
    pub(crate) async fn id(&self) -> ID {
        gid("AppInstallation", 1)
    }

    async fn access_scopes(&self) -> Vec<AccessScope> {
        let scope = |handle: &String| AccessScope {
            description: handle.replace('_', " "),
            handle: handle.clone(),
        };
        self.scopes.iter().map(scope).collect()
    }
}

/// A right of the app.
#[derive(SimpleObject)]
pub(crate) struct AccessScope {
    description: String,
    handle: String,
}

/// A count, exact up to a limit.
#[derive(SimpleObject)]
pub(crate) struct Count {
    pub(crate) count: i32,
    pub(crate) precision: CountPrecision,
}

/// Whether a count stopped at its limit.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum CountPrecision {
    AtLeast,
    Exact,
}

impl Count {
    /// Counts up to a limit; none counts to the end.
    pub(crate) fn of(found: usize, limit: Option<i32>) -> Self {
        let found = i32::try_from(found).unwrap_or(i32::MAX);
        match limit {
            Some(limit) if found > limit => Self {
                count: limit,
                precision: CountPrecision::AtLeast,
            },
            _ => Self {
                count: found,
                precision: CountPrecision::Exact,
            },
        }
    }
}
