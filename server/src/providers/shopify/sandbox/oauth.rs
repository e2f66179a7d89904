//! Installing an app: the authorisation page, and the endpoint that hands out tokens.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::Mac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use url::Url;
use url::form_urlencoded::{self, byte_serialize};

use super::admin::{apply, not_found, pause};
use super::faults::{FaultKind, Target};
use super::token::{ACCESS_SECONDS, Pair, REFRESH_SECONDS, keyed};
use super::{Sandbox, SandboxConfig, shops};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const OFFLINE_TOKEN: &str = "urn:shopify:params:oauth:token-type:offline-access-token";

/// `GET /admin/oauth/authorize`: sends the merchant back to the app with a code, after a question if it is wished.
pub(crate) async fn authorize(
    State(sandbox): State<Sandbox>,
    Path(shop): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    pause(&sandbox).await;
    let Some(shop) = shops::find(&shop) else {
        return not_found();
    };
    let config = &sandbox.inner.config;
    let value = |name: &str| {
        query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    if value("client_id") != Some(config.api_key.as_str()) {
        return refused("invalid_request: Could not find an application with this client_id.");
    }
    let target = value("redirect_uri").and_then(|uri| Url::parse(uri).ok());
    let Some(mut target) = target.filter(|target| matches!(target.scheme(), "http" | "https")) else {
        return refused("invalid_request: The redirect_uri is missing or not whitelisted.");
    };
    if value("grant_options[]").is_some_and(|option| !option.is_empty()) {
        return refused("invalid_request: The sandbox hands out offline tokens only: leave grant_options[] empty.");
    }
    let scopes = granted_scopes(value("scope").unwrap_or_default());
    if (config.ask_consent || value("prompt") == Some("1")) && value("approve") != Some("1") {
        return Html(consent_page(shop.name, &scopes, &query)).into_response();
    }

    let now = sandbox.inner.now();
    let handle = shop.domain.split('.').next().unwrap_or_default();
    let mut answer = BTreeMap::from([
        ("code", sandbox.inner.mint().code(shop.domain, &scopes.join(","), now)),
        (
            "host",
            STANDARD_NO_PAD.encode(format!("admin.shopify.com/store/{handle}")),
        ),
        ("shop", shop.domain.to_owned()),
        ("timestamp", now.timestamp().to_string()),
    ]);
    if let Some(state) = value("state") {
        answer.insert("state", state.to_owned());
    }
    let seal = seal(
        &config.api_secret,
        answer.iter().map(|(key, value)| (*key, value.as_str())),
    );
    target
        .query_pairs_mut()
        .extend_pairs(&answer)
        .append_pair("hmac", &seal);
    (StatusCode::FOUND, [(header::LOCATION, String::from(target))]).into_response()
}

/// `POST /admin/oauth/access_token`: codes, refresh tokens and old tokens for new ones.
pub(crate) async fn access_token(
    State(sandbox): State<Sandbox>,
    Path(shop): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    pause(&sandbox).await;
    let Some(shop) = shops::find(&shop) else {
        return not_found();
    };
    let now = sandbox.inner.now();
    let fault = sandbox
        .inner
        .with_store(shop, now, |store| store.next_fault(Target::Token));
    let fault = match apply(fault).await {
        Ok(fault) => fault,
        Err(response) => return response,
    };
    let (status, answer) = exchange(&sandbox, shop.domain, &headers, &body);
    match fault {
        Some(FaultKind::DropConnection) => super::admin::broken_connection(),
        Some(FaultKind::MalformedJson) => super::admin::cut_off(&answer),
        _ => (status, Json(answer)).into_response(),
    }
}

fn exchange(sandbox: &Sandbox, shop: &str, headers: &HeaderMap, body: &str) -> (StatusCode, Value) {
    let form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let fields: BTreeMap<String, String> = if form {
        form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    } else {
        match serde_json::from_str::<BTreeMap<String, Value>>(body) {
            Ok(fields) => fields.into_iter().map(|(key, value)| (key, plain(value))).collect(),
            Err(_) => return refusal("invalid_request", "The body is not a JSON object."),
        }
    };
    let value = |name: &str| fields.get(name).map_or("", String::as_str);
    if !is_app(&sandbox.inner.config, value("client_id"), value("client_secret")) {
        let (_, answer) = refusal("invalid_client", "The client id or the client secret is wrong.");
        return (StatusCode::UNAUTHORIZED, answer);
    }
    let now = sandbox.inner.now();
    let mut mint = sandbox.inner.mint();
    let expiring = matches!(value("expiring"), "1" | "true");
    let pair = match value("grant_type") {
        "" | "authorization_code" => match mint.redeem(shop, value("code"), expiring, now) {
            Some(pair) => pair,
            None => {
                return refusal(
                    "invalid_request",
                    "The authorization code was not found or was already used.",
                );
            }
        },
        "refresh_token" => match mint.refresh(shop, value("refresh_token"), now) {
            Some(pair) => pair,
            None => {
                return refusal("invalid_grant", "The refresh token is invalid, expired or replaced.");
            }
        },
        TOKEN_EXCHANGE => {
            if value("subject_token_type") != OFFLINE_TOKEN
                || value("requested_token_type") != OFFLINE_TOKEN
                || !expiring
            {
                let message = "The sandbox exchanges a non-expiring offline token for an expiring one only.";
                return refusal("invalid_request", message);
            }
            match mint.migrate(shop, value("subject_token"), now) {
                Some(pair) => pair,
                None => {
                    return refusal("invalid_subject_token", "The token is not a living offline token.");
                }
            }
        }
        other => {
            return refusal(
                "unsupported_grant_type",
                &format!("The grant type {other} is not known."),
            );
        }
    };
    (StatusCode::OK, token_answer(pair))
}

fn token_answer(pair: Pair) -> Value {
    match pair.refresh {
        Some(refresh) => json!({
            "access_token": pair.access,
            "scope": pair.scopes,
            "expires_in": ACCESS_SECONDS,
            "refresh_token": refresh,
            "refresh_token_expires_in": REFRESH_SECONDS,
        }),
        None => json!({ "access_token": pair.access, "scope": pair.scopes }),
    }
}

/// The seal of a callback: HMAC-SHA256 in hex over the sorted parameters but the seal itself.
pub(crate) fn seal<'a>(secret: &SecretString, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let mut pairs: Vec<_> = parameters
        .filter(|(key, _)| !matches!(*key, "hmac" | "signature"))
        .collect();
    pairs.sort_unstable();
    let message: Vec<_> = pairs
        .into_iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    let mut mac = keyed(secret);
    mac.update(message.join("&").as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Scopes as Shopify grants them: the right to write swallows the right to read.
fn granted_scopes(asked: &str) -> Vec<String> {
    let asked: Vec<_> = asked
        .split([',', ' '])
        .map(str::trim)
        .filter(|scope| !scope.is_empty())
        .collect();
    let swallowed = |scope: &str| {
        scope
            .strip_prefix("read_")
            .is_some_and(|what| asked.contains(&format!("write_{what}").as_str()))
    };
    let mut granted: Vec<String> = Vec::new();
    for scope in asked.iter().filter(|scope| !swallowed(scope)) {
        if !granted.iter().any(|known| known == scope) {
            granted.push((*scope).to_owned());
        }
    }
    granted
}

fn is_app(config: &SandboxConfig, id: &str, secret: &str) -> bool {
    config.api_key == id && bool::from(config.api_secret.expose_secret().as_bytes().ct_eq(secret.as_bytes()))
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn refusal(error: &str, description: &str) -> (StatusCode, Value) {
    (
        StatusCode::BAD_REQUEST,
        json!({ "error": error, "error_description": description }),
    )
}

fn refused(message: &str) -> Response {
    let page = page("Oauth error", &format!("<p>Oauth error {}</p>", escape(message)));
    (StatusCode::BAD_REQUEST, Html(page)).into_response()
}

fn consent_page(shop: &str, scopes: &[String], query: &[(String, String)]) -> String {
    let hidden: String = query
        .iter()
        .filter(|(key, _)| key != "approve")
        .map(|(key, value)| {
            format!(
                r#"<input type="hidden" name="{}" value="{}">"#,
                escape(key),
                escape(value)
            )
        })
        .collect();
    let scopes: String = scopes
        .iter()
        .map(|scope| format!("<li><code>{}</code></li>", escape(scope)))
        .collect();
    page(
        "Install app",
        &format!(
            r#"<p class="shop">{}</p><h1>Install this app?</h1><p>It will be able to use:</p><ul>{scopes}</ul>
<form method="get">{hidden}<input type="hidden" name="approve" value="1"><button>Install</button></form>
<p class="note">This is a practice store. Nothing here reaches Shopify.</p>"#,
            escape(shop)
        ),
    )
}

fn page(title: &str, body: &str) -> String {
    format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{{font:16px/1.5 system-ui,sans-serif;background:#f3f4f2;color:#1c2321;margin:0;display:grid;min-height:100vh;place-items:center}}
main{{background:#fff;border:1px solid #d9ddd8;border-radius:12px;padding:2rem 2.25rem;max-width:26rem}}
h1{{font-size:1.35rem;margin:.25rem 0 1rem}}.shop,.note{{color:#5c6663;font-size:.875rem;margin:0}}.note{{margin-top:1.25rem}}
ul{{padding-left:1.25rem}}button{{font:inherit;font-weight:600;color:#fff;background:#1f6f50;border:0;border-radius:8px;padding:.6rem 1.4rem;cursor:pointer}}
button:hover{{background:#185a41}}</style></head><body><main>{body}</main></body></html>"#
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
