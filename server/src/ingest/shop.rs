//! The store behind a run, to be asked. A token that the store refuses half-way is renewed, and the question asked once
//! more.

use async_trait::async_trait;
use tracing::warn;

use super::Stopped;
use crate::app::App;
use crate::connections;
use crate::domain::ids::{ProviderKind, ShopifyOrderId};
use crate::providers::contract::{
    OrderCountQuery, OrderListPage, OrderListQuery, OrderPage, OrderQuery, OrdersById, ProviderError, RecordPage,
    RecordQuery, ReportedDay, SalesReportQuery, ShopAccess, StoreSource,
};
use crate::queue::Run;

/// The way to a store.
pub(super) struct Shop<'a> {
    app: &'a App,
    run: &'a Run,
    source: &'a dyn StoreSource,
    access: ShopAccess,
}

impl<'a> Shop<'a> {
    pub(super) async fn open(app: &'a App, run: &'a Run) -> Result<Self, Stopped> {
        let access = connections::shop_access(app, &run.tenant, run.integration_id).await?;
        let source = source(app)?;
        Ok(Self {
            app,
            run,
            source,
            access,
        })
    }

    /// What the next call goes with: the store's days and currency are in it.
    pub(super) fn access(&self) -> &ShopAccess {
        &self.access
    }

    /// Puts one question to the store. Where the authorisation turns out to be gone, the link is marked so.
    pub(super) async fn ask<Q: Question>(&mut self, question: &Q) -> Result<Q::Answer, Stopped> {
        let Run {
            tenant, integration_id, ..
        } = self.run;
        let mut answer = question.put(self.source, &self.access).await;
        if let Err(ProviderError::Reconnect(why)) = &answer {
            warn!(why, "the store refused the token; trying with a new one");
            self.access = connections::renew_shop_access(self.app, tenant, *integration_id, &self.access).await?;
            answer = question.put(self.source, &self.access).await;
        }
        if let Err(ProviderError::Reconnect(why)) = &answer {
            connections::mark_needs_reauth(self.app, tenant, *integration_id, why).await?;
        }
        Ok(answer?)
    }
}

/// Something that a store can be asked, any number of times.
#[async_trait]
pub(super) trait Question: Sync {
    type Answer: Send;

    async fn put(&self, source: &dyn StoreSource, access: &ShopAccess) -> Result<Self::Answer, ProviderError>;
}

#[async_trait]
impl Question for OrderQuery {
    type Answer = OrderPage;

    async fn put(&self, source: &dyn StoreSource, access: &ShopAccess) -> Result<OrderPage, ProviderError> {
        source.orders(access, self).await
    }
}

/// These orders, by their ids.
pub(super) struct NamedOrders<'a>(pub(super) &'a [ShopifyOrderId]);

#[async_trait]
impl Question for NamedOrders<'_> {
    type Answer = OrdersById;

    async fn put(&self, source: &dyn StoreSource, access: &ShopAccess) -> Result<OrdersById, ProviderError> {
        source.orders_by_id(access, self.0).await
    }
}

#[async_trait]
impl Question for OrderCountQuery {
    type Answer = u64;

    async fn put(&self, source: &dyn StoreSource, access: &ShopAccess) -> Result<u64, ProviderError> {
        source.count_orders(access, self).await
    }
}

#[async_trait]
impl Question for OrderListQuery {
    type Answer = OrderListPage;

    async fn put(&self, source: &dyn StoreSource, access: &ShopAccess) -> Result<OrderListPage, ProviderError> {
        source.list_orders(access, self).await
    }
}

#[async_trait]
impl Question for SalesReportQuery {
    type Answer = Vec<ReportedDay>;

    async fn put(&self, source: &dyn StoreSource, access: &ShopAccess) -> Result<Vec<ReportedDay>, ProviderError> {
        source.sales_report(access, self).await
    }
}

#[async_trait]
impl Question for RecordQuery {
    type Answer = RecordPage;

    async fn put(&self, source: &dyn StoreSource, access: &ShopAccess) -> Result<RecordPage, ProviderError> {
        source.records(access, self).await
    }
}

/// The stores of this process's Shopify, for what needs no token.
pub(super) fn source(app: &App) -> Result<&dyn StoreSource, Stopped> {
    app.providers
        .stores(ProviderKind::Shopify)
        .ok_or_else(|| Stopped::Denied("This server is not set up for Shopify.".to_owned()))
}
