//! Which tokens are believed, and how published keys are kept. No database: what is judged here comes before it.
//!
//! `fixtures/` holds three published keys and a token signed with each. The private halves were thrown away when the
//! tokens had been signed; the tokens are good at [`NOW`] and belong to nobody.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use url::Url;

use super::gate::{AccessError, Verifier};
use super::jwks::{Jwks, NoKey};
use crate::config::{AuthConfig, JwtKeys};

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "a secret of the tests, longer than thirty-two bytes";
const ACCOUNT: &str = "0192f0c4-7d3a-7000-8000-000000000001";
const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "kpi";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(NOW + seconds, 0).unwrap()
}

fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

fn verifier(keys: JwtKeys, account_claim: &[&str]) -> Verifier {
    let config = AuthConfig {
        keys,
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        account_claim: account_claim.iter().map(|&key| key.to_owned()).collect(),
    };
    Verifier::new(&config, http())
}

fn shared_secret() -> Verifier {
    verifier(JwtKeys::Secret(SECRET.into()), &["app_metadata", "account_id"])
}

fn claims() -> Value {
    json!({
        "sub": "auth|7",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": NOW - 60,
        "exp": NOW + 600,
        "app_metadata": { "account_id": ACCOUNT },
    })
}

/// The good claims with `name` set to `value`; removed for `Value::Null`'s sake by [`without`].
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

/// A token of these texts, signed as HS256 whatever its header says.
fn signed_text(header: &str, claims: &str, secret: &[u8]) -> String {
    signed_as(header, claims, secret, Algorithm::HS256)
}

fn signed_as(header: &str, claims: &str, secret: &[u8], algorithm: Algorithm) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn signed(header: &Value, claims: &Value) -> String {
    signed_text(&header.to_string(), &claims.to_string(), SECRET.as_bytes())
}

/// The good header with one more parameter.
fn headed(name: &str, value: Value) -> String {
    let mut header = header();
    header[name] = value;
    signed(&header, &claims())
}

fn claiming(claims: &Value) -> String {
    signed(&header(), claims)
}

/// Tokens that each differ from a good one in one thing.
fn bad_tokens() -> Vec<(String, String)> {
    let good = claiming(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, mark) = (parts[0], parts[1], parts[2]);
    let raw = |header: &str, claims: &str| signed_text(header, claims, SECRET.as_bytes());
    let good_header = header().to_string();
    let good_claims = claims().to_string();
    let unsigned = |algorithm: &str| {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm }).to_string());
        format!("{header}.{body}.")
    };
    let mut bad: Vec<(&str, String)> = vec![
        // The form.
        ("nothing", String::new()),
        ("a word", "token".to_owned()),
        ("only dots", "..".to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.{mark}")),
        ("a payload in two parts", format!("{head}.{body}.{body}.{mark}")),
        ("an empty header", format!(".{body}.{mark}")),
        ("an empty payload", format!("{head}..{mark}")),
        ("a header that is not base64", format!("!{head}.{body}.{mark}")),
        ("a header with padding", format!("{head}=.{body}.{mark}")),
        ("a blank behind it", format!("{good} ")),
        ("a line break in it", format!("{head}.\n{body}.{mark}")),
        ("a header that is not JSON", raw("alg:HS256", &good_claims)),
        ("a header that is a list", raw("[]", &good_claims)),
        ("claims that are not JSON", raw(&good_header, "sub=7")),
        ("claims that are a list", raw(&good_header, "[]")),
        (
            "claims with something behind them",
            raw(&good_header, &format!("{good_claims}x")),
        ),
        (
            "claims that are not UTF-8",
            format!("{head}.{}.{mark}", URL_SAFE_NO_PAD.encode([0xff, 0xfe])),
        ),
        (
            "more than 8 KiB",
            claiming(&with("padding", json!("x".repeat(8 * 1024)))),
        ),
        // The algorithm.
        ("no signature: none", unsigned("none")),
        ("no signature: None", unsigned("None")),
        ("no signature: NONE", unsigned("NONE")),
        ("no signature: HS256", unsigned("HS256")),
        ("none, though signed", raw(r#"{"alg":"none"}"#, &good_claims)),
        ("no algorithm", raw(r#"{"typ":"JWT"}"#, &good_claims)),
        ("algorithm null", raw(r#"{"alg":null}"#, &good_claims)),
        ("algorithm in a list", raw(r#"{"alg":["HS256"]}"#, &good_claims)),
        ("algorithm in lower case", raw(r#"{"alg":"hs256"}"#, &good_claims)),
        (
            "HS384",
            signed_as(r#"{"alg":"HS384"}"#, &good_claims, SECRET.as_bytes(), Algorithm::HS384),
        ),
        (
            "HS512",
            signed_as(r#"{"alg":"HS512"}"#, &good_claims, SECRET.as_bytes(), Algorithm::HS512),
        ),
        ("said to be RS256", raw(r#"{"alg":"RS256"}"#, &good_claims)),
        ("said to be ES256", raw(r#"{"alg":"ES256"}"#, &good_claims)),
        ("said to be PS256", raw(r#"{"alg":"PS256"}"#, &good_claims)),
        ("said to be EdDSA", raw(r#"{"alg":"EdDSA"}"#, &good_claims)),
        // The signature.
        (
            "another secret",
            signed_text(&good_header, &good_claims, b"another secret, also longer than 32 bytes"),
        ),
        ("an empty secret", signed_text(&good_header, &good_claims, b"")),
        (
            "a signature cut short",
            format!("{head}.{body}.{}", &mark[..mark.len() - 4]),
        ),
        ("a signature with more behind it", format!("{good}AAAA")),
        ("a signature with padding", format!("{good}=")),
        (
            "a signature for another payload",
            format!(
                "{head}.{}.{mark}",
                URL_SAFE_NO_PAD.encode(with("sub", json!("8")).to_string())
            ),
        ),
        // Keys and rules of its own.
        ("jwk", headed("jwk", json!({ "kty": "oct", "k": "AAAA" }))),
        ("jku", headed("jku", json!("https://evil.example.com/keys"))),
        ("x5u", headed("x5u", json!("https://evil.example.com/chain"))),
        ("x5c", headed("x5c", json!(["MIIB"]))),
        ("crit", headed("crit", json!(["exp"]))),
        ("kid that is a number", headed("kid", json!(1))),
        // Times.
        ("expired 31 seconds ago", claiming(&with("exp", json!(NOW - 31)))),
        ("expired in 1970", claiming(&with("exp", json!(0)))),
        ("expiry before time", claiming(&with("exp", json!(-1)))),
        ("no expiry", claiming(&without("exp"))),
        ("expiry null", claiming(&with("exp", Value::Null))),
        ("expiry as text", claiming(&with("exp", json!((NOW + 600).to_string())))),
        ("expiry true", claiming(&with("exp", json!(true)))),
        ("expiry in a list", claiming(&with("exp", json!([NOW + 600])))),
        ("good in 31 seconds", claiming(&with("nbf", json!(NOW + 31)))),
        ("start as text", claiming(&with("nbf", json!("0")))),
        ("start null", claiming(&with("nbf", Value::Null))),
        // Issuer and audience.
        (
            "another issuer",
            claiming(&with("iss", json!("https://evil.example.com"))),
        ),
        ("no issuer", claiming(&without("iss"))),
        (
            "issuer with a slash",
            claiming(&with("iss", json!(format!("{ISSUER}/")))),
        ),
        (
            "issuer in capitals",
            claiming(&with("iss", json!(ISSUER.to_uppercase()))),
        ),
        ("issuer in a list", claiming(&with("iss", json!([ISSUER])))),
        ("another audience", claiming(&with("aud", json!("other")))),
        ("no audience", claiming(&without("aud"))),
        ("an empty audience", claiming(&with("aud", json!("")))),
        ("audience in a list", claiming(&with("aud", json!([AUDIENCE])))),
        (
            "audience among others",
            claiming(&with("aud", json!(["other", AUDIENCE]))),
        ),
        ("audience with more behind it", claiming(&with("aud", json!("kpi2")))),
        // Who.
        ("no subject", claiming(&without("sub"))),
        ("subject null", claiming(&with("sub", Value::Null))),
        ("an empty subject", claiming(&with("sub", json!("")))),
        ("subject as a number", claiming(&with("sub", json!(7)))),
        ("a subject too long", claiming(&with("sub", json!("x".repeat(256))))),
        (
            "a subject with a zero byte",
            claiming(&with("sub", json!("auth|7\u{0}"))),
        ),
        ("an anonymous key", claiming(&with("role", json!("anon")))),
        ("a service's key", claiming(&with("role", json!("service_role")))),
        // Which account.
        ("no account", claiming(&without("app_metadata"))),
        (
            "account null",
            claiming(&with("app_metadata", json!({ "account_id": null }))),
        ),
        (
            "account as a number",
            claiming(&with("app_metadata", json!({ "account_id": 1 }))),
        ),
        (
            "account without hyphens",
            claiming(&with("app_metadata", json!({ "account_id": ACCOUNT.replace('-', "") }))),
        ),
        (
            "account in braces",
            claiming(&with("app_metadata", json!({ "account_id": format!("{{{ACCOUNT}}}") }))),
        ),
        (
            "account as a URN",
            claiming(&with(
                "app_metadata",
                json!({ "account_id": format!("urn:uuid:{ACCOUNT}") }),
            )),
        ),
        (
            "account deeper",
            claiming(&with(
                "app_metadata",
                json!({ "account_id": { "account_id": ACCOUNT } }),
            )),
        ),
        (
            "its holder in a list",
            claiming(&with("app_metadata", json!([{ "account_id": ACCOUNT }]))),
        ),
        (
            "its path as one key",
            claiming(&with("app_metadata", json!({ "app_metadata.account_id": ACCOUNT }))),
        ),
    ];
    let mut elsewhere = without("app_metadata");
    elsewhere["account_id"] = json!(ACCOUNT);
    bad.push(("account at the top", claiming(&elsewhere)));
    let mut users_own = without("app_metadata");
    users_own["user_metadata"] = json!({ "account_id": ACCOUNT });
    bad.push(("account in what users may edit", claiming(&users_own)));
    // Twice the same key.
    let doubled = |text: &str, more: &str| text.replacen('{', &format!("{{{more},"), 1);
    bad.push((
        "two algorithms",
        raw(&doubled(&good_header, r#""alg":"none""#), &good_claims),
    ));
    bad.push((
        "two subjects",
        raw(&good_header, &doubled(&good_claims, r#""sub":"8""#)),
    ));
    bad.push(("two expiries", raw(&good_header, &doubled(&good_claims, r#""exp":1"#))));
    let other = format!(r#""app_metadata":{{"account_id":"{ACCOUNT}"}}"#);
    bad.push(("two holders", raw(&good_header, &doubled(&good_claims, &other))));
    let inner = format!(r#"{{"account_id":"{ACCOUNT}","account_id":"{ACCOUNT}"}}"#);
    let nested = good_claims.replace(&json!({ "account_id": ACCOUNT }).to_string(), &inner);
    bad.push(("two accounts", raw(&good_header, &nested)));
    let mut bad: Vec<(String, String)> = bad.into_iter().map(|(name, token)| (name.to_owned(), token)).collect();
    // Every character of the signature, and some of the rest, turned into its neighbour; the last one too, of which
    // two bits mean nothing and must be zero all the same.
    let from_signature = head.len() + body.len() + 2;
    for position in (0..from_signature).step_by(7).chain(from_signature..good.len()) {
        let mut bytes = good.clone().into_bytes();
        bytes[position] = match bytes[position] {
            b'.' => b'_',
            b'A' => b'B',
            other => other - 1,
        };
        let changed = String::from_utf8(bytes).unwrap();
        bad.push((format!("character {position} changed"), changed));
    }
    bad
}

#[tokio::test]
async fn bad_tokens_all_get_the_same_answer() {
    let verifier = shared_secret();
    let bad = bad_tokens();
    assert!(bad.len() > 100, "{}", bad.len());
    for (name, token) in bad {
        let refused = verifier.claims(&token, at(0)).await;
        assert!(
            matches!(refused, Err(AccessError::Unauthenticated)),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn good_tokens_are_believed_up_to_the_edges() {
    let verifier = shared_secret();
    for (name, token) in [
        ("as it should be", claiming(&claims())),
        ("expired 30 seconds ago", claiming(&with("exp", json!(NOW - 30)))),
        (
            "expiry with a fraction",
            claiming(&with("exp", json!(NOW as f64 + 0.5))),
        ),
        ("good in 30 seconds", claiming(&with("nbf", json!(NOW + 30)))),
        ("a claim we don't know", claiming(&with("aal", json!("aal1")))),
        ("a person's role", claiming(&with("role", json!("authenticated")))),
        (
            "account in capitals",
            claiming(&with("app_metadata", json!({ "account_id": ACCOUNT.to_uppercase() }))),
        ),
        ("a key id that nothing depends on", headed("kid", json!("k1"))),
    ] {
        let claims = verifier
            .claims(&token, at(0))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(claims.subject, "auth|7", "{name}");
        assert_eq!(claims.account_id.to_string(), ACCOUNT, "{name}");
    }
}

/// A server of published keys that can be told what to publish, and counts who asks.
struct Publisher {
    url: Url,
    asked: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
    keys: Arc<Mutex<Value>>,
}

impl Publisher {
    async fn start(keys: Value) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let away = Arc::new(AtomicBool::new(false));
        let keys = Arc::new(Mutex::new(keys));
        let (counted, gone, published) = (Arc::clone(&asked), Arc::clone(&away), Arc::clone(&keys));
        let answer = async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            if gone.load(Ordering::SeqCst) {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            let published: Value = published.lock().unwrap().clone();
            Ok(Json(published))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let router = Router::new().route("/keys", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked, away, keys }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn publish(&self, keys: Value) {
        *self.keys.lock().unwrap() = keys;
    }

    fn be_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn jwks(&self) -> Jwks {
        Jwks::new(self.url.clone(), http())
    }
}

fn published() -> Value {
    serde_json::from_str(include_str!("fixtures/published-keys.json")).unwrap()
}

fn tokens() -> Value {
    serde_json::from_str(include_str!("fixtures/signed-tokens.json")).unwrap()
}

/// The published keys with these ids.
fn only(ids: &[&str]) -> Value {
    let keys = published();
    let chosen = keys["keys"].as_array().unwrap().iter();
    let chosen: Vec<&Value> = chosen
        .filter(|key| ids.contains(&key["kid"].as_str().unwrap()))
        .collect();
    json!({ "keys": chosen })
}

#[tokio::test]
async fn tokens_signed_with_published_keys_are_believed() {
    let publisher = Publisher::start(published()).await;
    let verifier = verifier(JwtKeys::Jwks(publisher.url.clone()), &["account_id"]);
    for id in ["e1", "e2", "r1"] {
        let token = tokens()[id].as_str().unwrap().to_owned();
        let claims = verifier
            .claims(&token, at(0))
            .await
            .unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(claims.account_id.to_string(), ACCOUNT);
        let late = verifier.claims(&token, at(3600 + 31)).await;
        assert!(matches!(late, Err(AccessError::Unauthenticated)), "{id}");
    }
    assert!(publisher.asked() <= 2);
}

#[tokio::test]
async fn a_published_key_is_good_for_its_own_algorithm_and_id_alone() {
    let publisher = Publisher::start(published()).await;
    let verifier = verifier(JwtKeys::Jwks(publisher.url.clone()), &["account_id"]);
    let tokens = tokens();
    let token = |id: &str| tokens[id].as_str().unwrap().to_owned();
    let reheaded = |id: &str, header: Value| {
        let token = token(id);
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    let payload = token("e1").split('.').nth(1).unwrap().to_owned();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let mut bad = vec![
        (
            "another key's id".to_owned(),
            reheaded("e1", json!({ "alg": "ES256", "kid": "e2" })),
        ),
        (
            "a key of another kind".to_owned(),
            reheaded("e1", json!({ "alg": "ES256", "kid": "r1" })),
        ),
        (
            "an unknown id".to_owned(),
            reheaded("e1", json!({ "alg": "ES256", "kid": "e9" })),
        ),
        (
            "no id among several".to_owned(),
            reheaded("e1", json!({ "alg": "ES256" })),
        ),
        ("none".to_owned(), reheaded("e1", json!({ "alg": "none", "kid": "e1" }))),
        (
            "RS384".to_owned(),
            reheaded("r1", json!({ "alg": "RS384", "kid": "r1" })),
        ),
        (
            "PS256".to_owned(),
            reheaded("r1", json!({ "alg": "PS256", "kid": "r1" })),
        ),
        ("a secret's token".to_owned(), claiming(&claims())),
    ];
    // What is public must not serve as a secret.
    for key in published()["keys"].as_array().unwrap() {
        let id = key["kid"].as_str().unwrap();
        let header = json!({ "alg": "HS256", "kid": id }).to_string();
        for (part, value) in key.as_object().unwrap() {
            let text = value.as_str().unwrap().to_owned();
            let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap_or_default();
            bad.push((
                format!("{part} of {id} as a secret"),
                signed_text(&header, &payload, text.as_bytes()),
            ));
            bad.push((
                format!("{part} of {id}, decoded, as a secret"),
                signed_text(&header, &payload, &bytes),
            ));
        }
        bad.push((
            format!("{id} as a secret"),
            signed_text(&header, &payload, key.to_string().as_bytes()),
        ));
    }
    for (name, token) in bad {
        let refused = verifier.claims(&token, at(0)).await;
        assert!(
            matches!(refused, Err(AccessError::Unauthenticated)),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn weak_foreign_and_secret_keys_are_passed_over() {
    let weak = "wH4T5KmlRk9DpMMuHbxN9DhbRrV2Kp9apNQHuz8Bt0Fe5iFWkPnJEIxjuROUPWOQDNesfsHPhs8Bta1zhcHgyQGRteARJjrb7CE6GzfDlxEDRgK_vpaKOgQ_Q-7J1AQ-XeAgHzqgvjRvZju4wRE5TlwVC_tgdciaetU22nF7wYc";
    let mut keys = only(&["e1"]);
    let more = json!([
        { "kty": "RSA", "kid": "weak", "n": weak, "e": "AQAB" },
        { "kty": "oct", "kid": "secret", "k": "c2VjcmV0" },
        { "kty": "OKP", "kid": "curve", "crv": "Ed25519", "x": "AAAA" },
        { "kty": "EC", "kid": "short", "crv": "P-256", "x": "AAAA", "y": "AAAA" },
        { "kty": "RSA", "kid": "sealing", "use": "enc", "n": weak, "e": "AQAB" },
        "no key at all",
    ]);
    keys["keys"]
        .as_array_mut()
        .unwrap()
        .extend(more.as_array().unwrap().clone());
    let publisher = Publisher::start(keys).await;
    let jwks = publisher.jwks();
    assert!(jwks.key(Some("e1"), at(0)).await.is_ok());
    for id in ["weak", "secret", "curve", "short", "sealing"] {
        assert_eq!(jwks.key(Some(id), at(0)).await.err(), Some(NoKey::Unknown), "{id}");
    }
    // Just one key is usable, so a token need not name it.
    assert!(jwks.key(None, at(0)).await.is_ok());
}

#[tokio::test]
async fn keys_are_fetched_when_needed_and_kept_for_ten_minutes() {
    let publisher = Publisher::start(published()).await;
    let jwks = publisher.jwks();
    assert_eq!(publisher.asked(), 0, "nothing is fetched at start");
    for seconds in 0..599 {
        assert!(jwks.key(Some("e1"), at(seconds)).await.is_ok());
    }
    assert_eq!(publisher.asked(), 1);
    assert!(jwks.key(Some("e1"), at(600)).await.is_ok());
    assert_eq!(publisher.asked(), 2);
}

#[tokio::test]
async fn many_at_once_cause_one_fetch() {
    let publisher = Publisher::start(published()).await;
    let jwks = Arc::new(publisher.jwks());
    let all = (0..200).map(|_| {
        let jwks = Arc::clone(&jwks);
        tokio::spawn(async move { jwks.key(Some("e1"), at(0)).await.is_ok() })
    });
    for one in futures::future::join_all(all).await {
        assert!(one.unwrap());
    }
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn unknown_keys_cause_few_fetches() {
    let publisher = Publisher::start(published()).await;
    let jwks = publisher.jwks();
    for count in 0..10_000_i64 {
        let unknown = format!("unknown-{count}");
        let seconds = count * 60 / 10_000;
        assert_eq!(jwks.key(Some(&unknown), at(seconds)).await.err(), Some(NoKey::Unknown));
    }
    assert!(publisher.asked() <= 2, "{} in a minute", publisher.asked());
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_forgotten() {
    let publisher = Publisher::start(only(&["e1"])).await;
    let jwks = publisher.jwks();
    assert!(jwks.key(Some("e1"), at(0)).await.is_ok());
    publisher.publish(only(&["e2"]));
    assert!(jwks.key(Some("e1"), at(40)).await.is_ok());
    assert!(jwks.key(Some("e2"), at(40)).await.is_ok());
    assert_eq!(jwks.key(Some("e1"), at(40)).await.err(), Some(NoKey::Unknown));
}

#[tokio::test]
async fn while_the_publisher_is_away_old_keys_serve_for_an_hour() {
    let publisher = Publisher::start(published()).await;
    let jwks = publisher.jwks();
    assert!(jwks.key(Some("e1"), at(0)).await.is_ok());
    publisher.be_away(true);
    for minutes in [11, 30, 59] {
        assert!(
            jwks.key(Some("e1"), at(minutes * 60)).await.is_ok(),
            "{minutes} minutes"
        );
    }
    let hour = TimeDelta::hours(1).num_seconds();
    assert_eq!(jwks.key(Some("e1"), at(hour)).await.err(), Some(NoKey::Unavailable));
    publisher.be_away(false);
    assert!(jwks.key(Some("e1"), at(hour + 5)).await.is_ok());
}

#[tokio::test]
async fn without_any_keys_it_asks_again_soon() {
    let publisher = Publisher::start(published()).await;
    publisher.be_away(true);
    let jwks = publisher.jwks();
    for seconds in 0..5 {
        assert_eq!(jwks.key(Some("e1"), at(seconds)).await.err(), Some(NoKey::Unavailable));
    }
    assert_eq!(publisher.asked(), 1);
    publisher.be_away(false);
    assert!(jwks.key(Some("e1"), at(5)).await.is_ok());
}
