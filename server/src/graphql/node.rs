//! Ids that lead back to what they name. Opaque outside; inside `Type:key`, so that an id of one kind is none of another.

use async_graphql::{Context, ID, Interface, Object, ObjectType, SchemaBuilder, SubscriptionType};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::context::{May, caller, integrations, reading};
use super::delivery::WebhookDelivery;
use super::error::ApiError;
use super::integration::Integration;
use super::order::Order;
use super::sync::SyncRun;
use crate::access::Action;
use crate::domain::ids::{AccountId, IntegrationId, RunId, ShopifyOrderId, UserId, WebhookDeliveryId};

/// How many ids may be looked up at once.
const MAX_IDS: usize = 250;

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NodeKey {
    Account(AccountId),
    User(UserId),
    Integration(IntegrationId),
    SyncRun(RunId),
    Order(IntegrationId, ShopifyOrderId),
    WebhookDelivery(WebhookDeliveryId),
}

impl NodeKey {
    pub(super) fn encode(self) -> ID {
        let text = match self {
            Self::Account(id) => format!("Account:{id}"),
            Self::User(id) => format!("User:{id}"),
            Self::Integration(id) => format!("Integration:{id}"),
            Self::SyncRun(id) => format!("SyncRun:{id}"),
            Self::Order(integration, id) => format!("Order:{integration}/{id}"),
            Self::WebhookDelivery(id) => format!("WebhookDelivery:{id}"),
        };
        ID(URL_SAFE_NO_PAD.encode(text))
    }

    pub(super) fn decode(id: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
        let (kind, key) = text.split_once(':')?;
        Some(match kind {
            "Account" => Self::Account(key.parse().ok()?),
            "User" => Self::User(key.parse().ok()?),
            "Integration" => Self::Integration(key.parse().ok()?),
            "SyncRun" => Self::SyncRun(key.parse().ok()?),
            "Order" => {
                let (integration, id) = key.split_once('/')?;
                Self::Order(integration.parse().ok()?, id.parse().ok()?)
            }
            "WebhookDelivery" => Self::WebhookDelivery(key.parse().ok()?),
            _ => return None,
        })
    }

    /// The link that an id names, if it names one.
    pub(super) fn integration(id: &str) -> Option<IntegrationId> {
        match Self::decode(id) {
            Some(Self::Integration(id)) => Some(id),
            _ => None,
        }
    }

    /// The run that an id names, if it names one.
    pub(super) fn sync_run(id: &str) -> Option<RunId> {
        match Self::decode(id) {
            Some(Self::SyncRun(id)) => Some(id),
            _ => None,
        }
    }
}

/// Something with an id by which it can be found again.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque, for `node`."))]
pub(super) enum Node {
    Integration(Integration),
    SyncRun(SyncRun),
    Order(Order),
    WebhookDelivery(WebhookDelivery),
}

/// No field but those of this file answers a node, so the schema has to be told of it; and of ids, what they are.
pub(super) fn register<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    builder
        .register_output_type::<Node>()
        .override_output_type_description::<ID>("What a thing is found again by: opaque, to be kept as it came.")
}

#[derive(Default)]
pub(super) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// What an id names; null where it names nothing in this account.
    #[graphql(guard = "May(Action::ReadKpis)")]
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "An `id` of an earlier answer.")] id: ID,
    ) -> Result<Option<Node>, ApiError> {
        Ok(find(context, &[id]).await?.pop().flatten())
    }

    /// What each id names, in the same order; null where one names nothing in this account. At most 250 at once.
    #[graphql(
        guard = "May(Action::ReadKpis)",
        complexity = "ids.len().saturating_mul(child_complexity)"
    )]
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Ids of earlier answers.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>, ApiError> {
        if ids.len() > MAX_IDS {
            return Err(ApiError::BadUserInput(format!("ask for at most {MAX_IDS} ids at once")));
        }
        find(context, &ids).await
    }
}

/// Each kind in one statement, however many ids there are.
async fn find(context: &Context<'_>, ids: &[ID]) -> Result<Vec<Option<Node>>, ApiError> {
    let keys: Vec<Option<NodeKey>> = ids.iter().map(|id| NodeKey::decode(id)).collect();
    let (mut run_ids, mut order_keys, mut delivery_ids) = (Vec::new(), Vec::new(), Vec::new());
    let mut wants_integrations = false;
    // To anybody else such an id names nothing.
    let may_read_deliveries = caller(context)?.viewer.may(Action::ReadDeliveries);
    for key in keys.iter().flatten() {
        match *key {
            NodeKey::SyncRun(id) => run_ids.push(id),
            NodeKey::Order(integration, id) => order_keys.push((integration, id)),
            NodeKey::WebhookDelivery(id) if may_read_deliveries => delivery_ids.push(id),
            NodeKey::Integration(_) => wants_integrations = true,
            NodeKey::Account(_) | NodeKey::User(_) | NodeKey::WebhookDelivery(_) => {}
        }
    }
    let runs = match &*run_ids {
        [] => Vec::new(),
        ids => reading(context).await?.find_runs(ids).await?,
    };
    let orders = match &*order_keys {
        [] => Vec::new(),
        keys => reading(context).await?.find_orders(keys).await?,
    };
    let deliveries = match &*delivery_ids {
        [] => Vec::new(),
        ids => reading(context).await?.find_deliveries(ids).await?,
    };
    let links = if wants_integrations {
        integrations(context).await?
    } else {
        &[]
    };
    let node = |key: NodeKey| match key {
        NodeKey::Integration(id) => {
            let row = links.iter().find(|row| row.id == id)?;
            Some(Node::Integration(Integration(row.clone())))
        }
        NodeKey::SyncRun(id) => {
            let row = runs.iter().find(|row| row.id == id)?;
            Some(Node::SyncRun(SyncRun(row.clone())))
        }
        NodeKey::Order(integration, id) => {
            let row = orders
                .iter()
                .find(|row| row.integration_id == integration && row.shopify_order_id == id)?;
            Some(Node::Order(Order(row.clone())))
        }
        NodeKey::WebhookDelivery(id) => {
            let row = deliveries.iter().find(|row| row.id == id)?;
            Some(Node::WebhookDelivery(WebhookDelivery(row.clone())))
        }
        NodeKey::Account(_) | NodeKey::User(_) => None,
    };
    Ok(keys.into_iter().map(|key| key.and_then(node)).collect())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_id_leads_back_to_what_it_names_and_to_nothing_else() {
        let uuid = Uuid::from_u128(42);
        let keys = [
            NodeKey::Account(uuid.into()),
            NodeKey::User(uuid.into()),
            NodeKey::Integration(uuid.into()),
            NodeKey::SyncRun(uuid.into()),
            NodeKey::Order(uuid.into(), ShopifyOrderId(5_512_345_678_901)),
            NodeKey::WebhookDelivery(uuid.into()),
        ];
        for key in keys {
            assert_eq!(NodeKey::decode(&key.encode()), Some(key));
        }
        assert_eq!(NodeKey::integration(&keys[3].encode()), None);
        assert_eq!(NodeKey::sync_run(&keys[2].encode()), None);
    }

    #[test]
    fn what_is_no_id_names_nothing() {
        for id in ["", "SyncRun", "U3luY1J1bjo", "1042", "gid://shopify/Order/1", "…"] {
            assert_eq!(NodeKey::decode(id), None, "{id}");
        }
    }
}
