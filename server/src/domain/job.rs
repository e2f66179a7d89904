//! The names of the jobs that bring data, and for which kind of link each is.

use std::fmt;
use std::str::FromStr;

use super::ids::ProviderKind;

/// A job that people may ask for. In `sync_runs.job_type` it stands as [`as_str`](Self::as_str) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncJob {
    /// Every order there is, back to the store's first day.
    ShopifyBackfill,
    /// Orders that changed in the last seven days, whatever was read before.
    Shopify7dFill,
    /// Orders that changed since the last time.
    ShopifyFresh,
    /// Facts and numbers made anew from the stored orders, asking nobody.
    ShopifyReplay,
}

/// No job that people may ask for has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job that can be asked for")]
pub struct UnknownJob(String);

impl SyncJob {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::ShopifyBackfill,
        Self::Shopify7dFill,
        Self::ShopifyFresh,
        Self::ShopifyReplay,
    ];

    /// The name in the table and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShopifyBackfill => "shopify_backfill",
            Self::Shopify7dFill => "shopify_7d_fill",
            Self::ShopifyFresh => "shopify_fresh",
            Self::ShopifyReplay => "shopify_replay",
        }
    }

    /// The kind of link it works on.
    pub const fn provider(self) -> ProviderKind {
        match self {
            Self::ShopifyBackfill | Self::Shopify7dFill | Self::ShopifyFresh | Self::ShopifyReplay => {
                ProviderKind::Shopify
            }
        }
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
            .into_iter()
            .find(|job| job.as_str() == name)
            .ok_or_else(|| UnknownJob(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_back_from_its_name() {
        for job in SyncJob::ALL {
            assert_eq!(job.as_str().parse(), Ok(job));
        }
        assert!("shopify_everything".parse::<SyncJob>().is_err());
    }

    #[test]
    fn a_manual_sync_asks_only_for_jobs_of_its_kind_of_link() {
        for provider in [ProviderKind::Shopify, ProviderKind::Meta] {
            for job in SyncJob::of_manual_sync(provider) {
                assert_eq!(job.provider(), provider);
            }
        }
    }
}
