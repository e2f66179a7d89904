//! The one way out: a client that follows no redirect, never waits for ever and reads no answer without an end.
//!
//! A redirect would carry a token to wherever it points, so it comes back as the answer that it is. Failures are told
//! without the address, which could hold something secret.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{ACCEPT_ENCODING, RANGE};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use url::Url;

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole call may take, to the last byte of its answer; of a file, each piece.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// The client for calls to providers. Cheap to clone; the connections are shared.
#[derive(Debug, Clone)]
pub struct Http {
    calls: reqwest::Client,
    /// For answers of any length.
    downloads: reqwest::Client,
}

/// An answer as it came, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The status, redirects included.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// All of the body.
    pub body: Bytes,
}

/// A file on its way, piece by piece.
#[derive(Debug)]
pub struct Download {
    /// The status, redirects included.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: reqwest::Response,
}

impl Download {
    /// The next piece; none behind the last one.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, NoAnswer> {
        self.body.chunk().await.map_err(unreachable)
    }
}

/// Why there is no answer. The text completes the sentence "the call failed: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No connection, no answer in time, or one that broke off.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is longer than anything that was asked for.
    #[error("the answer is longer than {} MB", MAX_BODY / 1024 / 1024)]
    TooLong,
}

impl Http {
    /// A client with its own pool of connections. Fails where the machine's certificates can't be loaded.
    pub fn new() -> Result<Self, reqwest::Error> {
        // Somebody may have installed one before; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(concat!("commerce-kpis/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            calls: builder().timeout(CALL_TIMEOUT).build()?,
            downloads: builder().read_timeout(CALL_TIMEOUT).no_gzip().build()?,
        })
    }

    /// Begins to read a file, from its byte `from` on where the server can do that. Sends nothing along.
    pub async fn download(&self, url: Url, from: u64) -> Result<Download, NoAnswer> {
        let mut request = self.downloads.get(url).header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let body = request.send().await.map_err(unreachable)?;
        Ok(Download {
            status: body.status(),
            headers: body.headers().clone(),
            body,
        })
    }

    /// Posts `body` as JSON and reads the answer.
    pub async fn post_json(
        &self,
        url: Url,
        headers: HeaderMap,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<Answer, NoAnswer> {
        let request = self.calls.post(url).headers(headers).json(body);
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let headers = response.headers().clone();
        let length = response.content_length().unwrap_or(0).min(MAX_BODY as u64);
        let mut read = Vec::with_capacity(length as usize);
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if read.len() + chunk.len() > MAX_BODY {
                return Err(NoAnswer::TooLong);
            }
            read.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            body: read.into(),
        })
    }
}

fn unreachable(error: reqwest::Error) -> NoAnswer {
    let what = if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection could be made"
    } else {
        "the connection broke off"
    };
    NoAnswer::Unreachable(what.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::post;

    use super::*;

    async fn serve(router: Router) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/").parse().expect("an address")
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let router = Router::new()
            .route("/", post(|| async { Redirect::temporary("/elsewhere") }))
            .route("/elsewhere", post(|| async { "followed" }));
        let http = Http::new().expect("a client");
        let answer = http
            .post_json(serve(router).await, HeaderMap::new(), "hello")
            .await
            .expect("an answer");
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
        assert!(answer.body.is_empty());
    }

    #[tokio::test]
    async fn an_endless_answer_is_given_up() {
        let endless = || async {
            let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 20])));
            axum::body::Body::from_stream(chunks)
        };
        let http = Http::new().expect("a client");
        let answer = http
            .post_json(
                serve(Router::new().route("/", post(endless))).await,
                HeaderMap::new(),
                "hello",
            )
            .await;
        assert_eq!(answer.expect_err("too long"), NoAnswer::TooLong);
    }

    #[tokio::test]
    async fn a_failure_does_not_tell_the_address() {
        let http = Http::new().expect("a client");
        let url = "http://127.0.0.1:9/?canary".parse().expect("an address");
        let failure = http
            .post_json(url, HeaderMap::new(), "hello")
            .await
            .expect_err("nobody listens there");
        assert!(!format!("{failure:?} {failure}").contains("canary"));
    }
}
