//! Writing what a page of orders brought: raw rows, facts, their days, and the day cells that these touch. What products
//! moved goes along: see [`product_days`](super::product_days).
//!
//! All statements are set-based, one round trip a table and page. A fact is written only over an older version of
//! itself; a day cell is recomputed as a whole from facts. So running any of this twice changes nothing.
//!
//! Whatever road an order comes by, here it meets the store's tombstones and the customers to be forgotten: a version
//! that is not newer than the order's deletion is left out, and a forgotten customer is not written. Most stores have
//! neither, which costs a look at an empty index.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::{StoreError, TenantDb};
use crate::domain::fact::{OrderFact, SalesSums};
use crate::domain::ids::{IntegrationId, RunId, ShopifyOrderId};

/// An order to be written: as it came, and what it means.
pub struct OrderRecord<'a> {
    /// The provider's JSON.
    pub payload: &'a RawValue,
    /// What it means.
    pub fact: &'a OrderFact,
}

/// Which version of itself a record replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// The same one or an older one: the source is as good as any.
    SameOrOlder,
    /// An older one only: what is there was read with more care.
    Older,
}

/// A record that could not be read.
pub struct RejectedRecord<'a> {
    /// What it was meant to be, such as `order`.
    pub kind: &'static str,
    /// The provider's id, or a digest of the text where not even that could be read.
    pub external_id: &'a str,
    /// Why it could not be read.
    pub reason: &'a str,
    /// What came.
    pub payload: &'a RawValue,
}

impl TenantDb {
    /// Waits until no other transaction of this account is rebuilding day cells. Two that did so side by side would
    /// each miss what the other is about to commit.
    pub async fn serialise_account(&self) -> Result<(), StoreError> {
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::text, 0))")
            .bind(self.account_id())
            .execute(&mut *self.connection().await)
            .await?;
        Ok(())
    }

    /// Keeps the payloads as they came, newest version of each order; that of a forgotten customer without the customer.
    pub async fn keep_raw_orders(
        &self,
        integration_id: IntegrationId,
        orders: &[OrderRecord<'_>],
        fetched_at: DateTime<Utc>,
        replaces: Replaces,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into shopify_orders_raw as kept
                    (account_id, integration_id, shopify_order_id, order_created_at, order_updated_at, payload, fetched_at)
             select $1, $2, page.id, page.created_at, page.updated_at,
                    case when forgotten.customer_hash is null then page.payload::jsonb
                         else redacted_order(page.payload::jsonb) end,
                    $8
               from unnest($3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::bigint[])
                    as page (id, created_at, updated_at, payload, customer_id)
               left join shopify_redactions forgotten
                 on forgotten.account_id = $1 and forgotten.integration_id = $2
                and forgotten.customer_hash = redaction_hash($2, page.customer_id::text)
              where not exists (select from shopify_tombstones gone
                                 where gone.account_id = $1 and gone.integration_id = $2 and gone.kind = 'order'
                                   and gone.shopify_id = page.id and gone.deleted_at >= page.updated_at)
              order by page.id
             on conflict (integration_id, shopify_order_id) do update
                set order_created_at = excluded.order_created_at, order_updated_at = excluded.order_updated_at,
                    payload = excluded.payload, fetched_at = excluded.fetched_at
              where excluded.order_updated_at > kept.order_updated_at
                 or ($9 and excluded.order_updated_at = kept.order_updated_at)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(column(orders, |order| order.fact.id.0))
        .bind(column(orders, |order| order.fact.created_at))
        .bind(column(orders, |order| order.fact.updated_at))
        .bind(column(orders, |order| order.payload.get()))
        .bind(column(orders, |order| order.fact.customer_id.map(|id| id.0)))
        .bind(fetched_at)
        .bind(replaces == Replaces::SameOrOlder)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// The stored payloads of a store, those after `after` in the sequence of their ids.
    pub async fn raw_orders(
        &self,
        integration_id: IntegrationId,
        after: ShopifyOrderId,
        limit: i64,
    ) -> Result<Vec<(ShopifyOrderId, Box<RawValue>)>, StoreError> {
        let rows: Vec<(ShopifyOrderId, String)> = sqlx::query_as(
            "select shopify_order_id, payload::text from shopify_orders_raw
              where account_id = $1 and integration_id = $2 and shopify_order_id > $3
              order by shopify_order_id limit $4",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *self.connection().await)
        .await?;
        rows.into_iter()
            .map(|(id, payload)| match RawValue::from_string(payload) {
                Ok(payload) => Ok((id, payload)),
                Err(error) => Err(StoreError::Broken(format!("the stored order {id} is no JSON: {error}"))),
            })
            .collect()
    }

    /// The stored versions of these orders, of those that are known.
    pub async fn order_versions(
        &self,
        integration_id: IntegrationId,
        ids: &[ShopifyOrderId],
    ) -> Result<Vec<(ShopifyOrderId, DateTime<Utc>)>, StoreError> {
        Ok(sqlx::query_as(
            "select shopify_order_id, order_updated_at from fact_orders
              where account_id = $1 and integration_id = $2 and shopify_order_id = any($3)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(Vec::from_iter(ids.iter().map(|id| id.0)))
        .fetch_all(&mut *self.connection().await)
        .await?)
    }

    /// Writes the facts that replace what is there and are newer than their order's deletion, and answers which
    /// those were.
    pub async fn keep_order_facts(
        &self,
        integration_id: IntegrationId,
        orders: &[OrderRecord<'_>],
        replaces: Replaces,
    ) -> Result<Vec<ShopifyOrderId>, StoreError> {
        let facts = || orders.iter().map(|order| order.fact);
        let kept = sqlx::query_scalar(
            "insert into fact_orders as kept
                    (account_id, integration_id, shop_id, shopify_order_id, order_name, order_created_at,
                     order_updated_at, processed_at, cancelled_at, order_date, currency, is_test, financial_status,
                     fulfillment_status, customer_id, customer_order_index, units, source_name, utm_source, utm_medium,
                     utm_campaign, utm_content, utm_term, gross_sales, discounts, refunds, revenue_net, shipping, taxes,
                     duties_and_fees, total_sales)
             select $1, $2, link.shop_id, page.id, page.name, page.created_at, page.updated_at, page.processed_at,
                    page.cancelled_at, page.order_date, page.currency, page.is_test, page.financial_status,
                    page.fulfillment_status,
                    case when forgotten.customer_hash is null then page.customer_id end,
                    page.customer_order_index, page.units, page.source_name,
                    case when forgotten.customer_hash is null then page.utm_source end,
                    case when forgotten.customer_hash is null then page.utm_medium end,
                    case when forgotten.customer_hash is null then page.utm_campaign end,
                    case when forgotten.customer_hash is null then page.utm_content end,
                    case when forgotten.customer_hash is null then page.utm_term end,
                    page.gross_sales, page.discounts, page.refunds, page.revenue_net, page.shipping, page.taxes,
                    page.duties_and_fees, page.total_sales
               from integrations link
              cross join unnest($3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
                           $8::timestamptz[], $9::date[], $10::text[], $11::boolean[], $12::text[], $13::text[],
                           $14::bigint[], $15::int[], $16::int[], $17::text[], $18::text[], $19::text[], $20::text[],
                           $21::text[], $22::text[], $23::numeric[], $24::numeric[], $25::numeric[], $26::numeric[],
                           $27::numeric[], $28::numeric[], $29::numeric[], $30::numeric[])
                    as page (id, name, created_at, updated_at, processed_at, cancelled_at, order_date, currency,
                             is_test, financial_status, fulfillment_status, customer_id, customer_order_index, units,
                             source_name, utm_source, utm_medium, utm_campaign, utm_content, utm_term, gross_sales,
                             discounts, refunds, revenue_net, shipping, taxes, duties_and_fees, total_sales)
               left join shopify_redactions forgotten
                 on forgotten.account_id = $1 and forgotten.integration_id = $2
                and forgotten.customer_hash = redaction_hash($2, page.customer_id::text)
              where link.account_id = $1 and link.id = $2
                and not exists (select from shopify_tombstones gone
                                 where gone.account_id = $1 and gone.integration_id = $2 and gone.kind = 'order'
                                   and gone.shopify_id = page.id and gone.deleted_at >= page.updated_at)
              order by page.id
             on conflict (integration_id, shopify_order_id) do update
                set order_name = excluded.order_name, order_created_at = excluded.order_created_at,
                    order_updated_at = excluded.order_updated_at, processed_at = excluded.processed_at,
                    cancelled_at = excluded.cancelled_at, order_date = excluded.order_date,
                    currency = excluded.currency, is_test = excluded.is_test,
                    financial_status = excluded.financial_status, fulfillment_status = excluded.fulfillment_status,
                    customer_id = excluded.customer_id, customer_order_index = excluded.customer_order_index,
                    units = excluded.units, source_name = excluded.source_name, utm_source = excluded.utm_source,
                    utm_medium = excluded.utm_medium, utm_campaign = excluded.utm_campaign,
                    utm_content = excluded.utm_content, utm_term = excluded.utm_term,
                    gross_sales = excluded.gross_sales, discounts = excluded.discounts, refunds = excluded.refunds,
                    revenue_net = excluded.revenue_net, shipping = excluded.shipping, taxes = excluded.taxes,
                    duties_and_fees = excluded.duties_and_fees, total_sales = excluded.total_sales, deleted_at = null
              where excluded.order_updated_at > kept.order_updated_at
                 or ($31 and excluded.order_updated_at = kept.order_updated_at)
             returning shopify_order_id",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(Vec::from_iter(facts().map(|fact| fact.id.0)))
        .bind(Vec::from_iter(facts().map(|fact| fact.name.as_str())))
        .bind(Vec::from_iter(facts().map(|fact| fact.created_at)))
        .bind(Vec::from_iter(facts().map(|fact| fact.updated_at)))
        .bind(Vec::from_iter(facts().map(|fact| fact.processed_at)))
        .bind(Vec::from_iter(facts().map(|fact| fact.cancelled_at)))
        .bind(Vec::from_iter(facts().map(|fact| fact.order_date)))
        .bind(Vec::from_iter(facts().map(|fact| fact.currency.to_string())))
        .bind(Vec::from_iter(facts().map(|fact| fact.is_test)))
        .bind(Vec::from_iter(facts().map(|fact| fact.financial_status.as_deref())))
        .bind(Vec::from_iter(facts().map(|fact| fact.fulfillment_status.as_deref())))
        .bind(Vec::from_iter(facts().map(|fact| fact.customer_id.map(|id| id.0))))
        .bind(Vec::from_iter(facts().map(|fact| fact.customer_order_index)))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.units as i32)))
        .bind(Vec::from_iter(facts().map(|fact| fact.source_name.as_deref())))
        .bind(Vec::from_iter(facts().map(|fact| fact.utm.source.as_deref())))
        .bind(Vec::from_iter(facts().map(|fact| fact.utm.medium.as_deref())))
        .bind(Vec::from_iter(facts().map(|fact| fact.utm.campaign.as_deref())))
        .bind(Vec::from_iter(facts().map(|fact| fact.utm.content.as_deref())))
        .bind(Vec::from_iter(facts().map(|fact| fact.utm.term.as_deref())))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.gross_sales)))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.discounts)))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.refunds)))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.revenue_net())))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.shipping)))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.taxes)))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.duties_and_fees)))
        .bind(Vec::from_iter(facts().map(|fact| fact.totals.total_sales())))
        .bind(replaces == Replaces::SameOrOlder)
        .fetch_all(&mut *self.connection().await)
        .await?;
        Ok(kept)
    }

    /// Replaces the days of these orders, and of the products in them, and answers every day that lost or gained
    /// something. A deleted order has none.
    pub async fn replace_order_days(
        &self,
        integration_id: IntegrationId,
        facts: &[&OrderFact],
    ) -> Result<Vec<NaiveDate>, StoreError> {
        let mut connection = self.connection().await;
        let mut touched: Vec<NaiveDate> = sqlx::query_scalar(
            "with products as (
                 delete from fact_product_days
                  where account_id = $1 and integration_id = $2 and shopify_order_id = any($3))
             delete from fact_order_days
              where account_id = $1 and integration_id = $2 and shopify_order_id = any($3)
             returning date",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(Vec::from_iter(facts.iter().map(|fact| fact.id.0)))
        .fetch_all(&mut *connection)
        .await?;

        let days = || {
            facts
                .iter()
                .flat_map(|fact| fact.days.iter().map(move |day| (*fact, day.date, &day.sums)))
        };
        let count = |value: i64| value as i32;
        let money = |of: fn(&SalesSums) -> Decimal| Vec::from_iter(days().map(|(_, _, sums)| of(sums)));
        let added: Vec<NaiveDate> = sqlx::query_scalar(
            "insert into fact_order_days
                    (account_id, integration_id, shop_id, currency, order_date, shopify_order_id, date, orders, units,
                     gross_sales, discounts, refunds, revenue_net, shipping, taxes, duties_and_fees, total_sales,
                     order_value, new_customer_orders, returning_customer_orders, guest_orders)
             select $1, $2, known.shop_id, known.currency, known.order_date, page.*
               from unnest($3::bigint[], $4::date[], $5::int[], $6::int[], $7::numeric[], $8::numeric[], $9::numeric[],
                           $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[],
                           $15::numeric[], $16::int[], $17::int[], $18::int[])
                    as page (id, date, orders, units, gross_sales, discounts, refunds, revenue_net, shipping, taxes,
                             duties_and_fees, total_sales, order_value, new_customer_orders,
                             returning_customer_orders, guest_orders)
               join fact_orders known
                 on known.account_id = $1 and known.integration_id = $2 and known.shopify_order_id = page.id
              where known.deleted_at is null
             returning date",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(Vec::from_iter(days().map(|(fact, _, _)| fact.id.0)))
        .bind(Vec::from_iter(days().map(|(_, date, _)| date)))
        .bind(Vec::from_iter(days().map(|(_, _, sums)| count(sums.orders))))
        .bind(Vec::from_iter(days().map(|(_, _, sums)| count(sums.units))))
        .bind(money(|sums| sums.gross_sales))
        .bind(money(|sums| sums.discounts))
        .bind(money(|sums| sums.refunds))
        .bind(money(SalesSums::revenue_net))
        .bind(money(|sums| sums.shipping))
        .bind(money(|sums| sums.taxes))
        .bind(money(|sums| sums.duties_and_fees))
        .bind(money(SalesSums::total_sales))
        .bind(money(|sums| sums.order_value))
        .bind(Vec::from_iter(
            days().map(|(_, _, sums)| count(sums.new_customer_orders)),
        ))
        .bind(Vec::from_iter(
            days().map(|(_, _, sums)| count(sums.returning_customer_orders)),
        ))
        .bind(Vec::from_iter(days().map(|(_, _, sums)| count(sums.guest_orders))))
        .fetch_all(&mut *connection)
        .await?;
        drop(connection);
        self.add_product_days(integration_id, facts).await?;
        touched.extend(added);
        touched.sort_unstable();
        touched.dedup();
        Ok(touched)
    }

    /// Recomputes a store's cells of these days from its facts, and those of its products. Days before the first covered day get none.
    pub async fn rebuild_shopify_days(
        &self,
        integration_id: IntegrationId,
        days: &[NaiveDate],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into daily_shopify_metrics
                    (account_id, integration_id, date, currency, orders, units, gross_sales, discounts, refunds,
                     revenue_net, shipping, taxes, duties_and_fees, total_sales, order_value, new_customer_orders,
                     returning_customer_orders, guest_orders, computed_at)
             select $1, $2, day.date, shop.currency,
                    coalesce(sum(f.orders), 0), coalesce(sum(f.units), 0),
                    coalesce(sum(f.gross_sales), 0), coalesce(sum(f.discounts), 0), coalesce(sum(f.refunds), 0),
                    coalesce(sum(f.revenue_net), 0), coalesce(sum(f.shipping), 0), coalesce(sum(f.taxes), 0),
                    coalesce(sum(f.duties_and_fees), 0), coalesce(sum(f.total_sales), 0),
                    coalesce(sum(f.order_value), 0), coalesce(sum(f.new_customer_orders), 0),
                    coalesce(sum(f.returning_customer_orders), 0), coalesce(sum(f.guest_orders), 0), clock_timestamp()
               from unnest($3::date[]) as day (date)
               join sync_cursors covered
                 on covered.account_id = $1 and covered.integration_id = $2 and covered.backfilled_from <= day.date
               join integrations link on link.account_id = $1 and link.id = $2
               join shops shop on shop.account_id = $1 and shop.id = link.shop_id
               left join fact_order_days f
                 on f.account_id = $1 and f.integration_id = $2 and f.date = day.date
              group by day.date, shop.currency
              order by day.date
             on conflict (integration_id, date) do update
                set currency = excluded.currency, orders = excluded.orders, units = excluded.units,
                    gross_sales = excluded.gross_sales, discounts = excluded.discounts, refunds = excluded.refunds,
                    revenue_net = excluded.revenue_net, shipping = excluded.shipping, taxes = excluded.taxes,
                    duties_and_fees = excluded.duties_and_fees, total_sales = excluded.total_sales,
                    order_value = excluded.order_value, new_customer_orders = excluded.new_customer_orders,
                    returning_customer_orders = excluded.returning_customer_orders,
                    guest_orders = excluded.guest_orders, computed_at = excluded.computed_at",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(days)
        .execute(&mut *self.connection().await)
        .await?;
        self.rebuild_product_cells(integration_id, days).await
    }

    /// Recomputes the account's summary of these days from the cells of all its stores and ad accounts.
    pub async fn rebuild_summary(&self, days: &[NaiveDate]) -> Result<(), StoreError> {
        sqlx::query(
            "insert into daily_summary
                    (account_id, date, orders, units, gross_sales, discounts, refunds, revenue_net, shipping, taxes,
                     duties_and_fees, total_sales, order_value, new_customer_orders, returning_customer_orders,
                     guest_orders, meta_spend, meta_ad_spend, meta_impressions, meta_clicks, meta_purchases,
                     meta_purchase_value, computed_at)
             select $1, day.date, store.orders, store.units, store.gross_sales, store.discounts, store.refunds,
                    store.revenue_net, store.shipping, store.taxes, store.duties_and_fees, store.total_sales,
                    store.order_value, store.new_customer_orders, store.returning_customer_orders, store.guest_orders,
                    ads.spend, ads.ad_spend, ads.impressions, ads.clicks, ads.purchases, ads.purchase_value,
                    clock_timestamp()
               from unnest($2::date[]) as day (date)
              cross join lateral (
                    select count(*) as cells, coalesce(sum(orders), 0) as orders, coalesce(sum(units), 0) as units,
                           coalesce(sum(gross_sales), 0) as gross_sales, coalesce(sum(discounts), 0) as discounts,
                           coalesce(sum(refunds), 0) as refunds, coalesce(sum(revenue_net), 0) as revenue_net,
                           coalesce(sum(shipping), 0) as shipping, coalesce(sum(taxes), 0) as taxes,
                           coalesce(sum(duties_and_fees), 0) as duties_and_fees,
                           coalesce(sum(total_sales), 0) as total_sales,
                           coalesce(sum(order_value), 0) as order_value,
                           coalesce(sum(new_customer_orders), 0) as new_customer_orders,
                           coalesce(sum(returning_customer_orders), 0) as returning_customer_orders,
                           coalesce(sum(guest_orders), 0) as guest_orders
                      from daily_shopify_metrics where account_id = $1 and date = day.date) store
              cross join lateral (
                    select count(*) as cells, coalesce(sum(spend), 0) as spend, coalesce(sum(ad_spend), 0) as ad_spend,
                           coalesce(sum(impressions), 0) as impressions, coalesce(sum(clicks), 0) as clicks,
                           coalesce(sum(purchases), 0) as purchases,
                           coalesce(sum(purchase_value), 0) as purchase_value
                      from daily_meta_metrics where account_id = $1 and date = day.date) ads
              where store.cells + ads.cells > 0
              order by day.date
             on conflict (account_id, date) do update
                set orders = excluded.orders, units = excluded.units, gross_sales = excluded.gross_sales,
                    discounts = excluded.discounts, refunds = excluded.refunds, revenue_net = excluded.revenue_net,
                    shipping = excluded.shipping, taxes = excluded.taxes,
                    duties_and_fees = excluded.duties_and_fees, total_sales = excluded.total_sales,
                    order_value = excluded.order_value, new_customer_orders = excluded.new_customer_orders,
                    returning_customer_orders = excluded.returning_customer_orders,
                    guest_orders = excluded.guest_orders, meta_spend = excluded.meta_spend,
                    meta_ad_spend = excluded.meta_ad_spend, meta_impressions = excluded.meta_impressions,
                    meta_clicks = excluded.meta_clicks, meta_purchases = excluded.meta_purchases,
                    meta_purchase_value = excluded.meta_purchase_value, computed_at = excluded.computed_at",
        )
        .bind(self.account_id())
        .bind(days)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Keeps records that could not be read, with the reason; of a forgotten customer, only the orders, and these without
    /// the customer.
    pub async fn keep_rejects(
        &self,
        integration_id: IntegrationId,
        run_id: RunId,
        rejects: &[RejectedRecord<'_>],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into sync_rejects (account_id, integration_id, run_id, kind, external_id, reason, payload, rejected_at)
             select distinct on (page.kind, page.external_id)
                    $1, $2, $3, page.kind, page.external_id, page.reason,
                    case when forgotten.customer_hash is null then page.payload::jsonb
                         else redacted_order(page.payload::jsonb) end,
                    clock_timestamp()
               from unnest($4::text[], $5::text[], $6::text[], $7::text[]) as page (kind, external_id, reason, payload)
               left join shopify_redactions forgotten
                 on forgotten.account_id = $1 and forgotten.integration_id = $2
                and forgotten.customer_hash = redaction_hash($2, case page.kind when 'customer' then page.external_id
                    else substring(page.payload::jsonb #>> '{customer,id}' from '[0-9]+$') end)
              where page.kind <> 'customer' or forgotten.customer_hash is null
             on conflict (integration_id, kind, external_id) do update
                set run_id = excluded.run_id, reason = excluded.reason, payload = excluded.payload,
                    rejected_at = excluded.rejected_at",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(run_id)
        .bind(column(rejects, |reject| reject.kind))
        .bind(column(rejects, |reject| reject.external_id))
        .bind(column(rejects, |reject| reject.reason))
        .bind(column(rejects, |reject| reject.payload.get()))
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Forgets earlier rejections of records that could be read now.
    pub async fn settle_rejects(
        &self,
        integration_id: IntegrationId,
        kind: &str,
        external_ids: &[String],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "delete from sync_rejects
              where account_id = $1 and integration_id = $2 and kind = $3 and external_id = any($4)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(kind)
        .bind(external_ids)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }
}

fn column<'a, T, V>(rows: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
