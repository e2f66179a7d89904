//! `server sandbox`: the sandbox providers alone, on one port.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::{CommandError, signal};
use crate::domain::clock::Clock;
use crate::providers::shopify::sandbox::{Sandbox, SandboxConfig};

/// Where it listens and which app it knows.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The address and port to listen on
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// The client id of the app that may connect
    #[arg(long, default_value = "sandbox-app")]
    api_key: String,
    /// Its client secret
    #[arg(long, default_value = "sandbox-secret")]
    api_secret: SecretString,
    /// Ask for consent on a page before an app is let in
    #[arg(long)]
    ask_consent: bool,
    /// Where webhooks of privacy law go, without the topic at its end, such as http://127.0.0.1:8080/api/webhooks/shopify
    #[arg(long)]
    compliance_url: Option<String>,
}

pub(super) async fn run(options: Options) -> Result<(), CommandError> {
    let clock = Clock::system();
    let sandbox = Sandbox::new(SandboxConfig {
        ask_consent: options.ask_consent,
        compliance_uri: options.compliance_url,
        ..SandboxConfig::new(&options.api_key, options.api_secret, Arc::new(move || clock.now()))
    });
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| CommandError::Failed(format!("{} can't be listened on: {error}", options.listen)))?;
    let address = listener.local_addr().unwrap_or(options.listen);
    println!("SHOPIFY_BASE_URL=http://{address}/{{shop}}");
    println!("SHOPIFY_API_KEY={}", options.api_key);
    for shop in sandbox.shops() {
        println!("store  {}  {}  {}", shop.domain, shop.currency, shop.timezone);
    }
    tokio::spawn(sandbox.clone().deliver());
    axum::serve(listener, sandbox.router())
        .with_graceful_shutdown(signal::told_to_stop())
        .await
        .map_err(|error| CommandError::Failed(format!("serving ended: {error}")))
}
