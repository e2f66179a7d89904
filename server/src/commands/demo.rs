//! `server demo`: everything in one process. A PostgreSQL of its own, the sandbox store on a real socket, the API and a
//! worker; a store is connected through the same OAuth flow that a merchant's browser goes through, and its first sync
//! is waited for. Nothing here is a shortcut: what the demo shows is what the product does.

mod secrets;
mod tour;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{CommandError, logging, outbound, signal};
use crate::access::Gate;
use crate::accounts::{FirstUser, check_account, open_account};
use crate::app::App;
use crate::config::Settings;
use crate::domain::clock::Clock;
use crate::embedded::{Cluster, ClusterOptions, OWNER};
use crate::graphql;
use crate::http::{Web, serve};
use crate::ingest::Inbox;
use crate::jobs::Jobs;
use crate::providers::shopify::sandbox::{Sandbox, SandboxConfig};
use crate::queue::{Worker, WorkerOptions};
use crate::store::{Database, Tenant, migrate_up};
use secrets::Secrets;

/// The store that is connected.
const SHOP: &str = "aurora-goods.myshopify.com";
/// The user who connects it.
const EMAIL: &str = "demo@example.com";
/// The database inside the cluster.
const DATABASE: &str = "kpis";
/// The sandbox's one app.
const API_KEY: &str = "sandbox-app";

/// Where the demo keeps its data and where it listens.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The port to listen on; each has its own data. LISTEN_ADDR decides where it is left out, else 8080
    #[arg(long)]
    port: Option<u16>,
    /// The folder of the demo's data
    #[arg(long, default_value = ".data")]
    data_dir: PathBuf,
    /// Throw away what an earlier demo on this port left
    #[arg(long)]
    fresh: bool,
}

pub(super) async fn run(options: Options) -> Result<(), CommandError> {
    let started = Instant::now();
    let stop = signal::stop_when_told();
    let listen = listen_address(&options)?;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        CommandError::Failed(format!(
            "{listen} can't be listened on: {error}. Choose another port with --port."
        ))
    })?;
    let listen = listener.local_addr().unwrap_or(listen);
    let home = options.data_dir.join(listen.port().to_string());
    if options.fresh {
        secrets::forget(&home)?;
    }

    let mut settings = Settings::from_environment();
    let cluster = if settings.names_a_database() {
        step("database    the one that DATABASE_URL names");
        None
    } else {
        Some(start_cluster(&options, &home, settings.postgres_programs()).await?)
    };
    let secrets = Secrets::of(&home)?;
    let sandbox = start_sandbox(&secrets, listen).await?;
    let url = |role: &str| cluster.as_ref().map(|cluster| cluster.url(role, DATABASE));
    let defaults = [
        ("DATABASE_URL", url("api")),
        ("WORKER_DATABASE_URL", url("worker")),
        ("MIGRATION_DATABASE_URL", url(OWNER)),
        ("JWT_SECRET", Some(secrets.jwt_secret.clone())),
        ("ENCRYPTION_KEYS", Some(secrets.encryption_keys.clone())),
        ("SYNC_FRESH_EVERY", Some("30s".to_owned())),
        ("RUST_LOG", Some("warn,server::queue=error".to_owned())),
    ];
    let fixed = [
        ("LISTEN_ADDR", listen.to_string()),
        ("SHOPIFY_API_KEY", API_KEY.to_owned()),
        ("SHOPIFY_API_SECRET", secrets.shopify_api_secret.clone()),
        ("SHOPIFY_BASE_URL", format!("http://{sandbox}/{{shop}}")),
    ];
    let defaults = HashMap::from_iter(defaults.into_iter().filter_map(|(name, value)| Some((name, value?))));
    settings = Settings::from_environment_with(HashMap::from(fixed), defaults);
    logging::start(&mut settings);

    let running = start_server(settings, listener, &stop).await?;
    let shown = async {
        let tour = tour::Tour::new(&running.address, outbound()?);
        let tenant = open_demo_account(&running.database, &secrets).await?;
        tour.sign_in_and_connect(EMAIL, &secrets.password, SHOP).await?;
        let token = secrets::api_token(&home, &running.database, &tenant).await?;
        tour.wait_for_first_sync(&token).await?;
        tour.print_welcome(EMAIL, &secrets.password, &token, started.elapsed())
            .await
    };
    tokio::select! {
        shown = shown => shown?,
        () = stop.cancelled() => {}
    }
    stop.cancelled().await;
    eprintln!();
    step("stopping    runs in progress finish their page");
    for task in running.tasks {
        // A task that ended badly has said so in the log; the others still stop in order.
        let _ = task.await;
    }
    if let Some(cluster) = cluster {
        tokio::task::spawn_blocking(move || cluster.stop())
            .await
            .map_err(|error| CommandError::Failed(error.to_string()))?
            .map_err(|error| CommandError::Failed(error.to_string()))?;
    }
    Ok(())
}

fn listen_address(options: &Options) -> Result<SocketAddr, CommandError> {
    let mut settings = Settings::from_environment();
    let http = settings.http();
    let mut listen = settings.finish(http.listen)?;
    if let Some(port) = options.port {
        listen.set_port(port);
    }
    Ok(listen)
}

async fn start_cluster(options: &Options, home: &Path, bin_dir: Option<PathBuf>) -> Result<Cluster, CommandError> {
    let cluster_options = ClusterOptions {
        bin_dir,
        more_bin_dirs: vec![options.data_dir.join("postgresql/bin")],
        on_step: Some(Box::new(|step| eprintln!("  {step}"))),
        ..ClusterOptions::new(home.join("postgres"))
    };
    let fresh = options.fresh;
    let cluster = tokio::task::spawn_blocking(move || {
        if fresh {
            Cluster::erase(&cluster_options)?;
        }
        Cluster::start(&cluster_options)
    })
    .await
    .map_err(|error| CommandError::Failed(error.to_string()))?
    .map_err(|error| CommandError::Failed(error.to_string()))?;
    cluster
        .create_database(DATABASE, None)
        .await
        .map_err(|error| CommandError::Failed(error.to_string()))?;
    step("database    a PostgreSQL of its own");
    Ok(cluster)
}

async fn start_sandbox(secrets: &Secrets, listen: SocketAddr) -> Result<SocketAddr, CommandError> {
    let clock = Clock::system();
    let api_secret = SecretString::from(secrets.shopify_api_secret.as_str());
    let sandbox = Sandbox::new(SandboxConfig {
        compliance_uri: Some(format!("http://{listen}/api/webhooks/shopify")),
        ..SandboxConfig::new(API_KEY, api_secret, Arc::new(move || clock.now()))
    });
    let no_socket = |error| CommandError::Failed(format!("the sandbox found no free port: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_socket)?;
    let address = listener.local_addr().map_err(no_socket)?;
    tokio::spawn(sandbox.clone().deliver());
    tokio::spawn(async move { axum::serve(listener, sandbox.router()).await });
    step(&format!(
        "sandbox     a Shopify with 90 days of orders, on http://{address}"
    ));
    Ok(address)
}

/// The API and the worker, started.
struct Running {
    address: String,
    database: Database,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

async fn start_server(
    mut settings: Settings,
    listener: TcpListener,
    stop: &CancellationToken,
) -> Result<Running, CommandError> {
    let parts = (
        (
            settings.web_database(),
            settings.worker_database(),
            settings.migration_database(),
        ),
        settings.http(),
        settings.auth(),
        settings.encryption(),
        settings.shopify(),
        settings.sync(),
    );
    let ((web, worker, owner), http, auth, encryption, shopify, sync) = settings.finish(parts)?;
    let migrated = migrate_up(&owner).await?;
    if !migrated.is_empty() {
        step(&format!("schema      {} migrations", migrated.len()));
    }
    let clock = Clock::system();
    let web_database = Database::connect_web(&web).await?;
    let worker_database = Database::connect_worker(&worker).await?;
    let app = |database: &Database| {
        App::production(
            database.clone(),
            clock.clone(),
            &encryption,
            shopify.clone(),
            http.public_url.clone(),
        )
    };
    let (web_app, worker_app) = (app(&web_database)?, app(&worker_database)?);

    let web = Web {
        schema: graphql::build(&web_app),
        inbox: Inbox::open(&web_database),
        gate: Gate::new(auth, web_database.clone(), clock.clone(), outbound()?),
        app: web_app,
    };
    let told = stop.clone();
    let serving = tokio::spawn(async move {
        if let Err(error) = serve(web, listener, async move { told.cancelled().await }).await {
            tracing::error!(%error, "serving ended");
        }
    });
    let worker = Worker::new(worker_database, Jobs::new(worker_app, sync), WorkerOptions::default());
    let working = tokio::spawn(worker.run(stop.clone()));
    Ok(Running {
        address: format!("http://{}", http.listen),
        database: web_database,
        tasks: vec![serving, working],
    })
}

async fn open_demo_account(database: &Database, secrets: &Secrets) -> Result<Tenant, CommandError> {
    if let Some(login) = database.system().find_login(EMAIL).await? {
        return Ok(login.tenant);
    }
    let account = check_account("Aurora Goods", "USD", "America/New_York")?;
    let password = SecretString::from(secrets.password.as_str());
    let owner = FirstUser {
        email: EMAIL,
        name: "Demo",
        password: Some(&password),
    };
    let opened = open_account(database, &account, &owner).await?;
    step(&format!(
        "account     Aurora Goods, in USD, days of New York; user {EMAIL}"
    ));
    Ok(opened.tenant)
}

/// A line about something that is done, for the person who waits.
fn step(line: &str) {
    eprintln!("✓ {line}");
}
