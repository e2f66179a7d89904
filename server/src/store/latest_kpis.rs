//! `latest_kpis`: the sums of the preset periods as they stood at the last change of the data, one row a preset.

use chrono::NaiveDate;

use super::{StoreError, TenantDb};
use crate::domain::period::{Comparison, DateRange, Preset};

/// The presets that are kept, by the name of their row.
const KEPT: [(&str, Preset); 4] = [
    ("TODAY", Preset::Today),
    ("YESTERDAY", Preset::Yesterday),
    ("LAST_7_DAYS", Preset::Last7Days),
    ("LAST_30_DAYS", Preset::Last30Days),
];

impl TenantDb {
    /// Recomputes all of them from the summary, for an account whose local day is `today`.
    pub async fn rebuild_latest_kpis(&self, today: NaiveDate) -> Result<(), StoreError> {
        let ranges = KEPT.map(|(period, preset)| {
            let current = DateRange::of(preset, today);
            (period, current, current.compared(Comparison::PreviousPeriod))
        });
        sqlx::query(
            "with sums as (
                 select kept.period, kept.range_from, kept.range_to, kept.previous_from, kept.previous_to, side.name,
                        jsonb_build_object(
                            'orders', coalesce(sum(d.orders), 0), 'units', coalesce(sum(d.units), 0),
                            'gross_sales', coalesce(sum(d.gross_sales), 0), 'discounts', coalesce(sum(d.discounts), 0),
                            'refunds', coalesce(sum(d.refunds), 0), 'revenue_net', coalesce(sum(d.revenue_net), 0),
                            'shipping', coalesce(sum(d.shipping), 0), 'taxes', coalesce(sum(d.taxes), 0),
                            'duties_and_fees', coalesce(sum(d.duties_and_fees), 0),
                            'total_sales', coalesce(sum(d.total_sales), 0),
                            'order_value', coalesce(sum(d.order_value), 0),
                            'meta_spend', coalesce(sum(d.meta_spend), 0),
                            'meta_purchases', coalesce(sum(d.meta_purchases), 0),
                            'meta_purchase_value', coalesce(sum(d.meta_purchase_value), 0)) as sums
                   from unnest($2::text[], $3::date[], $4::date[], $5::date[], $6::date[])
                        as kept (period, range_from, range_to, previous_from, previous_to)
                  cross join lateral (values ('current', range_from, range_to),
                                             ('previous', previous_from, previous_to)) as side (name, first, last)
                   left join daily_summary d
                     on d.account_id = $1 and d.date between side.first and side.last
                  group by 1, 2, 3, 4, 5, 6)
             insert into latest_kpis
                    (account_id, period, range_from, range_to, previous_from, previous_to, current, previous,
                     computed_at)
             select $1, c.period, c.range_from, c.range_to, c.previous_from, c.previous_to, c.sums,
                    -- Compared only where every store knows all of those days.
                    case when (select bool_and(coalesce(s.backfilled_from <= c.previous_from, false))
                                 from integrations i
                                 join shops h on h.account_id = i.account_id and h.id = i.shop_id
                                 left join sync_cursors s on s.account_id = i.account_id and s.integration_id = i.id
                                where i.account_id = $1 and h.redacted_at is null) then p.sums end,
                    clock_timestamp()
               from sums c join sums p on p.period = c.period and p.name = 'previous'
              where c.name = 'current'
             on conflict (account_id, period) do update
                set range_from = excluded.range_from, range_to = excluded.range_to,
                    previous_from = excluded.previous_from, previous_to = excluded.previous_to,
                    current = excluded.current, previous = excluded.previous, computed_at = excluded.computed_at",
        )
        .bind(self.account_id())
        .bind(ranges.map(|(period, _, _)| period).as_slice())
        .bind(ranges.map(|(_, current, _)| current.from()).as_slice())
        .bind(ranges.map(|(_, current, _)| current.to()).as_slice())
        .bind(ranges.map(|(_, _, previous)| previous.from()).as_slice())
        .bind(ranges.map(|(_, _, previous)| previous.to()).as_slice())
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }
}
