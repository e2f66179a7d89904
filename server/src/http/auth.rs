//! Sign-in for browsers: e-mail address and password become a session cookie, or a token for a program.
//!
//! The cookie is `HttpOnly` and `SameSite=Lax`, and `Secure` where the public address is `https`. What it may do
//! besides reading needs the header of [`CSRF_HEADER`]; signing out does too, so that no other site can do it.

use std::net::SocketAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{Extensions, HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::Web;
use super::error::Failure;
use super::media;
use super::trace::TraceId;
use crate::access::{CSRF_HEADER, PasswordError, SESSION_COOKIE, SESSION_HOURS, SignInError};
use crate::graphql::Code;

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: SecretString,
    /// Whether to answer with a token instead of a cookie.
    #[serde(default)]
    token: bool,
}

/// `POST /api/auth/login` with `{email, password, token?}`.
pub(super) async fn login(
    State(web): State<Web>,
    trace: TraceId,
    headers: HeaderMap,
    extensions: Extensions,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // Behind a proxy this is the proxy's address: then an e-mail address has one count for everybody.
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    match sign_in(&web, &headers, body, peer).await {
        Ok(response) => response,
        Err(failure) => failure.to_problem(&trace),
    }
}

async fn sign_in(
    web: &Web,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    peer: Option<std::net::IpAddr>,
) -> Result<Response, Failure> {
    // A form of another site can't send JSON, so nobody is signed in without wanting it.
    media::require_json(headers)?;
    let credentials: Credentials = serde_json::from_slice(&media::whole(body)?).map_err(|_| {
        Failure::new(
            Code::BadUserInput,
            "Send a JSON object with the texts `email` and `password`.",
        )
    })?;
    let signed_in = web
        .gate
        .sign_in(&credentials.email, &credentials.password, peer)
        .await?;
    let token = signed_in.token.expose_secret();
    if credentials.token {
        return Ok(no_store(Json(
            json!({ "token": token, "expiresIn": SESSION_HOURS * 3600 }),
        )));
    }
    let user = json!({ "userId": signed_in.member.user_id, "role": signed_in.member.role });
    let cookie = session_cookie(web, token, SESSION_HOURS * 3600);
    Ok(no_store((cookie, Json(user))))
}

/// `POST /api/auth/logout`: takes the cookie back.
pub(super) async fn logout(State(web): State<Web>, trace: TraceId, headers: HeaderMap) -> Response {
    if headers.get(CSRF_HEADER).is_none_or(|value| value != "1") {
        let message = "Signing out needs the header `X-CSRF: 1`.";
        return Failure::new(Code::Forbidden, message).to_problem(&trace);
    }
    no_store((StatusCode::NO_CONTENT, session_cookie(&web, "", 0)))
}

/// The cookie's header. The value is a signed token, whose characters a cookie may hold as they are; an empty one with
/// no seconds left takes the cookie back.
fn session_cookie(web: &Web, value: &str, seconds: i64) -> [(HeaderName, String); 1] {
    let secure = if web.app.public_url.scheme() == "https" {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    [(header::SET_COOKIE, cookie)]
}

fn no_store(response: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], response).into_response()
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        match &error {
            SignInError::Elsewhere => Self::new(Code::NotFound, error.to_string()),
            SignInError::Wrong => Self::new(Code::Unauthenticated, error.to_string()),
            SignInError::TooMany { retry_after } => Self {
                retry_after: u64::try_from(retry_after.num_seconds()).ok(),
                ..Self::new(Code::RateLimited, error.to_string())
            },
            SignInError::Password(PasswordError::Busy) => Self {
                retry_after: Some(5),
                ..Self::new(Code::RateLimited, error.to_string())
            },
            SignInError::Password(_) | SignInError::Unsigned => Self::internal(&error),
            SignInError::Store(store) => store.into(),
        }
    }
}
