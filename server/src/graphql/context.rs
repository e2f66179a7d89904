//! Who is asking, and the one transaction in which the answer is read.

use std::sync::Arc;

use async_graphql::{Context, Guard};
use tokio::sync::{Mutex, OnceCell};

use super::error::ApiError;
use crate::access::{Action, Viewer};
use crate::app::App;
use crate::domain::ids::{ActorKind, IntegrationId};
use crate::store::{IntegrationRow, SubscriptionRow, TenantDb};

/// The caller of a request: goes into its data, one for each request.
pub struct Caller {
    /// Who it is, and what they may do.
    pub viewer: Viewer,
    /// What the request is called in the log.
    pub trace_id: String,
    reading: Mutex<Option<Arc<TenantDb>>>,
    integrations: OnceCell<Vec<IntegrationRow>>,
    subscriptions: OnceCell<Vec<SubscriptionRow>>,
}

impl Caller {
    /// For one request.
    pub fn new(viewer: Viewer, trace_id: String) -> Self {
        Self {
            viewer,
            trace_id,
            reading: Mutex::new(None),
            integrations: OnceCell::new(),
            subscriptions: OnceCell::new(),
        }
    }

    /// The transaction that all fields of this request read in, opened when the first of them needs it.
    async fn reading(&self, app: &App) -> Result<Arc<TenantDb>, ApiError> {
        let mut reading = self.reading.lock().await;
        if let Some(db) = &*reading {
            return Ok(Arc::clone(db));
        }
        let db = Arc::new(app.database.read(&self.viewer.tenant()).await?);
        *reading = Some(Arc::clone(&db));
        Ok(db)
    }

    /// A transaction to write in. The one for reading is given back first: a request that held one connection while it
    /// waits for another could wait for itself. What is read afterwards sees what was written.
    async fn writing(&self, app: &App) -> Result<TenantDb, ApiError> {
        *self.reading.lock().await = None;
        Ok(app.database.write(&self.viewer.tenant()).await?)
    }

    /// Who did it, for the audit log.
    pub(super) fn actor(&self) -> (ActorKind, Option<String>) {
        match (self.viewer.user_id(), self.viewer.token_id()) {
            (Some(user), _) => (ActorKind::User, Some(user.to_string())),
            (None, Some(token)) => (ActorKind::ApiToken, Some(token.to_string())),
            (None, None) => (ActorKind::System, None),
        }
    }
}

/// The caller, or [`ApiError::Unauthenticated`].
pub(super) fn caller<'a>(context: &Context<'a>) -> Result<&'a Caller, ApiError> {
    context.data_opt::<Caller>().ok_or(ApiError::Unauthenticated)
}

/// The parts of the program.
pub(super) fn app<'a>(context: &Context<'a>) -> Result<&'a App, ApiError> {
    context
        .data_opt::<App>()
        .ok_or(ApiError::Internal("the schema was built without the program's parts"))
}

/// The caller's rows, to read.
pub(super) async fn reading(context: &Context<'_>) -> Result<Arc<TenantDb>, ApiError> {
    caller(context)?.reading(app(context)?).await
}

/// The caller's rows, to write.
pub(super) async fn writing(context: &Context<'_>) -> Result<TenantDb, ApiError> {
    caller(context)?.writing(app(context)?).await
}

/// The account's links, read once a request however many fields show them.
pub(super) async fn integrations<'a>(context: &Context<'a>) -> Result<&'a [IntegrationRow], ApiError> {
    let rows = caller(context)?
        .integrations
        .get_or_try_init(|| async { Ok::<_, ApiError>(reading(context).await?.integrations().await?) })
        .await?;
    Ok(rows)
}

/// One of the account's links.
pub(super) async fn integration<'a>(
    context: &Context<'a>,
    id: IntegrationId,
) -> Result<Option<&'a IntegrationRow>, ApiError> {
    Ok(integrations(context).await?.iter().find(|row| row.id == id))
}

/// The webhook subscriptions of one of the account's links: those of all are read once a request.
pub(super) async fn subscriptions<'a>(
    context: &Context<'a>,
    id: IntegrationId,
) -> Result<impl Iterator<Item = &'a SubscriptionRow>, ApiError> {
    let rows = caller(context)?
        .subscriptions
        .get_or_try_init(|| async { Ok::<_, ApiError>(reading(context).await?.subscriptions().await?) })
        .await?;
    Ok(rows.iter().filter(move |row| row.integration_id == id))
}

/// Lets a field be answered only to a caller who may do this.
pub(super) struct May(pub(super) Action);

impl Guard for May {
    async fn check(&self, context: &Context<'_>) -> async_graphql::Result<()> {
        if caller(context)?.viewer.may(self.0) {
            Ok(())
        } else {
            Err(ApiError::Forbidden(self.0).into())
        }
    }
}
