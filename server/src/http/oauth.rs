//! Connecting a store in a browser: `GET /api/connect/shopify?shop=…` sends it to Shopify, and Shopify sends it back to
//! `/api/connect/shopify/callback`. Both answer with pages, since a person looks at them.

use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::Web;
use crate::access::{AccessError, Action};
use crate::connections::{self, ConnectError};
use crate::providers::contract::ProviderError;
use crate::store::StoreError;

/// The cookie by which the browser that comes back is known to be the one that went.
const BROWSER_COOKIE: &str = "connect_browser";
/// As long as the state lives, in seconds.
const BROWSER_COOKIE_SECONDS: u32 = 600;

/// What the beginning is asked with.
#[derive(Deserialize)]
pub(crate) struct Begin {
    shop: Option<String>,
}

/// Sends a signed-in owner or admin to the store's page at Shopify. One who is known by the session cookie gets a cookie
/// that must come back; a program with a bearer token has no browser to bind.
pub(crate) async fn begin_shopify(State(web): State<Web>, headers: HeaderMap, Query(begin): Query<Begin>) -> Response {
    let viewer = match web.gate.viewer(&headers).await {
        Ok(viewer) => viewer,
        Err(error) => return no_access(&error),
    };
    if !viewer.may(Action::ManageConnections) {
        return failed(
            StatusCode::FORBIDDEN,
            "A store is connected by an owner or an admin of the account, or by a program with such a token.",
        );
    }
    let browser = viewer.via_cookie().then(connections::unguessable);
    let shop = begin.shop.unwrap_or_default();
    let begun = connections::begin(&web.app, &viewer.tenant(), viewer.user_id(), &shop, browser.as_deref()).await;
    match begun {
        Ok(url) => {
            let mut response = Redirect::to(url.as_str()).into_response();
            if let Some(browser) = browser {
                set_browser_cookie(&mut response, &web.app.public_url, &browser, BROWSER_COOKIE_SECONDS);
            }
            response
        }
        Err(error) => not_connected(&error),
    }
}

/// Takes the browser back from Shopify and tells what came of it.
pub(crate) async fn finish_shopify(State(web): State<Web>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query: Vec<(String, String)> = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let cookies = CookieJar::from_headers(&headers);
    let browser = cookies.get(BROWSER_COOKIE).map(|cookie| cookie.value());
    let mut response = match connections::finish(&web.app, &query, browser).await {
        Ok(connected) => page(
            StatusCode::OK,
            &format!("{} is connected", connected.shop_name),
            &format!(
                "{} is linked to this account, and its first sync has begun: the last seven days will be there in a \
                 few minutes.",
                connected.shop_domain
            ),
            Some(&web.app.public_url),
        ),
        Err(error) => not_connected(&error),
    };
    if browser.is_some() {
        set_browser_cookie(&mut response, &web.app.public_url, "", 0);
    }
    response
}

fn set_browser_cookie(response: &mut Response, public_url: &Url, value: &str, seconds: u32) {
    let base = public_url.path().trim_end_matches('/');
    let secure = if public_url.scheme() == "https" { "; Secure" } else { "" };
    let cookie =
        format!("{BROWSER_COOKIE}={value}; Path={base}/api/connect; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn no_access(error: &AccessError) -> Response {
    match error {
        AccessError::Unauthenticated | AccessError::Forged => {
            failed(StatusCode::UNAUTHORIZED, "Sign in first, then connect the store again.")
        }
        AccessError::Store(_) | AccessError::NoKeys => {
            tracing::error!(%error, "nobody can be recognised");
            failed(StatusCode::SERVICE_UNAVAILABLE, OURS)
        }
    }
}

const OURS: &str = "Something is wrong on our side. Try again in a few minutes.";

/// The page for a store that was not connected; the one place where this failure is logged.
fn not_connected(error: &ConnectError) -> Response {
    let sentence = error.to_string();
    match error {
        ConnectError::BadShop(_) | ConnectError::NotGenuine(_) => failed(StatusCode::BAD_REQUEST, &sentence),
        ConnectError::CurrencyDiffers { .. } | ConnectError::Taken => failed(StatusCode::CONFLICT, &sentence),
        ConnectError::Provider(ProviderError::Denied(_) | ProviderError::Reconnect(_)) => {
            failed(StatusCode::FORBIDDEN, &sentence)
        }
        ConnectError::Provider(ProviderError::Later { .. } | ProviderError::Retry(_)) => {
            tracing::warn!(%error, "a store could not be connected");
            failed(
                StatusCode::SERVICE_UNAVAILABLE,
                "Shopify does not answer at the moment. Begin again in a few minutes.",
            )
        }
        ConnectError::Provider(ProviderError::Broken(_)) => {
            tracing::error!(%error, "a store could not be connected");
            failed(StatusCode::BAD_GATEWAY, OURS)
        }
        ConnectError::Store(StoreError::Unavailable(_) | StoreError::Timeout(_)) => {
            tracing::error!(%error, "a store could not be connected");
            failed(StatusCode::SERVICE_UNAVAILABLE, OURS)
        }
        ConnectError::Store(_) | ConnectError::Cipher(_) => {
            tracing::error!(%error, "a store could not be connected");
            failed(StatusCode::INTERNAL_SERVER_ERROR, OURS)
        }
    }
}

fn failed(status: StatusCode, sentence: &str) -> Response {
    page(status, "The store is not connected", sentence, None)
}

/// A page of a heading, a paragraph and, at the end of the road, a way on. It loads nothing and tells nobody where it
/// was: the address of the callback is not for others.
fn page(status: StatusCode, heading: &str, sentence: &str, onward: Option<&Url>) -> Response {
    let (heading, sentence) = (escaped(heading), escaped(sentence));
    let onward = onward.map_or_else(String::new, |url| {
        format!("<p><a href=\"{}\">Go to the dashboard</a></p>", escaped(url.as_str()))
    });
    let html = format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{heading}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1>{heading}</h1>
<p>{sentence}</p>
{onward}
</main>
</body>
</html>
"
    );
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    (status, headers, Html(html)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a page");
        String::from_utf8(body.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn what_somebody_typed_is_shown_as_text() {
        let error = ConnectError::BadShop("“<script>alert('x')</script>” is no store".to_owned());
        let response = not_connected(&error);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let html = body(response).await;
        assert!(
            html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
            "{html}"
        );
        assert!(!html.contains("<script"));
    }

    #[tokio::test]
    async fn a_failure_of_ours_is_told_without_its_text() {
        let error = ConnectError::Store(StoreError::Broken("canary".to_owned()));
        let response = not_connected(&error);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body(response).await.contains("canary"));
    }

    #[test]
    fn every_refusal_has_its_status() {
        let currency = |code: &str| code.parse().expect("a currency");
        let differs = ConnectError::CurrencyDiffers {
            shop: "A store".to_owned(),
            shop_currency: currency("USD"),
            account_currency: currency("EUR"),
        };
        let sentence = differs.to_string();
        assert!(sentence.contains("USD") && sentence.contains("EUR"), "{sentence}");
        let provider = |error| ConnectError::Provider(error);
        let cases = [
            (differs, 409),
            (ConnectError::Taken, 409),
            (ConnectError::NotGenuine(String::new()), 400),
            (provider(ProviderError::Denied(String::new())), 403),
            (provider(ProviderError::Retry(String::new())), 503),
            (provider(ProviderError::Broken(String::new())), 502),
            (ConnectError::Store(StoreError::LeaseLost), 500),
        ];
        for (error, status) in cases {
            assert_eq!(not_connected(&error).status().as_u16(), status, "{error:?}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_round_trip_alone() {
        let cookie = |public_url: &str| {
            let mut response = failed(StatusCode::OK, "");
            set_browser_cookie(&mut response, &public_url.parse().expect("an address"), "v", 600);
            let cookie = response.headers()[header::SET_COOKIE].to_str().expect("text");
            cookie.to_owned()
        };
        assert_eq!(
            cookie("https://kpi.example.com"),
            "connect_browser=v; Path=/api/connect; Max-Age=600; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            cookie("http://127.0.0.1:8080/kpi"),
            "connect_browser=v; Path=/kpi/api/connect; Max-Age=600; HttpOnly; SameSite=Lax"
        );
    }
}
