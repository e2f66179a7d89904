//! How a store is set up: what it grants, what it says of itself, and the webhooks that it sends.

use async_trait::async_trait;

use super::client::{next_cursor, quoted, read};
use super::wire::{self, WebhookSubscriptionTopic};
use super::{Shopify, oauth};
use crate::domain::webhook::Topic;
use crate::providers::contract::{
    ProviderError, SetupSource, ShopAccess, ShopProfile, Subscribed, Subscription, WantedSubscription,
};

/// How far back orders are shown without the scope for all of them.
const RECENT_DAYS: u32 = 60;
/// The scope for all of them.
const ALL_ORDERS: &str = "read_all_orders";

#[async_trait]
impl SetupSource for Shopify {
    fn missing_scopes(&self, granted: &[String]) -> Vec<String> {
        let asked = self.config.scopes.split(',').map(str::trim);
        let missing = asked.filter(|scope| !scope.is_empty() && !includes(granted, scope));
        missing.map(str::to_owned).collect()
    }

    fn history_limit_days(&self, granted: &[String]) -> Option<u32> {
        (!includes(granted, ALL_ORDERS)).then_some(RECENT_DAYS)
    }

    async fn profile(&self, access: &ShopAccess) -> Result<ShopProfile, ProviderError> {
        oauth::profile(self.shop(&access.domain, &access.access_token).await?)
    }

    async fn granted_scopes(&self, access: &ShopAccess) -> Result<Vec<String>, ProviderError> {
        let variables = wire::access_scopes::Variables;
        let reply = self.ask::<wire::AccessScopes>(access, variables).await?.whole()?;
        let data: wire::access_scopes::ResponseData = read(&reply)?;
        let scopes = data.current_app_installation.access_scopes.into_iter();
        Ok(scopes.map(|scope| scope.handle).collect())
    }

    async fn subscriptions(&self, access: &ShopAccess) -> Result<Vec<Subscription>, ProviderError> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let variables = wire::webhook_subscriptions::Variables { after: after.clone() };
            let reply = self.ask::<wire::WebhookSubscriptions>(access, variables).await?;
            let data: wire::webhook_subscriptions::ResponseData = read(&reply.whole()?)?;
            let page = data.webhook_subscriptions;
            found.extend(page.nodes.into_iter().map(|node| Subscription {
                topic: topic(&node.topic),
                is_odd: node.format != "JSON" || node.filter.is_some_and(|filter| !filter.is_empty()),
                id: node.id,
                uri: node.uri,
                fields: node.include_fields,
            }));
            let end = wire::PageInfo {
                has_next_page: page.page_info.has_next_page,
                end_cursor: page.page_info.end_cursor,
            };
            after = next_cursor(&end, after.as_deref()).map_err(ProviderError::Broken)?;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    async fn subscribe(
        &self,
        access: &ShopAccess,
        wanted: &WantedSubscription,
        standing: Option<&str>,
    ) -> Result<Subscribed, ProviderError> {
        let fields = wanted.topic.fields().iter().map(|&field| field.to_owned()).collect();
        let (id, said) = match standing {
            None => {
                use wire::webhook_subscription_create::{ResponseData, Variables, WebhookSubscriptionInput};
                let variables = Variables {
                    topic: spelled(wanted.topic),
                    subscription: WebhookSubscriptionInput {
                        format: Some(JSON.to_owned()),
                        include_fields: Some(fields),
                        uri: Some(wanted.uri.clone()),
                    },
                };
                let reply = self.ask::<wire::WebhookSubscriptionCreate>(access, variables).await?;
                let done = read::<ResponseData>(&reply.whole()?)?.webhook_subscription_create;
                let done = done.ok_or_else(no_answer)?;
                let said: Vec<String> = done.user_errors.into_iter().map(|error| error.message).collect();
                (done.webhook_subscription.map(|it| it.id), said)
            }
            Some(id) => {
                use wire::webhook_subscription_update::{ResponseData, Variables, WebhookSubscriptionInput};
                let variables = Variables {
                    id: id.to_owned(),
                    subscription: WebhookSubscriptionInput {
                        format: Some(JSON.to_owned()),
                        include_fields: Some(fields),
                        uri: Some(wanted.uri.clone()),
                    },
                };
                let reply = self.ask::<wire::WebhookSubscriptionUpdate>(access, variables).await?;
                let done = read::<ResponseData>(&reply.whole()?)?.webhook_subscription_update;
                let done = done.ok_or_else(no_answer)?;
                let said: Vec<String> = done.user_errors.into_iter().map(|error| error.message).collect();
                (done.webhook_subscription.map(|it| it.id), said)
            }
        };
        match (said.as_slice(), id) {
            ([], Some(id)) => Ok(Subscribed::As(id)),
            ([], None) => Err(no_answer()),
            (said, _) => Ok(Subscribed::Refused(quoted(&said.join("; ")))),
        }
    }

    async fn unsubscribe(&self, access: &ShopAccess, id: &str) -> Result<(), ProviderError> {
        let variables = wire::webhook_subscription_delete::Variables { id: id.to_owned() };
        // What it says about one that is not there is what was wanted.
        self.ask::<wire::WebhookSubscriptionDelete>(access, variables)
            .await?
            .whole()?;
        Ok(())
    }
}

/// How payloads are written.
const JSON: &str = "JSON";

/// Whether a scope was granted: the right to write includes the right to read.
fn includes(granted: &[String], scope: &str) -> bool {
    let is_writing = |known: &String| {
        let what = known.strip_prefix("write_");
        what.is_some_and(|what| scope.strip_prefix("read_") == Some(what))
    };
    granted.iter().any(|known| known == scope || is_writing(known))
}

/// A topic as the schema spells it: `orders/create` is `ORDERS_CREATE`.
fn spelled(topic: Topic) -> WebhookSubscriptionTopic {
    topic.as_str().replace('/', "_").to_uppercase()
}

/// The topic that the schema spells so.
fn topic(spelled: &str) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| self::spelled(*topic) == spelled)
}

fn no_answer() -> ProviderError {
    ProviderError::Retry("Shopify did not say what became of a webhook subscription".to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::providers::shopify::tests::{config, shopify};

    #[test]
    fn the_right_to_write_includes_the_right_to_read() {
        let mut config = config("https://{shop}");
        config.scopes = "read_orders, read_all_orders,read_products".to_owned();
        let app = shopify(config, DateTime::UNIX_EPOCH);
        for (granted, missing, days) in [
            (&["read_orders", "read_all_orders", "read_products"][..], &[][..], None),
            (&["write_orders", "read_all_orders", "write_products"], &[], None),
            (&["read_orders", "read_products"], &["read_all_orders"], Some(60)),
            (
                &["write_all", "write_order"],
                &["read_orders", "read_all_orders", "read_products"],
                Some(60),
            ),
        ] {
            let granted: Vec<String> = granted.iter().map(|&scope| scope.to_owned()).collect();
            assert_eq!(app.missing_scopes(&granted), missing, "{granted:?}");
            assert_eq!(app.history_limit_days(&granted), days, "{granted:?}");
        }
    }

    #[test]
    fn a_topic_is_spelled_as_in_the_schema() {
        let schema = include_str!("../../../../queries/shopify/admin.graphql");
        for known in Topic::ALL.into_iter().filter(|topic| !topic.is_compliance()) {
            assert!(schema.contains(&format!("\n  {}\n", spelled(known))), "{known}");
            assert_eq!(topic(&spelled(known)), Some(known));
        }
        assert_eq!(topic("THEMES_UPDATE"), None);
    }
}
