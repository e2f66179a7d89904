//! What lets a store tell of its changes, and what it says of itself.

use async_trait::async_trait;

use super::{ProviderError, ShopAccess, ShopProfile};
use crate::domain::webhook::Topic;

/// A webhook subscription that stands at a store, ours or another program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The store's id of it.
    pub id: String,
    /// What it is about; none for a topic that is not listened to here.
    pub topic: Option<Topic>,
    /// Where it delivers to.
    pub uri: String,
    /// The fields that it sends, all of them where it is empty.
    pub fields: Vec<String>,
    /// Whether it leaves some changes out, or is not in JSON.
    pub is_odd: bool,
}

/// A subscription as it should be; its fields are those of its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedSubscription {
    /// What it is about.
    pub topic: Topic,
    /// Where it delivers to.
    pub uri: String,
}

/// What a store makes of a wish to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscribed {
    /// It will tell, under this id.
    As(String),
    /// It will not, for this reason, in its words.
    Refused(String),
}

/// How a store is set up.
#[async_trait]
pub trait SetupSource: Send + Sync {
    /// What is asked of every store and not among what this one granted.
    fn missing_scopes(&self, granted: &[String]) -> Vec<String>;

    /// How many days back orders can be seen with what was granted; none where all can.
    fn history_limit_days(&self, granted: &[String]) -> Option<u32>;

    /// What the store says of itself now.
    async fn profile(&self, access: &ShopAccess) -> Result<ShopProfile, ProviderError>;

    /// What the store grants now.
    async fn granted_scopes(&self, access: &ShopAccess) -> Result<Vec<String>, ProviderError>;

    /// Every subscription that stands there, those of other programs with the same registration too.
    async fn subscriptions(&self, access: &ShopAccess) -> Result<Vec<Subscription>, ProviderError>;

    /// Makes a subscription, or changes the one with the id `standing` into it.
    async fn subscribe(
        &self,
        access: &ShopAccess,
        wanted: &WantedSubscription,
        standing: Option<&str>,
    ) -> Result<Subscribed, ProviderError>;

    /// Ends a subscription; one that is not there any more has ended too.
    async fn unsubscribe(&self, access: &ShopAccess, id: &str) -> Result<(), ProviderError>;
}
