//! The pages of a store's orders, earliest change first, over as many queries as it takes: a provider lets a query reach
//! only so far.

use chrono::{DateTime, Utc};

use super::Stopped;
use super::shop::Shop;
use crate::providers::contract::{OrderPage, OrderQuery, PulledOrder};

/// Orders asked for at once. The provider takes fewer where a page would cost too much.
const PAGE: u32 = 250;

/// Page after page.
pub(super) struct Pages<'a, 'b> {
    shop: &'b mut Shop<'a>,
    /// None behind the last page.
    query: Option<OrderQuery>,
    /// Orders that came by the current query.
    reached: u64,
    /// After so many a new query begins: well before the provider ends the list.
    reach: u64,
}

impl<'a, 'b> Pages<'a, 'b> {
    /// All orders that changed last in this stretch of time.
    pub(super) fn of(shop: &'b mut Shop<'a>, from: DateTime<Utc>, before: Option<DateTime<Utc>>) -> Self {
        let query = OrderQuery {
            updated_from: from,
            updated_before: before,
            after: None,
            page_size: PAGE,
        };
        let reach = shop.source().reach();
        Self {
            reach: reach.saturating_sub(PAGE.into()).min(reach / 5 * 4),
            shop,
            query: Some(query),
            reached: 0,
        }
    }

    /// Whether the page that came last is the last one.
    pub(super) fn are_over(&self) -> bool {
        self.query.is_none()
    }

    /// The next page; none behind the last one.
    pub(super) async fn next(&mut self) -> Result<Option<OrderPage>, Stopped> {
        let Some(query) = self.query.take() else {
            return Ok(None);
        };
        let page = self.shop.ask(&query).await?;
        if let Some(after) = &page.next {
            if Some(after) == query.after.as_ref() {
                return Err(Stopped::Broken(
                    "The store answers the same page again and again; the sync stops here and will be tried again."
                        .to_owned(),
                ));
            }
            self.reached += page.orders.len() as u64;
            self.query = Some(match last_change(&page) {
                // What changed at that very moment comes again, which does no harm.
                Some(at) if self.reached >= self.reach && at > query.updated_from => {
                    self.reached = 0;
                    OrderQuery {
                        updated_from: at,
                        after: None,
                        ..query
                    }
                }
                _ => OrderQuery {
                    after: Some(after.clone()),
                    ..query
                },
            });
        }
        Ok(Some(page))
    }
}

fn last_change(page: &OrderPage) -> Option<DateTime<Utc>> {
    let changes = page.orders.iter().filter_map(|order| match order {
        PulledOrder::Read { fact, .. } => Some(fact.updated_at),
        PulledOrder::Unreadable { .. } => None,
    });
    changes.max()
}
