//! `server serve`: the API, until it is told to stop.

use tokio::net::TcpListener;

use super::{CommandError, outbound, signal};
use crate::access::Gate;
use crate::app::App;
use crate::config::Settings;
use crate::domain::clock::Clock;
use crate::graphql;
use crate::http::{Web, serve};
use crate::ingest::Inbox;
use crate::store::Database;

pub(super) async fn run(mut settings: Settings) -> Result<(), CommandError> {
    let parts = (
        settings.web_database(),
        settings.http(),
        settings.auth(),
        settings.encryption(),
        settings.shopify(),
    );
    let (database, http, auth, encryption, shopify) = settings.finish(parts)?;
    let database = Database::connect_web(&database).await?;
    let pending = database.pending_migrations().await?;
    if !pending.is_empty() {
        let count = pending.len();
        let message =
            format!("The database lacks {count} migrations that this program needs; run `server migrate up`.");
        return Err(CommandError::Failed(message));
    }
    let clock = Clock::system();
    let app = App::production(database.clone(), clock.clone(), &encryption, shopify, http.public_url)?;
    let web = Web {
        schema: graphql::build(&app),
        inbox: Inbox::open(&database),
        gate: Gate::new(auth, database, clock, outbound()?),
        app,
    };
    let listener = TcpListener::bind(http.listen)
        .await
        .map_err(|error| CommandError::Failed(format!("{} can't be listened on: {error}", http.listen)))?;
    let address = listener.local_addr().unwrap_or(http.listen);
    tracing::info!("listening on http://{address}");
    serve(web, listener, signal::told_to_stop())
        .await
        .map_err(|error| CommandError::Failed(format!("serving ended: {error}")))
}
