//! The whole product on real parts: a database, the sandbox store and the API on real sockets, and a worker on demand.
//! A test acts in it as users do: over HTTP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use reqwest::{Client, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use server::access::Gate;
use server::accounts::{FirstUser, check_account, open_account};
use server::app::App;
use server::config::{AuthConfig, EncryptionConfig, JwtKeys, ShopifyConfig, SyncConfig};
use server::domain::clock::Clock;
use server::graphql;
use server::http::{Web, serve};
use server::ingest::Inbox;
use server::jobs::Jobs;
use server::providers::shopify::sandbox::{Sandbox, SandboxConfig};
use server::queue::{Worker, WorkerOptions};
use server::store::{Database, Tenant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::fixture::Fixture;

pub(crate) const JWT_SECRET: &str = "a secret that only the tests know, of good length";
pub(crate) const API_SECRET: &str = "the sandbox's secret";
pub(crate) const ENCRYPTION_KEY: [u8; 32] = [7; 32];
pub(crate) const AURORA: &str = "aurora-goods.myshopify.com";
pub(crate) const BERLIN: &str = "berlin-bikes.myshopify.com";
pub(crate) const KYOTO: &str = "kyoto-tea.myshopify.com";
pub(crate) const GULF: &str = "gulf-oud.myshopify.com";

/// The time of a world: it stands still until a test moves it.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<DateTime<Utc>>>);

impl Time {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    pub(crate) fn pass(&self, span: chrono::TimeDelta) {
        *self.0.lock().unwrap() += span;
    }
}

pub(crate) struct World {
    pub(crate) fixture: Fixture,
    pub(crate) sandbox: Sandbox,
    pub(crate) time: Time,
    /// The API's address.
    pub(crate) address: String,
    /// The sandbox's address.
    pub(crate) shopify: String,
    pub(crate) http: Client,
    /// What the app asks stores to grant.
    scopes: String,
    stop: CancellationToken,
}

/// A user of an account, signed in.
pub(crate) struct User {
    pub(crate) tenant: Tenant,
    pub(crate) bearer: String,
}

impl World {
    /// At this moment of the real world.
    pub(crate) async fn now() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a world that begins now")]
        let now = Utc::now();
        Self::at(now).await
    }

    /// At a moment of the test's choice.
    pub(crate) async fn at(now: DateTime<Utc>) -> Self {
        Self::with(now, |config| config).await
    }

    /// With a sandbox of the test's making.
    pub(crate) async fn with(now: DateTime<Utc>, tune: impl FnOnce(SandboxConfig) -> SandboxConfig) -> Self {
        Self::granting(server::config::SHOPIFY_SCOPES, now, tune).await
    }

    /// With an app that asks stores for these scopes.
    pub(crate) async fn granting(
        scopes: &str,
        now: DateTime<Utc>,
        tune: impl FnOnce(SandboxConfig) -> SandboxConfig,
    ) -> Self {
        let fixture = Fixture::new().await;
        let time = Time(Arc::new(Mutex::new(now)));
        let ticking = time.clone();
        let sandbox = Sandbox::new(tune(SandboxConfig {
            look_every: Duration::from_millis(20),
            retry_pause: Duration::from_millis(5),
            ..SandboxConfig::new("key", API_SECRET, Arc::new(move || ticking.now()))
        }));
        let shopify = listen(sandbox.router()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let http = client();
        let stop = CancellationToken::new();
        let world = Self {
            fixture,
            sandbox,
            time,
            address,
            shopify,
            http,
            scopes: scopes.to_owned(),
            stop,
        };

        let app = world.app(&world.fixture.web);
        let auth = AuthConfig {
            keys: JwtKeys::Secret(JWT_SECRET.into()),
            issuer: None,
            audience: None,
            account_claim: vec!["account_id".to_owned()],
        };
        let web = Web {
            schema: graphql::build(&app),
            inbox: Inbox::open(&world.fixture.web),
            gate: Gate::new(auth, world.fixture.web.clone(), world.clock(), world.http.clone()),
            app,
        };
        let told = world.stop.clone();
        tokio::spawn(async move { serve(web, listener, async move { told.cancelled().await }).await });
        world
    }

    /// Lets the stores deliver their webhooks from now on.
    pub(crate) fn deliver(&self) {
        let sandbox = self.sandbox.clone();
        let stop = self.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(sandbox.deliver()).await });
    }

    pub(crate) fn clock(&self) -> Clock {
        let ticking = self.time.clone();
        Clock::from_fn(move || ticking.now())
    }

    /// The parts of a process that works with this database.
    pub(crate) fn app(&self, database: &Database) -> App {
        let shopify = ShopifyConfig {
            api_key: "key".to_owned(),
            api_secrets: vec![API_SECRET.into()],
            scopes: self.scopes.clone(),
            api_version: server::config::SHOPIFY_API_VERSION.to_owned(),
            base_url: format!("{}/{{shop}}", self.shopify),
        };
        let keys = EncryptionConfig {
            keys: vec![("k1".to_owned(), ENCRYPTION_KEY)],
        };
        let public_url = self.address.parse().unwrap();
        App::production(database.clone(), self.clock(), &keys, shopify, public_url).unwrap()
    }

    /// Opens an account with its owner, signed in.
    pub(crate) async fn user(&self, name: &str, currency: &str, timezone: &str) -> User {
        let account = check_account(name, currency, timezone).unwrap();
        let email = format!("{}@example.com", name.to_lowercase());
        let password = SecretString::from("correct horse battery");
        let owner = FirstUser {
            email: &email,
            name,
            password: Some(&password),
        };
        let opened = open_account(&self.fixture.web, &account, &owner).await.unwrap();
        let login = json!({ "email": email, "password": "correct horse battery", "token": true });
        let answer = self
            .http
            .post(format!("{}/api/auth/login", self.address))
            .json(&login)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json().await.unwrap();
        User {
            tenant: opened.tenant,
            bearer: answer["token"].as_str().unwrap().to_owned(),
        }
    }

    /// Connects a store by the OAuth flow, as a browser goes through it; answers where that ended.
    pub(crate) async fn connect(&self, user: &User, shop: &str) -> reqwest::Response {
        let answer = self
            .http
            .get(format!("{}/api/connect/shopify", self.address))
            .query(&[("shop", shop)])
            .bearer_auth(&user.bearer)
            .send()
            .await
            .unwrap();
        // Most tests are about what the first fill brings; those about the rest ask for it.
        sqlx::query(
            "delete from sync_runs where trigger = 'connect' and status = 'queued'
                and job_type in ('shopify_products', 'shopify_customers', 'shopify_backfill')",
        )
        .execute(&self.fixture.owner)
        .await
        .unwrap();
        answer
    }

    /// A user with a connected store that has been synced once.
    pub(crate) async fn synced(&self, name: &str, currency: &str, timezone: &str, shop: &str) -> User {
        let user = self.user(name, currency, timezone).await;
        assert_eq!(self.connect(&user, shop).await.status(), StatusCode::OK);
        self.work().await;
        user
    }

    /// A worker like the one in production, that has not started.
    pub(crate) fn worker(&self) -> Worker<Jobs> {
        let sync = SyncConfig {
            fresh_every: Duration::from_secs(900),
            nightly_at: chrono::NaiveTime::MIN,
        };
        let options = WorkerOptions {
            poll: Duration::from_millis(20),
            housekeeping: Duration::from_secs(3600),
            ..WorkerOptions::default()
        };
        let database = self.fixture.worker.clone();
        Worker::new(database.clone(), Jobs::new(self.app(&database), sync), options)
    }

    /// Lets a worker work until nothing is queued or running that is due.
    pub(crate) async fn work(&self) {
        let stop = CancellationToken::new();
        let working = tokio::spawn(self.worker().run(stop.clone()));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while self.is_busy().await {
            assert!(
                tokio::time::Instant::now() < deadline,
                "the worker is not through after a minute"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        working.await.unwrap();
    }

    pub(crate) async fn is_busy(&self) -> bool {
        sqlx::query_scalar(
            "select exists (select from sync_runs
                             where status = 'running' or (status = 'queued' and scheduled_at < now() + interval '3 seconds'))",
        )
        .fetch_one(&self.fixture.owner)
        .await
        .unwrap()
    }

    /// Asks for both jobs of every store, and waits for them.
    pub(crate) async fn sync(&self, user: &User) {
        let links = self.ask(user, "{ integrations { id } }").await;
        for link in links["integrations"].as_array().unwrap() {
            let input = json!({ "input": { "integrationId": link["id"] } });
            let mutation =
                "mutation ($input: ManualSyncInput!) { manualSync(input: $input) { userErrors { message } } }";
            let done = self.ask_with(user, mutation, input).await;
            assert_eq!(done["manualSync"]["userErrors"], json!([]));
        }
        self.work().await;
    }

    /// The data of an answer that has no errors.
    pub(crate) async fn ask(&self, user: &User, query: &str) -> Value {
        self.ask_with(user, query, json!({})).await
    }

    pub(crate) async fn ask_with(&self, user: &User, query: &str, variables: Value) -> Value {
        let mut answer = self
            .post(&user.bearer, &json!({ "query": query, "variables": variables }))
            .await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].take()
    }

    /// The whole answer.
    pub(crate) async fn post(&self, bearer: &str, body: &Value) -> Value {
        let request = self
            .http
            .post(format!("{}/graphql", self.address))
            .bearer_auth(bearer)
            .json(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Whatever a run says of itself, the newest first.
    pub(crate) async fn runs(&self) -> Vec<(String, String, Option<String>)> {
        sqlx::query_as("select job_type, status, error_message from sync_runs order by created_at desc, job_type")
            .fetch_all(&self.fixture.owner)
            .await
            .unwrap()
    }

    /// The day in a time zone.
    pub(crate) fn today(&self, timezone: chrono_tz::Tz) -> NaiveDate {
        self.time.now().with_timezone(&timezone).date_naive()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A client whose cryptography is chosen, whichever test runs first.
pub(crate) fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

async fn listen(router: axum::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
