//! `server sync`: the same jobs as the worker's, from a shell: queues them for one link, works on them here and now, and
//! tells how it went.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{CommandError, signal};
use crate::app::App;
use crate::config::Settings;
use crate::domain::clock::Clock;
use crate::domain::ids::{IntegrationId, ProviderKind, RunId, RunStatus, RunTrigger};
use crate::domain::job::SyncJob;
use crate::jobs::Jobs;
use crate::queue::{Worker, WorkerOptions, enqueue};
use crate::store::{Database, NewRun, Progress, RunRow, Tenant};

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What to bring, for which link.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The link: its id, or the store's domain
    #[arg(long)]
    integration: String,
    /// The job, such as shopify_fresh; may be given several times. All that a manual sync does where it is left out
    #[arg(long = "job")]
    jobs: Vec<SyncJob>,
}

pub(super) async fn run(mut settings: Settings, options: Options) -> Result<(), CommandError> {
    let parts = (
        settings.worker_database(),
        settings.http(),
        settings.encryption(),
        settings.shopify(),
        settings.sync(),
    );
    let (database, http, encryption, shopify, sync) = settings.finish(parts)?;
    let database = Database::connect_worker(&database).await?;
    let link = find_link(&database, options.integration.trim()).await?;
    let jobs = match options.jobs.as_slice() {
        [] => SyncJob::of_manual_sync(link.provider).to_vec(),
        asked => asked.to_vec(),
    };
    if let Some(foreign) = jobs.iter().find(|job| job.provider() != link.provider) {
        return Err(CommandError::Usage(format!(
            "{foreign} is not a job for a {} link.",
            link.provider
        )));
    }

    let app = App::production(database.clone(), Clock::system(), &encryption, shopify, http.public_url)?;
    let stop = signal::stop_when_told();
    let worker = Worker::new(database.clone(), Jobs::new(app, sync), WorkerOptions::default());
    for job in jobs {
        let db = database.write(&link.tenant).await?;
        let run = NewRun {
            integration_id: link.id,
            job_type: job.as_str(),
            trigger: RunTrigger::Manual,
        };
        let queued = enqueue(&db, &run).await?;
        db.commit().await?;
        let shown = tokio::spawn(show(database.clone(), link.tenant, queued.id, job));
        worker.run_one(queued.id, &stop).await?;
        shown.abort();
        conclude(&find_run(&database, &link.tenant, queued.id).await?, job)?;
    }
    Ok(())
}

struct Link {
    tenant: Tenant,
    id: IntegrationId,
    provider: ProviderKind,
}

async fn find_link(database: &Database, text: &str) -> Result<Link, CommandError> {
    let system = database.system();
    if let Some(shop) = system.find_shop(&text.to_ascii_lowercase()).await? {
        return Ok(Link {
            tenant: shop.tenant,
            id: shop.integration_id,
            provider: ProviderKind::Shopify,
        });
    }
    let id = text.parse::<IntegrationId>().ok();
    let links = system.list_integrations().await?;
    let known = links.into_iter().find(|link| Some(link.integration_id) == id);
    known
        .map(|link| Link {
            tenant: link.tenant,
            id: link.integration_id,
            provider: link.provider,
        })
        .ok_or_else(|| {
            CommandError::Failed(format!(
                "There is no link `{text}`; give the id that `integrations` shows, or the store's domain."
            ))
        })
}

async fn find_run(database: &Database, tenant: &Tenant, id: RunId) -> Result<RunRow, CommandError> {
    let db = database.read(tenant).await?;
    db.find_runs(&[id])
        .await?
        .pop()
        .ok_or_else(|| CommandError::Failed("the run is gone: its link was deleted".to_owned()))
}

/// Shows the run's progress until it is told to stop: on a terminal only, a log has the lines anyway.
async fn show(database: Database, tenant: Tenant, id: RunId, job: SyncJob) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let style = ProgressStyle::with_template("{spinner} {prefix}  {msg}").expect("a constant template");
    let bar = ProgressBar::new_spinner().with_style(style).with_prefix(job.as_str());
    bar.enable_steady_tick(LOOK);
    loop {
        if let Ok(run) = find_run(&database, &tenant, id).await {
            bar.set_message(describe(&run));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn describe(run: &RunRow) -> String {
    let Progress { pages, records, .. } = &run.progress;
    match (run.status, &run.error_message) {
        (RunStatus::Queued, Some(why)) => format!("waits: {why}"),
        _ => format!("{records} records, {pages} pages"),
    }
}

fn conclude(run: &RunRow, job: SyncJob) -> Result<(), CommandError> {
    let Progress {
        pages,
        records,
        message,
        ..
    } = &run.progress;
    match run.status {
        RunStatus::Succeeded => {
            let note = message.as_deref().map(|note| format!("  {note}")).unwrap_or_default();
            println!("{job}  succeeded  {records} records in {pages} pages{note}");
            Ok(())
        }
        RunStatus::Queued | RunStatus::Running => {
            println!("{job}  stopped here; it goes on with the next worker");
            Ok(())
        }
        RunStatus::Failed | RunStatus::Cancelled => Err(CommandError::Failed(format!(
            "{job}  {}  {}",
            run.status,
            run.error_message.as_deref().unwrap_or("somebody cancelled it")
        ))),
    }
}
