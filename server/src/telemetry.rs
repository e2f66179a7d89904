//! What is counted, for Prometheus: every name on one screen. A label is one of few words; a shop, an account or a
//! person never is one.
//!
//! Before [`install`] counting does nothing.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

const PROVIDER_QUESTIONS: &str = "provider_questions_total";
const PROVIDER_POINTS: &str = "provider_points_total";
const PROVIDER_WAIT: &str = "provider_wait_seconds";
const PAGES: &str = "sync_pages_total";
const RECORDS: &str = "sync_records_total";
const RUNS: &str = "sync_runs_total";
const RUN_SECONDS: &str = "sync_run_seconds";
const REQUESTS: &str = "http_requests_total";
const REQUEST_SECONDS: &str = "http_request_seconds";

/// Upper ends of the buckets of everything that is measured in seconds.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];
/// How often measurements are put into their buckets where nobody asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count, once in a process.
pub fn install() {
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS);
        let handle = match builder.map(PrometheusBuilder::install_recorder) {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) | Err(error) => {
                tracing::warn!(%error, "nothing is counted for /metrics");
                return None;
            }
        };
        describe();
        let kept = handle.clone();
        // A thread, because it outlives any runtime.
        let upkeep = std::thread::Builder::new().name("telemetry".to_owned());
        let _ = upkeep.spawn(move || {
            loop {
                std::thread::sleep(UPKEEP);
                kept.run_upkeep();
            }
        });
        Some(handle)
    });
}

/// Everything counted so far, as Prometheus reads it; empty before [`install`].
pub fn render() -> String {
    match HANDLE.get() {
        Some(Some(handle)) => handle.render(),
        _ => String::new(),
    }
}

fn describe() {
    describe_counter!(
        PROVIDER_QUESTIONS,
        "Questions put to a provider, by document and outcome"
    );
    describe_counter!(PROVIDER_POINTS, "Points that questions cost");
    describe_histogram!(PROVIDER_WAIT, "How long questions waited for points");
    describe_counter!(PAGES, "Pages written, by job");
    describe_counter!(RECORDS, "Records written, by job");
    describe_counter!(RUNS, "Times a run was worked on, by job and outcome");
    describe_histogram!(RUN_SECONDS, "How long a run was worked on, by job");
    describe_counter!(REQUESTS, "Requests answered, by method, route and status");
    describe_histogram!(REQUEST_SECONDS, "How long requests took, by route");
}

/// A question was put to a provider.
pub fn provider_asked(document: &'static str, outcome: &'static str, points: f64) {
    counter!(PROVIDER_QUESTIONS, "document" => document, "outcome" => outcome).increment(1);
    counter!(PROVIDER_POINTS, "document" => document).increment(points.max(0.0) as u64);
}

/// A question waited for its points.
pub fn provider_waited(span: Duration) {
    histogram!(PROVIDER_WAIT).record(span);
}

/// A page is in the tables.
pub fn page_written(job: &str, records: usize) {
    counter!(PAGES, "job" => job.to_owned()).increment(1);
    counter!(RECORDS, "job" => job.to_owned()).increment(records as u64);
}

/// A run was worked on for a while, and this came of it.
pub fn run_worked(job: &str, outcome: &'static str, span: Duration) {
    counter!(RUNS, "job" => job.to_owned(), "outcome" => outcome).increment(1);
    histogram!(RUN_SECONDS, "job" => job.to_owned()).record(span);
}

/// A request was answered. The route is the pattern, not the path.
pub fn request_answered(method: &str, route: &str, status: u16, span: Duration) {
    counter!(REQUESTS, "method" => method.to_owned(), "route" => route.to_owned(), "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_SECONDS, "route" => route.to_owned()).record(span);
}
