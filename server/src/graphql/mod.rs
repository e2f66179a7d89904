//! The public contract. One file per noun: its types, its queries, its mutations.
//!
//! ```text
//! http ──▶ Schema::execute ──▶ limits ──▶ guard (context.rs) ──▶ <noun>.rs ──▶ dashboards, queue, store
//!                └──────────────────────── error.rs ◀── whatever went wrong: a code, a trace id, one line in the log
//! ```
//!
//! Resolvers turn inputs into a query and reports or rows into types. There is no SQL here, no arithmetic, and no
//! account id that a caller could name: rows come from the [`TenantDb`](crate::store::TenantDb) of the caller alone.

mod context;
mod delivery;
mod error;
mod home;
mod integration;
mod kpi;
mod node;
mod order;
mod page;
mod period;
mod product;
mod scalars;
mod shopify;
mod sync;
mod viewer;

use std::sync::Arc;

use async_graphql::{
    Data, EmptySubscription, Executor, MergedObject, Request, Response, SDLExportOptions, SchemaBuilder,
};
use futures::stream::{BoxStream, StreamExt};

use crate::app::App;

pub use context::Caller;
pub use error::Code;

/// How deep fields may be nested. Introspection as tools send it needs 13.
const MAX_DEPTH: usize = 15;
/// The sum of all fields, those of a page times its size.
const MAX_COMPLEXITY: usize = 1000;
/// How deep selections may be nested while a document is read, before anything else is looked at.
const MAX_RECURSION: usize = 32;
/// Directives on one field.
const MAX_DIRECTIVES: usize = 5;

/// The entry points that read.
#[derive(MergedObject, Default)]
struct Query(
    viewer::ViewerQuery,
    home::HomeQuery,
    shopify::ShopifyQuery,
    order::OrderQuery,
    product::ProductQuery,
    sync::SyncQuery,
    integration::IntegrationQuery,
    delivery::DeliveryQuery,
    kpi::KpiQuery,
    node::NodeQuery,
);

/// The entry points that change something.
#[derive(MergedObject, Default)]
struct Mutation(sync::SyncMutation);

type Inner = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// The schema, ready to answer. Cheap to clone.
#[derive(Clone)]
pub struct Schema(Inner);

/// The schema over the parts of the program.
pub fn build(app: &App) -> Schema {
    Schema(builder().data(app.clone()).finish())
}

/// The schema as text, sorted, as it stands in `schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .prefer_single_line_descriptions()
        .use_space_ident();
    let mut text = builder().finish().sdl_with_options(options);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    let builder = Inner::build(Query::default(), Mutation::default(), EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .limit_recursive_depth(MAX_RECURSION)
        .limit_directives(MAX_DIRECTIVES)
        .disable_suggestions();
    node::register(page::describe_connections(builder))
}

impl Schema {
    /// Answers a request. Its data should hold a [`Caller`]: without one, all there is to learn is the schema itself.
    ///
    /// Every error of the answer has a code of the closed list [`Code`] and the caller's trace id; one that is ours and
    /// not the caller's is logged here and shows none of its text.
    pub async fn execute(&self, request: Request) -> Response {
        let trace_id = trace_id(&request);
        error::shield(self.0.execute(request).await, trace_id.as_deref())
    }
}

/// The way in for transports that also carry subscriptions.
impl Executor for Schema {
    async fn execute(&self, request: Request) -> Response {
        Self::execute(self, request).await
    }

    fn execute_stream(&self, request: Request, session_data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let trace_id = trace_id(&request);
        Executor::execute_stream(&self.0, request, session_data)
            .map(move |response| error::shield(response, trace_id.as_deref()))
            .boxed()
    }
}

fn trace_id(request: &Request) -> Option<String> {
    let caller = request.data.get(&std::any::TypeId::of::<Caller>())?;
    Some(caller.downcast_ref::<Caller>()?.trace_id.clone())
}

#[cfg(test)]
mod tests;
