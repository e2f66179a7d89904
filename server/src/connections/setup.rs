//! Setting a store up, and looking whether it still is: the webhooks that it sends, what it grants, what it says of
//! itself, and that its token is of the kind that is renewed.
//!
//! ```text
//! look (network, no transaction open): profile, scopes, subscriptions ─▶ what is missing is made, what is odd is mended
//!   └▶ one transaction: fence ▶ state of each topic ▶ scopes ▶ profile
//!                               another time zone: days are cut anew ▶ another currency: the link is paused
//! ```
//!
//! Everything is compared with what should be, so that it may run at any time and any number of times.

use std::collections::BTreeSet;

use chrono_tz::Tz;
use serde_json::json;
use tracing::{info, warn};

use super::access::{AccessError, Wish, good_access};
use super::mark_needs_reauth;
use crate::app::App;
use crate::domain::clock::{first_whole_day, start_of_day};
use crate::domain::ids::{ActorKind, IntegrationStatus, ProviderKind, RunTrigger, WebhookStatus};
use crate::domain::job::SyncJob;
use crate::domain::money::CurrencyCode;
use crate::domain::webhook::Topic;
use crate::providers::contract::{
    ProviderError, ShopAccess, ShopProfile, StoreSource, Subscribed, Subscription, WantedSubscription,
};
use crate::queue::{self, NewRun, Run};
use crate::store::{AuditEntry, LinkedShop, Progress, TenantDb, TopicStanding};

/// Where stores send webhooks to, below the public address; the topic follows.
const WEBHOOKS_PATH: &str = "/api/webhooks/shopify/";

/// What was found at a store, and made of it.
struct Found {
    profile: ShopProfile,
    scopes: Vec<String>,
    topics: Vec<TopicStanding>,
}

/// Sets the store behind a run up, also one whose link is paused. Answers sentences for the people who run the account
/// where there is something to tell.
pub async fn set_up(app: &App, run: &Run) -> Result<Option<String>, AccessError> {
    let source = app.providers.stores(ProviderKind::Shopify);
    let source = source.ok_or_else(|| ProviderError::Denied("This server is not set up for Shopify.".to_owned()))?;
    let db = app.database.read(&run.tenant).await?;
    let asked_at = db.now().await?;
    drop(db);
    let found = look(app, run, source).await?;
    let missing = source.missing_scopes(&found.scopes);

    let progress = Progress {
        pages: 1,
        records: found.topics.len() as u64,
        ..Progress::default()
    };
    let db = app.database.write(&run.tenant).await?;
    db.fence_run(run, &progress, true).await?;
    let news = note_profile(app, &db, run, &found.profile).await?;
    db.note_scopes(run.integration_id, &found.scopes).await?;
    db.replace_subscriptions(run.integration_id, &found.topics, app.clock.now())
        .await?;
    db.settle_deliveries(
        run.integration_id,
        &[Topic::ShopUpdate],
        asked_at,
        WebhookStatus::Processed,
    )
    .await?;
    db.commit().await?;

    let told = [news, told_of_scopes(&missing), told_of_topics(&found.topics)];
    let told: Vec<String> = told.into_iter().flatten().collect();
    Ok((!told.is_empty()).then(|| told.join(" ")))
}

/// Asks the store and mends its webhooks. A token that it refuses half-way is renewed, and all is done once more.
async fn look(app: &App, run: &Run, source: &dyn StoreSource) -> Result<Found, AccessError> {
    let (tenant, id) = (&run.tenant, run.integration_id);
    let mut wish = Wish {
        with_end: true,
        of_paused: true,
        ..Wish::default()
    };
    let access = good_access(app, tenant, id, &wish).await?;
    let base = format!("{}{WEBHOOKS_PATH}", app.public_url.as_str().trim_end_matches('/'));
    let mut found = ask(source, &access, &base).await;
    if let Err(ProviderError::Reconnect(why)) = &found {
        warn!(why, "the store refused the token; trying with a new one");
        wish.but = Some(access.access_token);
        let access = good_access(app, tenant, id, &wish).await?;
        found = ask(source, &access, &base).await;
    }
    if let Err(ProviderError::Reconnect(why)) = &found {
        mark_needs_reauth(app, tenant, id, why).await?;
    }
    Ok(found?)
}

async fn ask(source: &dyn StoreSource, access: &ShopAccess, base: &str) -> Result<Found, ProviderError> {
    let profile = source.profile(access).await?;
    if profile.domain != access.domain {
        return Err(ProviderError::Denied(format!(
            "{} leads to another store now, {}; connect that one by its own address.",
            access.domain, profile.domain
        )));
    }
    let scopes = source.granted_scopes(access).await?;
    let plan = Plan::of(base, &source.subscriptions(access).await?);
    for id in &plan.ended {
        source.unsubscribe(access, id).await?;
    }
    let mut topics = plan.standing;
    for (wanted, standing) in plan.wanted {
        let (subscription_id, refusal) = match source.subscribe(access, &wanted, standing.as_deref()).await? {
            Subscribed::As(id) => (Some(id), None),
            Subscribed::Refused(why) => (standing, Some(why)),
        };
        topics.push(TopicStanding {
            topic: wanted.topic,
            subscription_id,
            refusal,
        });
    }
    Ok(Found {
        profile,
        scopes,
        topics,
    })
}

/// What is to be done about a store's webhooks.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// As they should be.
    standing: Vec<TopicStanding>,
    /// To be made, or to be made of the one with this id.
    wanted: Vec<(WantedSubscription, Option<String>)>,
    /// Ours, but not wanted.
    ended: Vec<String>,
}

impl Plan {
    /// One subscription for each topic that is not configured with the app. What delivers to another address than one
    /// of ours is somebody else's and stays.
    fn of(base: &str, found: &[Subscription]) -> Self {
        let mut ours: Vec<&Subscription> = found.iter().filter(|it| it.uri.starts_with(base)).collect();
        let mut plan = Self {
            standing: Vec::new(),
            wanted: Vec::new(),
            ended: Vec::new(),
        };
        for topic in Topic::ALL.into_iter().filter(|topic| !topic.is_compliance()) {
            let wanted = WantedSubscription {
                topic,
                uri: format!("{base}{topic}"),
            };
            // One that delivers to the right address is taken before one that must be moved there.
            let fits = |it: &Subscription| it.topic == Some(topic) && !it.is_odd;
            let place = ours
                .iter()
                .position(|it| fits(it) && it.uri == wanted.uri)
                .or_else(|| ours.iter().position(|it| fits(it)));
            let taken = place.map(|place| ours.remove(place));
            match taken {
                Some(it) if it.uri == wanted.uri && sends(it, topic) => plan.standing.push(TopicStanding {
                    topic,
                    subscription_id: Some(it.id.clone()),
                    refusal: None,
                }),
                taken => plan.wanted.push((wanted, taken.map(|it| it.id.clone()))),
            }
        }
        plan.ended.extend(ours.into_iter().map(|it| it.id.clone()));
        plan
    }
}

/// Whether a subscription sends what is kept of its topic and no more.
fn sends(subscription: &Subscription, topic: Topic) -> bool {
    let fields: BTreeSet<&str> = subscription.fields.iter().map(String::as_str).collect();
    fields == BTreeSet::from_iter(topic.fields().iter().copied())
}

/// Notes what the store says of itself. Answers a sentence where that changes more than a name.
async fn note_profile(
    app: &App,
    db: &TenantDb,
    run: &Run,
    profile: &ShopProfile,
) -> Result<Option<String>, AccessError> {
    let id = run.integration_id;
    let shop = db.linked_shop(id).await?.ok_or(AccessError::NotFound)?;
    let (timezone, currency) = shop.books()?;
    if profile.currency != currency {
        return Ok(Some(pause(db, &shop, profile, currency).await?));
    }
    let moved = profile.timezone != timezone;
    if moved {
        cut_anew(app, db, run, timezone, profile.timezone).await?;
    }
    // Nothing else pauses a link.
    let is_resumed = db
        .set_integration_status(id, &[IntegrationStatus::Paused], IntegrationStatus::Connected, None)
        .await?;
    if is_resumed {
        audit(db, &shop, "integration.resumed", "The store's currency is right again.").await?;
    }
    db.note_shop(id, &profile.name, profile.timezone.name(), profile.taxes_included)
        .await?;
    Ok(moved.then(|| {
        format!(
            "The store's days begin by the clock of {} now and no longer by that of {timezone}: every day is being cut \
             anew.",
            profile.timezone
        )
    }))
}

/// Amounts of two currencies can't be added up, so nothing is synced while the store's is another one than that of the
/// numbers.
async fn pause(
    db: &TenantDb,
    shop: &LinkedShop,
    profile: &ShopProfile,
    currency: CurrencyCode,
) -> Result<String, AccessError> {
    let why = format!(
        "{} keeps its books in {} now, its numbers here are in {currency}: amounts of two currencies can't be added up. \
         Its syncs are held until it is back to {currency}; to go on in {}, connect it to an account in {}.",
        profile.name, profile.currency, profile.currency, profile.currency
    );
    let from = [IntegrationStatus::Connected];
    let to = IntegrationStatus::Paused;
    if db
        .set_integration_status(shop.integration_id, &from, to, Some(&why))
        .await?
    {
        audit(db, shop, "integration.paused", &why).await?;
    }
    Ok(why)
}

async fn audit(db: &TenantDb, shop: &LinkedShop, action: &'static str, why: &str) -> Result<(), AccessError> {
    let entry = AuditEntry {
        actor_kind: ActorKind::System,
        actor_id: None,
        action,
        target_type: "integration",
        target_id: shop.integration_id.to_string(),
        detail: json!({ "why": why }),
        request_id: None,
    };
    Ok(db.audit(&entry).await?)
}

/// The store's days begin at other moments. Runs that still cut by the old ones are sent back; a replay cuts every
/// stored order anew; the first covered day is the first that is still whole.
async fn cut_anew(app: &App, db: &TenantDb, run: &Run, from: Tz, to: Tz) -> Result<(), AccessError> {
    let id = run.integration_id;
    info!(%from, %to, "the store's time zone has changed");
    db.send_back_other_runs(run).await?;
    db.serialise_account().await?;
    if let Some(first) = db.covered_from(id).await? {
        let first = first_whole_day(start_of_day(first, from), to);
        let gone = db.cover_only_from(id, first).await?;
        db.rebuild_summary(&gone).await?;
        let today = app.clock.today(db.account().await?.zone()?);
        db.rebuild_latest_kpis(today).await?;
    }
    // A replay that was under way begins again: what it has done was by the old days.
    let job_type = SyncJob::ShopifyReplay.as_str();
    db.note_resume(id, job_type, None).await?;
    let replay = NewRun {
        integration_id: id,
        job_type,
        trigger: RunTrigger::Schedule,
    };
    queue::enqueue(db, &replay).await?;
    Ok(())
}

fn told_of_scopes(missing: &[String]) -> Option<String> {
    (!missing.is_empty()).then(|| {
        format!(
            "The store does not grant {}: add what is missing to the app where it is registered, then connect the store \
             again.",
            missing.join(", ")
        )
    })
}

fn told_of_topics(topics: &[TopicStanding]) -> Option<String> {
    let refusals: Vec<&str> = topics.iter().filter_map(|it| it.refusal.as_deref()).collect();
    let reasons: BTreeSet<&str> = refusals.iter().copied().collect();
    (!refusals.is_empty()).then(|| {
        format!(
            "The store refuses {} of {} webhooks ({}). Their changes are found by asking, some minutes later. For \
             webhooks, PUBLIC_URL must be an https:// address that the store can reach; then run shopify_setup again.",
            refusals.len(),
            topics.len(),
            Vec::from_iter(reasons).join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://kpi.example/api/webhooks/shopify/";

    fn standing(id: &str, topic: Topic, uri: &str) -> Subscription {
        Subscription {
            id: id.to_owned(),
            topic: Some(topic),
            uri: uri.to_owned(),
            fields: topic.fields().iter().rev().map(|&field| field.to_owned()).collect(),
            is_odd: false,
        }
    }

    fn ours(id: &str, topic: Topic) -> Subscription {
        standing(id, topic, &format!("{BASE}{topic}"))
    }

    fn subscribed() -> Vec<Subscription> {
        let topics = Topic::ALL.into_iter().filter(|topic| !topic.is_compliance());
        topics.map(|topic| ours(topic.as_str(), topic)).collect()
    }

    #[test]
    fn a_new_store_is_asked_for_every_topic_but_those_of_the_app() {
        let plan = Plan::of(BASE, &[]);
        assert_eq!((plan.wanted.len(), plan.ended.len()), (15, 0));
        for (wanted, standing) in &plan.wanted {
            assert!(!wanted.topic.is_compliance());
            assert_eq!(wanted.uri, format!("{BASE}{}", wanted.topic));
            assert_eq!(*standing, None);
        }
    }

    #[test]
    fn what_is_as_it_should_be_stays() {
        let plan = Plan::of(BASE, &subscribed());
        assert_eq!(
            (plan.standing.len(), plan.wanted.len(), plan.ended.len()),
            (15, 0, 0),
            "the sequence of the fields means nothing"
        );
    }

    #[test]
    fn what_differs_is_mended_and_what_is_too_much_ends() {
        let orders = Topic::OrdersCreate;
        let wanted = WantedSubscription {
            topic: orders,
            uri: format!("{BASE}orders/create"),
        };
        let fewer = Subscription {
            fields: vec!["id".to_owned()],
            ..ours("fewer", orders)
        };
        let everything = Subscription {
            fields: Vec::new(),
            ..ours("everything", orders)
        };
        let odd = Subscription {
            is_odd: true,
            ..ours("odd", orders)
        };
        let unknown = Subscription {
            topic: None,
            ..ours("unknown", orders)
        };
        let elsewhere = standing("elsewhere", orders, &format!("{BASE}orders/updated"));
        for (found, changed, ended) in [
            (vec![fewer], Some(Some("fewer")), vec![]),
            (vec![everything], Some(Some("everything")), vec![]),
            (vec![elsewhere.clone()], Some(Some("elsewhere")), vec![]),
            (vec![elsewhere, ours("right", orders)], None, vec!["elsewhere"]),
            (vec![ours("one", orders), ours("two", orders)], None, vec!["two"]),
            (vec![odd], Some(None), vec!["odd"]),
            (vec![unknown], Some(None), vec!["unknown"]),
        ] {
            let others = subscribed().into_iter().filter(|it| it.topic != Some(orders));
            let all: Vec<Subscription> = found.iter().cloned().chain(others).collect();
            let plan = Plan::of(BASE, &all);
            let expected = changed.map(|id: Option<&str>| (wanted.clone(), id.map(str::to_owned)));
            assert_eq!(plan.wanted, Vec::from_iter(expected), "{found:?}");
            assert_eq!(plan.ended, ended, "{found:?}");
        }
    }

    #[test]
    fn another_programs_subscription_is_not_touched() {
        for uri in [
            "https://other.example/orders/create",
            "https://kpi.example/else",
            "pubsub://project:topic",
        ] {
            let mut all = subscribed();
            all.push(standing("theirs", Topic::OrdersCreate, uri));
            let plan = Plan::of(BASE, &all);
            assert_eq!((plan.wanted.len(), plan.ended.len()), (0, 0), "{uri}");
        }
    }
}
