//! The way a newcomer goes, taken over HTTP: sign in, connect a store, wait for its numbers, ask a first question.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::super::CommandError;
use super::step;

/// How long the first sync may take before the demo stops waiting for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The question that the demo ends with.
const FIRST_QUERY: &str = "{ homeDashboard(range: {preset: LAST_7_DAYS}) { currencyCode kpis { revenueNet { value } orders { value } aov { value } refunds { value } } } }";

pub(super) struct Tour<'a> {
    address: &'a str,
    client: Client,
}

impl<'a> Tour<'a> {
    pub(super) fn new(address: &'a str, client: Client) -> Self {
        Self { address, client }
    }

    /// Signs in, and connects the store if it is not. A sandbox that was stopped has forgotten where to send webhooks, so
    /// a store that was connected before is set up again.
    pub(super) async fn sign_in_and_connect(
        &self,
        email: &str,
        password: &str,
        shop: &str,
    ) -> Result<(), CommandError> {
        let credentials = json!({ "email": email, "password": password, "token": true });
        let login = self
            .client
            .post(self.url("/api/auth/login"))
            .json(&credentials)
            .send()
            .await;
        let answer = self.read("signing in", login).await?;
        let bearer = answer["token"].as_str().unwrap_or_default().to_owned();

        let connected = self.ask(&bearer, "{ integrations { id externalId status } }").await?;
        let mut links = connected["integrations"].as_array().into_iter().flatten();
        let link = links.find(|link| link["externalId"] == shop && link["status"] == "CONNECTED");
        if let Some(id) = link.and_then(|link| link["id"].as_str()) {
            let set_up = format!(
                "mutation {{ manualSync(input: {{ integrationId: \"{id}\", jobs: [SHOPIFY_SETUP] }}) {{ runs {{ id }} }} }}"
            );
            self.ask(&bearer, &set_up).await?;
        } else {
            // The client follows the redirects to the store's consent and back, as a browser does.
            let begin = self
                .client
                .get(self.url("/api/connect/shopify"))
                .query(&[("shop", shop)]);
            let answer = begin
                .bearer_auth(&bearer)
                .send()
                .await
                .map_err(failed("connecting the store"))?;
            if !answer.status().is_success() {
                let status = answer.status();
                return Err(CommandError::Failed(format!(
                    "The store could not be connected ({status})."
                )));
            }
        }
        step(&format!("store       {shop}, connected by OAuth"));
        Ok(())
    }

    /// Waits until the orders of every store are in.
    pub(super) async fn wait_for_first_sync(&self, token: &SecretString) -> Result<(), CommandError> {
        let question =
            "{ syncStatus { status dataFreshTo lastError { message } currentRun { progress { pages records } } } }";
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(token.expose_secret(), question).await?;
            let links = answer["syncStatus"].as_array().cloned().unwrap_or_default();
            if !links.is_empty() && links.iter().all(|link| link["dataFreshTo"].is_string()) {
                step("sync        the last 7 days are in");
                return Ok(());
            }
            if let Some(why) = links.iter().find_map(|link| link["lastError"]["message"].as_str()) {
                eprintln!("  {why}");
            }
            if tokio::time::Instant::now() > deadline {
                return Err(CommandError::Failed(
                    "The first sync is not through after two minutes; the log says why (RUST_LOG=info).".to_owned(),
                ));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The URLs, the sign-in and a first question with its answer.
    pub(super) async fn print_welcome(
        &self,
        email: &str,
        password: &str,
        token: &SecretString,
        took: Duration,
    ) -> Result<(), CommandError> {
        let token = token.expose_secret();
        let answer = self.ask(token, FIRST_QUERY).await?;
        let address = self.address;
        println!();
        println!(
            "Ready after {:.1} s. Ctrl-C stops it; the data stays.",
            took.as_secs_f64()
        );
        println!();
        println!("  GraphQL   POST {address}/graphql");
        println!("  Schema    {address}/schema.graphql");
        println!("  Health    {address}/api/health-lite");
        println!("  Sign-in   {email}  {password}");
        println!("  Token     {token}");
        println!();
        println!("Net sales of the last 7 days:");
        println!();
        println!("  curl -s {address}/graphql -H 'Content-Type: application/json' \\");
        println!("    -H 'Authorization: Bearer {token}' \\");
        println!("    -d '{}'", json!({ "query": FIRST_QUERY }));
        println!();
        println!("  {}", json!({ "data": answer }));
        println!();
        Ok(())
    }

    async fn ask(&self, bearer: &str, query: &str) -> Result<Value, CommandError> {
        let request = self.client.post(self.url("/graphql")).bearer_auth(bearer);
        let answer = request.json(&json!({ "query": query })).send().await;
        let mut answer = self.read("asking the API", answer).await?;
        if let Some(message) = answer["errors"][0]["message"].as_str() {
            return Err(CommandError::Failed(format!("The API answered: {message}")));
        }
        Ok(answer["data"].take())
    }

    async fn read(&self, doing: &str, answer: reqwest::Result<reqwest::Response>) -> Result<Value, CommandError> {
        let answer = answer.map_err(failed(doing))?;
        match answer.status() {
            StatusCode::OK => answer.json().await.map_err(failed(doing)),
            status => Err(CommandError::Failed(format!(
                "{doing} failed ({status}). If an earlier demo is in the way, start with --fresh."
            ))),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }
}

fn failed(doing: &str) -> impl FnOnce(reqwest::Error) -> CommandError {
    move |error| CommandError::Failed(format!("{doing} failed: {}", error.without_url()))
}
