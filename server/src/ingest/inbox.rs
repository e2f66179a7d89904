//! Where deliveries are handed in: stored before they are acknowledged, and many at once without anybody waiting for
//! the others.
//!
//! ```text
//! handler ─┐                        ┌─ writer ─▶ one statement ─▶ each handler is answered
//! handler ─┼─▶ a line, of limits ─▶ ┤
//! handler ─┘                        └─ writer ─▶ …
//! ```
//!
//! A writer takes whatever stands in line. While it writes the next ones line up, so a batch is as large as the load
//! asks for: one delivery when it is quiet, and then at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::domain::webhook::{Acceptance, Delivery};
use crate::store::{Database, StoreError};

/// Tasks that write. More would only make the batches smaller.
const WRITERS: usize = 2;
/// Deliveries in one statement at most.
const BATCH: usize = 128;
/// Deliveries in line at most; then handlers wait to get in line.
const LINE: usize = 1024;
/// How long a database that just went away is asked again. A connection that died in the pool is noticed only in use.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause before asking again.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes deliveries. Cheap to clone; all clones share one line.
#[derive(Clone, Debug)]
pub struct Inbox {
    line: Sender<Waiting>,
    writers: TaskTracker,
}

/// Why a delivery was not stored, or may not have been. The sender must send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// The database is away or slow.
    #[error("the database can't be reached")]
    Unavailable,
    /// The database does not take this delivery; the log says why.
    #[error("the delivery can't be stored")]
    Broken,
}

#[derive(Debug)]
struct Waiting {
    delivery: Delivery,
    answer: oneshot::Sender<Result<Acceptance, InboxError>>,
}

impl Inbox {
    /// Starts the writers, which end once every clone is gone and the line is empty.
    pub fn open(database: &Database) -> Self {
        let (line, waiting) = mpsc::channel(LINE);
        let waiting = Arc::new(Mutex::new(waiting));
        let writers = TaskTracker::new();
        for _ in 0..WRITERS {
            writers.spawn(write(database.clone(), waiting.clone()));
        }
        writers.close();
        Self { line, writers }
    }

    /// Stores a delivery: what is answered is committed. Whoever stops waiting takes nothing back that stands in line.
    pub async fn accept(&self, delivery: Delivery) -> Result<Acceptance, InboxError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { delivery, answer };
        self.line.send(waiting).await.map_err(|_| InboxError::Broken)?;
        answered.await.unwrap_or(Err(InboxError::Broken))
    }

    /// Done once the last delivery in line is written, if this is the last clone.
    pub async fn close(self) {
        drop(self.line);
        self.writers.wait().await;
    }
}

async fn write(database: Database, line: Arc<Mutex<Receiver<Waiting>>>) {
    let mut batch = Vec::with_capacity(BATCH);
    // Only one writer waits at the end of the line; the others write, or wait for their turn.
    while line.lock().await.recv_many(&mut batch, BATCH).await > 0 {
        let (deliveries, answers): (Vec<Delivery>, Vec<_>) = batch
            .drain(..)
            .map(|waiting: Waiting| (waiting.delivery, waiting.answer))
            .unzip();
        for (result, answer) in store(&database, &deliveries).await.into_iter().zip(answers) {
            // A handler that does not wait any more has been given up by its sender, who will come again.
            let _ = answer.send(result);
        }
    }
}

/// Stores deliveries together; where one of them can't be stored, one by one, so that it harms no other.
async fn store(database: &Database, deliveries: &[Delivery]) -> Vec<Result<Acceptance, InboxError>> {
    let error = match insist(database, deliveries).await {
        Ok(acceptances) => return acceptances.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    match error {
        StoreError::Unavailable(_) | StoreError::Timeout(_) => {
            tracing::error!(%error, count = deliveries.len(), "deliveries could not be stored");
            vec![Err(InboxError::Unavailable); deliveries.len()]
        }
        _ if deliveries.len() == 1 => {
            let topic = deliveries[0].topic.as_str();
            tracing::error!(%error, topic, "a delivery can't be stored");
            vec![Err(InboxError::Broken)]
        }
        _ => {
            let mut results = Vec::with_capacity(deliveries.len());
            for delivery in deliveries {
                results.extend(Box::pin(store(database, std::slice::from_ref(delivery))).await);
            }
            results
        }
    }
}

/// Stores deliveries, also when the first connections that are tried turn out to be dead.
async fn insist(database: &Database, deliveries: &[Delivery]) -> Result<Vec<Acceptance>, StoreError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match database.system().accept_deliveries(deliveries).await {
            Err(StoreError::Unavailable(_)) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
}
