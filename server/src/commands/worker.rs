//! `server worker`: the job loop and the schedules, until it is told to stop. Any number may run at once.

use tokio::net::TcpListener;

use super::{CommandError, signal};
use crate::app::App;
use crate::config::Settings;
use crate::domain::clock::Clock;
use crate::http::serve_metrics;
use crate::jobs::Jobs;
use crate::queue::{Worker, WorkerOptions};
use crate::store::Database;

pub(super) async fn run(mut settings: Settings) -> Result<(), CommandError> {
    let parts = (
        settings.worker_database(),
        settings.http(),
        settings.encryption(),
        settings.shopify(),
        settings.sync(),
        settings.metrics_address(),
    );
    let (database, http, encryption, shopify, sync, metrics) = settings.finish(parts)?;
    let database = Database::connect_worker(&database).await?;
    let answered_at = database.ping().await?;
    tracing::info!(%answered_at, "DB connection ok");

    let app = App::production(database.clone(), Clock::system(), &encryption, shopify, http.public_url)?;
    let stop = signal::stop_when_told();
    if let Some(address) = metrics {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| CommandError::Failed(format!("{address} can't be listened on: {error}")))?;
        tokio::spawn(serve_metrics(listener, stop.clone().cancelled_owned()));
    }
    let worker = Worker::new(database, Jobs::new(app, sync), WorkerOptions::default());
    let working = tokio::spawn(worker.run(stop.clone()));
    tracing::info!("working");
    stop.cancelled().await;
    tracing::info!("stopping: runs in progress finish their page");
    working
        .await
        .map_err(|error| CommandError::Failed(format!("the job loop ended unexpectedly: {error}")))
}
