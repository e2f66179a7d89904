//! The names of the jobs that bring data, and for which kind of link each is.

use std::fmt;
use std::str::FromStr;

use super::ids::ProviderKind;

/// A job that people may ask for. In `sync_runs.job_type` it stands as [`as_str`](Self::as_str) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncJob {
    /// Orders that changed in the last seven days, whatever was read before.
    Shopify7dFill,
    /// Customers that changed since the last time, without anything that names or reaches them.
    ShopifyCustomers,
    /// Orders that changed since the last time.
    ShopifyFresh,
    /// The last seven days held against the store's own count, and put right.
    ShopifyReconcile,
    /// Products that changed since the last time.
    ShopifyProducts,
    /// Facts and numbers made anew from the stored orders, asking nobody.
    ShopifyReplay,
    /// What the store told unasked and what needs no question: deletions, the app's removal, privacy.
    ShopifyWebhooks,
    /// What a store needs so that it tells of changes, and what it says of itself.
    ShopifySetup,
}

/// No job that people may ask for has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job that can be asked for")]
pub struct UnknownJob(String);

impl SyncJob {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Shopify7dFill,
        Self::ShopifyCustomers,
        Self::ShopifyFresh,
        Self::ShopifyProducts,
        Self::ShopifyReconcile,
        Self::ShopifyReplay,
        Self::ShopifySetup,
        Self::ShopifyWebhooks,
    ];

    /// The name in the table and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shopify7dFill => "shopify_7d_fill",
            Self::ShopifyCustomers => "shopify_customers",
            Self::ShopifyFresh => "shopify_fresh",
            Self::ShopifyReconcile => "shopify_reconcile",
            Self::ShopifyProducts => "shopify_products",
            Self::ShopifyReplay => "shopify_replay",
            Self::ShopifyWebhooks => "shopify_webhooks",
            Self::ShopifySetup => "shopify_setup",
        }
    }

    /// The kind of link it works on.
    pub const fn provider(self) -> ProviderKind {
        match self {
            Self::Shopify7dFill
            | Self::ShopifyCustomers
            | Self::ShopifyFresh
            | Self::ShopifyProducts
            | Self::ShopifyReconcile
            | Self::ShopifyReplay
            | Self::ShopifySetup
            | Self::ShopifyWebhooks => ProviderKind::Shopify,
        }
    }

    /// What is queued when a link of this kind is made, in this sequence.
    pub const fn of_connect(provider: ProviderKind) -> &'static [Self] {
        match provider {
            ProviderKind::Shopify => &[Self::ShopifySetup, Self::Shopify7dFill],
            ProviderKind::Meta => &[],
        }
    }

    /// Whether it looks at a link that is paused, to see whether it can go on.
    pub const fn looks_at_paused(self) -> bool {
        matches!(self, Self::ShopifySetup)
    }

    /// What "sync now" means for a link of this kind.
    pub const fn of_manual_sync(provider: ProviderKind) -> &'static [Self] {
        match provider {
            ProviderKind::Shopify => &[Self::Shopify7dFill, Self::ShopifyFresh],
            ProviderKind::Meta => &[],
        }
    }
}

impl fmt::Display for SyncJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SyncJob {
    type Err = UnknownJob;

    fn from_str(name: &str) -> Result<Self, UnknownJob> {
        Self::ALL
            .iter()
            .copied()
            .find(|job| job.as_str() == name)
            .ok_or_else(|| UnknownJob(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_back_from_its_name() {
        for &job in SyncJob::ALL {
            assert_eq!(job.as_str().parse(), Ok(job));
        }
        assert!("shopify_everything".parse::<SyncJob>().is_err());
    }

    #[test]
    fn a_link_gets_only_jobs_of_its_kind() {
        for provider in [ProviderKind::Shopify, ProviderKind::Meta] {
            for job in SyncJob::of_manual_sync(provider)
                .iter()
                .chain(SyncJob::of_connect(provider))
            {
                assert_eq!(job.provider(), provider);
            }
        }
    }
}
