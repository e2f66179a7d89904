//! Shopify's authorization code grant for a store, with offline tokens that expire and are renewed.

use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::{Choice, ConstantTimeEq};
use url::form_urlencoded;

use super::client::quoted;
use super::{Shopify, normalise, wire};
use crate::providers::contract::{
    Authorize, AuthorizeRequest, Callback, Grant, ProviderError, ShopProfile, Subject, TokenSet,
};
use crate::providers::http::Answer;

/// How far the time in a callback may be from ours: it bounds how long a copied link is of use.
const CALLBACK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// How long an access token is trusted where the answer does not say: Shopify's own usual time.
const UNSAID_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// The way to trade one token for another (RFC 8693), and what kind of token goes and comes.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const OFFLINE_TOKEN: &str = "urn:shopify:params:oauth:token-type:offline-access-token";
const DOMAIN_ENDING: &str = ".myshopify.com";

/// Whether this is the permanent domain of a store: `name.myshopify.com` and not a character more.
///
/// The app's secret is posted to that host, so this is what keeps it from going anywhere else.
pub(super) fn is_shop_domain(text: &str) -> bool {
    let Some(name) = text.strip_suffix(DOMAIN_ENDING) else {
        return false;
    };
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(is_allowed) && !name.starts_with('-')
}

/// The permanent domain of the store that somebody typed in one of the usual ways.
fn shop_domain(typed: &str) -> Option<String> {
    let typed = typed.trim().to_ascii_lowercase();
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| typed.strip_prefix(scheme))
        .unwrap_or(&typed);
    let mut steps = rest.split('/');
    let host = steps.next().unwrap_or_default();
    let name = match host {
        "admin.shopify.com" => match (steps.next(), steps.next()) {
            (Some("store"), Some(name)) => name,
            _ => return None,
        },
        host => host.strip_suffix(DOMAIN_ENDING).unwrap_or(host),
    };
    // Nothing may follow a bare name but a slash: `name/elsewhere` is no way to type a store.
    if !host.contains('.') && steps.any(|step| !step.is_empty()) {
        return None;
    }
    Some(format!("{name}{DOMAIN_ENDING}")).filter(|domain| is_shop_domain(domain))
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    #[serde(default)]
    scope: String,
    expires_in: Option<i64>,
    refresh_token: Option<SecretString>,
    refresh_token_expires_in: Option<i64>,
}

/// What is posted to the token endpoint.
#[derive(Serialize)]
struct TokenRequest<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(flatten)]
    grant: TokenGrant<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum TokenGrant<'a> {
    /// `expiring` asks for a token that expires and a refresh token; Shopify accepts no others of a new app.
    Code { code: &'a str, expiring: &'static str },
    Refresh {
        grant_type: &'static str,
        refresh_token: &'a str,
    },
    Exchange {
        grant_type: &'static str,
        subject_token: &'a str,
        subject_token_type: &'static str,
        requested_token_type: &'static str,
        expiring: &'static str,
    },
}

impl Shopify {
    /// The page at the store on which its owner agrees.
    pub(super) fn authorize_address(&self, request: &AuthorizeRequest) -> Result<Authorize, ProviderError> {
        let typed = request.shop.as_deref().unwrap_or_default();
        let Some(domain) = shop_domain(typed) else {
            return Err(ProviderError::Denied(format!(
                "“{}” is not a Shopify store; type its address as it ends in .myshopify.com, such as \
                 my-store.myshopify.com.",
                typed.trim().chars().take(80).collect::<String>()
            )));
        };
        let mut url = self.address(&domain, "/admin/oauth/authorize")?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.api_key)
            .append_pair("scope", &self.config.scopes)
            .append_pair("redirect_uri", request.redirect_uri.as_str())
            .append_pair("state", &request.state);
        Ok(Authorize {
            url,
            shop_domain: Some(domain),
        })
    }

    /// Checks signature, age and store of a callback.
    pub(super) fn genuine_callback(&self, query: &[(String, String)]) -> Result<Callback, ProviderError> {
        let refused = |why: &str| Err(ProviderError::Denied(why.to_owned()));
        if !self.is_signed(query) {
            return refused(
                "This address was not made by Shopify, or was changed on its way; connect the store again.",
            );
        }
        let (Some(timestamp), Some(shop), Some(state), Some(code)) = (
            only(query, "timestamp"),
            only(query, "shop"),
            only(query, "state"),
            only(query, "code"),
        ) else {
            return refused("Shopify's answer is incomplete; connect the store again.");
        };
        let made_at = timestamp
            .parse()
            .ok()
            .and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
        if made_at.is_none_or(|made_at| (self.clock.now() - made_at).abs() > CALLBACK_TOLERANCE) {
            return refused("This address is too old to be used; connect the store again.");
        }
        let shop = shop.to_ascii_lowercase();
        if !is_shop_domain(&shop) {
            return refused("Shopify's answer names no store; connect the store again.");
        }
        Ok(Callback {
            state: state.to_owned(),
            code: code.into(),
            shop_domain: Some(shop),
        })
    }

    /// Whether one of the app's secrets signed the query. Every secret is tried, in the same time.
    fn is_signed(&self, query: &[(String, String)]) -> bool {
        let Some(given) = only(query, "hmac") else {
            return false;
        };
        let message = signed_text(query);
        let mut matches = Choice::from(0);
        for signature in self.signatures(message.as_bytes()) {
            let expected: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
            matches |= expected.as_bytes().ct_eq(given.as_bytes());
        }
        matches.into()
    }

    /// Trades the code of a genuine callback for tokens and asks the store who it is.
    pub(super) async fn exchange_code(&self, callback: &Callback) -> Result<Grant, ProviderError> {
        let domain = callback.shop_domain.as_deref().unwrap_or_default();
        let grant = TokenGrant::Code {
            code: callback.code.expose_secret(),
            expiring: "1",
        };
        let answer = self.token(domain, grant).await?;
        if answer.status == StatusCode::BAD_REQUEST {
            return Err(ProviderError::Denied(
                "Shopify does not accept the code it gave: it was used before or is too old; connect the store again."
                    .to_owned(),
            ));
        }
        let answer = accepted(domain, &answer)?;
        let scopes: Vec<String> = answer
            .scope
            .split(',')
            .map(str::trim)
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        let tokens = self.token_set(answer);
        let shop = self.shop(domain, &tokens.access_token).await?;
        let profile = profile(shop)?;
        if profile.domain != domain {
            return Err(ProviderError::Denied(format!(
                "{domain} leads to another store, {}; connect that one by its own address.",
                profile.domain
            )));
        }
        Ok(Grant {
            tokens,
            scopes,
            subject: Subject::Shop(profile),
        })
    }

    /// Trades a refresh token for the next pair. The old one stays good until the new one is first used, so a lost
    /// answer can be asked for again.
    pub(super) async fn refresh_tokens(
        &self,
        domain: &str,
        refresh_token: &SecretString,
    ) -> Result<TokenSet, ProviderError> {
        let grant = TokenGrant::Refresh {
            grant_type: "refresh_token",
            refresh_token: refresh_token.expose_secret(),
        };
        let answer = self.token(domain, grant).await?;
        let error: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let is_dead = error["error"] == "invalid_grant" || error["error"] == "invalid_request";
        if answer.status == StatusCode::BAD_REQUEST && is_dead {
            return Err(ProviderError::Reconnect(format!(
                "{domain} no longer accepts the refresh token: the app was removed, or not used for 90 days; connect \
                 the store again."
            )));
        }
        let old = refresh_token.clone();
        Ok(self.renewable(accepted(domain, &answer)?, Some(old)))
    }

    /// Trades a token without an end for a pair that is renewed. Shopify answers the same question again for some days,
    /// so a lost answer can be asked for again. An app made for one store keeps such a token: it is refused here.
    pub(super) async fn expiring_tokens(
        &self,
        domain: &str,
        access_token: &SecretString,
    ) -> Result<Option<TokenSet>, ProviderError> {
        let grant = TokenGrant::Exchange {
            grant_type: TOKEN_EXCHANGE,
            subject_token: access_token.expose_secret(),
            subject_token_type: OFFLINE_TOKEN,
            requested_token_type: OFFLINE_TOKEN,
            expiring: "1",
        };
        let answer = self.token(domain, grant).await?;
        if answer.status == StatusCode::BAD_REQUEST {
            return Ok(None);
        }
        Ok(Some(self.renewable(accepted(domain, &answer)?, None)))
    }

    async fn token(&self, domain: &str, grant: TokenGrant<'_>) -> Result<Answer, ProviderError> {
        let request = TokenRequest {
            client_id: &self.config.api_key,
            client_secret: self.config.api_secret().expose_secret(),
            grant,
        };
        let url = self.address(domain, "/admin/oauth/access_token")?;
        self.http
            .post_json(url, HeaderMap::new(), &request)
            .await
            .map_err(|error| ProviderError::Retry(format!("{domain} could not be asked for a token: {error}")))
    }

    /// The tokens of an answer that must bring a token with an end, also where it does not say so. Where it brings no
    /// refresh token, the `old` one stays.
    fn renewable(&self, answer: TokenAnswer, old: Option<SecretString>) -> TokenSet {
        let tokens = self.token_set(answer);
        let usual = self.clock.now() + UNSAID_LIFETIME;
        TokenSet {
            access_expires_at: tokens.access_expires_at.or(Some(usual)),
            refresh_token: tokens.refresh_token.or(old),
            ..tokens
        }
    }

    /// A token that expires has a refresh token beside it; where its lifetime is left out, it is taken to be the usual.
    fn token_set(&self, answer: TokenAnswer) -> TokenSet {
        let now = self.clock.now();
        let after = |seconds: i64| TimeDelta::try_seconds(seconds).and_then(|span| now.checked_add_signed(span));
        let access_expires_at = match (answer.expires_in.and_then(after), &answer.refresh_token) {
            (Some(at), _) => Some(at),
            (None, Some(_)) => Some(now + UNSAID_LIFETIME),
            (None, None) => None,
        };
        TokenSet {
            access_token: answer.access_token,
            access_expires_at,
            refresh_token: answer.refresh_token,
            refresh_expires_at: answer.refresh_token_expires_in.and_then(after),
        }
    }
}

/// The tokens of an answer, or what its status means. Nothing of the body is quoted: it may hold tokens.
fn accepted(domain: &str, answer: &Answer) -> Result<TokenAnswer, ProviderError> {
    match answer.status.as_u16() {
        200 => serde_json::from_slice(&answer.body)
            .map_err(|_| ProviderError::Retry(format!("{domain} answered without a token"))),
        401 | 403 => Err(ProviderError::Broken(
            "Shopify does not know this app; check SHOPIFY_API_KEY and SHOPIFY_API_SECRET".to_owned(),
        )),
        402 => Err(ProviderError::Denied(format!(
            "{domain} is frozen until its Shopify bill is paid."
        ))),
        404 => Err(ProviderError::Denied(format!(
            "There is no store at {domain}, or it was closed."
        ))),
        429 | 500..=599 => Err(ProviderError::Retry(format!(
            "{domain} can't hand out a token at the moment"
        ))),
        status => Err(ProviderError::Broken(format!(
            "{domain} refused to hand out a token with status {status}"
        ))),
    }
}

/// What a store says of itself, understood.
pub(super) fn profile(shop: wire::shop::ShopShop) -> Result<ShopProfile, ProviderError> {
    let timezone: Tz = shop.iana_timezone.parse().map_err(|_| {
        ProviderError::Broken(format!(
            "the store's time zone `{}` is not known here",
            quoted(&shop.iana_timezone)
        ))
    })?;
    Ok(ShopProfile {
        domain: shop.myshopify_domain.to_ascii_lowercase(),
        shopify_shop_id: normalise::number_in(&shop.id).map_err(ProviderError::Broken)?,
        name: shop.name,
        currency: shop.currency_code,
        timezone,
        taxes_included: shop.taxes_included,
    })
}

/// What a callback's signature is made over: every other parameter, by name, encoded as browsers do but for spaces.
fn signed_text(query: &[(String, String)]) -> String {
    let mut pairs: Vec<&(String, String)> = query
        .iter()
        .filter(|(name, _)| name != "hmac" && name != "signature")
        .collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs.into_iter().map(|(name, value)| (name, value)))
        .finish()
        .replace('+', "%20")
}

/// The value of a parameter that is given exactly once.
fn only<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = query.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;
    use crate::providers::shopify::tests::{config, shopify};

    const CODE: (&str, &str) = ("code", "0907a61c0c8d55e99db179b68161bc00");
    const SHOP: (&str, &str) = ("shop", "some-shop.myshopify.com");
    const TIMESTAMP: (&str, &str) = ("timestamp", "1337178173");
    const STATE: (&str, &str) = ("state", "0.6784241404160823");
    const HMAC: (&str, &str) = (
        "hmac",
        "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf",
    );

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    /// An app with these secrets, `late` after the vector's timestamp.
    fn app(secrets: &[&str], late: TimeDelta) -> Shopify {
        let mut config = config("https://{shop}");
        config.api_secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        let made_at = DateTime::from_timestamp(1_337_178_173, 0).expect("a moment");
        shopify(config, made_at + late)
    }

    #[test]
    fn published_signatures_are_right() {
        let app = app(&["hush"], TimeDelta::zero());
        let published = (
            "hmac",
            "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20",
        );
        assert!(app.is_signed(&query(&[SHOP, published, TIMESTAMP, CODE])));
        assert!(app.is_signed(&query(&[STATE, HMAC, SHOP, TIMESTAMP, CODE])));
        assert!(!app.is_signed(&query(&[SHOP, HMAC, TIMESTAMP, CODE])));
        assert!(!app.is_signed(&query(&[SHOP, TIMESTAMP, CODE])));
    }

    #[test]
    fn a_genuine_callback_is_let_in_while_it_is_fresh() {
        let callback = query(&[CODE, HMAC, SHOP, STATE, TIMESTAMP]);
        let fresh = app(&["hush"], TimeDelta::minutes(4))
            .genuine_callback(&callback)
            .expect("fresh");
        assert_eq!(fresh.state, STATE.1);
        assert_eq!(fresh.code.expose_secret(), CODE.1);
        assert_eq!(fresh.shop_domain.as_deref(), Some(SHOP.1));
        for late in [TimeDelta::minutes(6), TimeDelta::minutes(-6)] {
            let error = app(&["hush"], late).genuine_callback(&callback).expect_err("too old");
            assert!(error.to_string().contains("too old"), "{error}");
        }
    }

    #[test]
    fn the_secret_that_is_rotated_out_still_signs() {
        let callback = query(&[CODE, HMAC, SHOP, STATE, TIMESTAMP]);
        assert!(
            app(&["new", "hush"], TimeDelta::zero())
                .genuine_callback(&callback)
                .is_ok()
        );
        assert!(app(&["new"], TimeDelta::zero()).genuine_callback(&callback).is_err());
    }

    #[test]
    fn a_doubled_or_changed_parameter_is_refused() {
        let app = app(&["hush"], TimeDelta::zero());
        for pairs in [
            &[CODE, HMAC, SHOP, STATE, TIMESTAMP, ("shop", "other.myshopify.com")][..],
            &[CODE, HMAC, HMAC, SHOP, STATE, TIMESTAMP],
            &[
                CODE,
                HMAC,
                ("shop", "some-shop.myshopify.com.evil.example"),
                STATE,
                TIMESTAMP,
            ],
            &[CODE, HMAC, SHOP, ("state", "0.6784241404160824"), TIMESTAMP],
        ] {
            assert!(app.genuine_callback(&query(pairs)).is_err(), "{pairs:?}");
        }
    }

    #[test]
    fn what_is_signed_is_encoded_as_in_a_browser() {
        let text = signed_text(&query(&[
            ("b[]", "1 2"),
            ("a", "ü+/"),
            ("hmac", "x"),
            ("signature", "y"),
        ]));
        assert_eq!(text, "a=%C3%BC%2B%2F&b%5B%5D=1%202");
    }

    #[test]
    fn a_store_may_be_typed_in_the_usual_ways() {
        for typed in [
            "my-store",
            "  My-Store ",
            "my-store.myshopify.com",
            "my-store.myshopify.com/",
            "https://my-store.myshopify.com",
            "https://my-store.myshopify.com/admin/orders?x=1",
            "http://MY-STORE.myshopify.com/",
            "https://admin.shopify.com/store/my-store",
            "admin.shopify.com/store/my-store/settings",
        ] {
            assert_eq!(shop_domain(typed).as_deref(), Some("my-store.myshopify.com"), "{typed}");
        }
    }

    #[test]
    fn what_is_no_store_is_refused() {
        for typed in [
            "",
            " ",
            "-store",
            "my_store",
            "my store",
            "my-store.com",
            "https://my-store.example/",
            "my-store.myshopify.com.evil.example",
            "evil.example/my-store.myshopify.com",
            "evil.example#.myshopify.com",
            "evil.example?.myshopify.com",
            "user@evil.example/.myshopify.com",
            "user:pass@my-store.myshopify.com",
            "my-store.myshopify.com:8080",
            "my-store.myshopify.com@evil.example",
            "a.b.myshopify.com",
            ".myshopify.com",
            "127.0.0.1",
            "admin.shopify.com",
            "admin.shopify.com/store/",
            "admin.shopify.com/store/a.b",
            "mÿ-store",
            "my-store/evil",
            "https://my-store.myshopify.com\\@evil.example",
            "my-store.myshopify.com\n.evil.example",
        ] {
            assert_eq!(shop_domain(typed), None, "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_the_host_is_a_store_of_shopifys(typed in "\\PC{0,40}(\\.myshopify\\.com)?\\PC{0,10}") {
            let app = app(&["hush"], TimeDelta::zero());
            let request = AuthorizeRequest {
                shop: Some(typed),
                state: "state".to_owned(),
                redirect_uri: Url::parse("https://kpi.example/callback").expect("an address"),
            };
            if let Ok(authorize) = app.authorize_address(&request) {
                prop_assert_eq!(authorize.url.host_str(), authorize.shop_domain.as_deref());
                prop_assert!(authorize.url.host_str().is_some_and(is_shop_domain));
                prop_assert_eq!(authorize.url.username(), "");
                prop_assert_eq!(authorize.url.path(), "/admin/oauth/authorize");
            }
        }
    }

    #[test]
    fn a_missing_lifetime_is_not_for_ever() {
        let app = app(&["hush"], TimeDelta::zero());
        let set = |json: &str| app.token_set(serde_json::from_str(json).expect("an answer"));
        let now = app.clock.now();
        let usual =
            set(r#"{"access_token":"a","expires_in":3600,"refresh_token":"r","refresh_token_expires_in":7776000}"#);
        assert_eq!(usual.access_expires_at, Some(now + TimeDelta::hours(1)));
        assert_eq!(usual.refresh_expires_at, Some(now + TimeDelta::days(90)));
        let unsaid = set(r#"{"access_token":"a","refresh_token":"r"}"#);
        assert_eq!(unsaid.access_expires_at, Some(now + TimeDelta::hours(1)));
        let lasting = r#"{"access_token":"a","scope":"read_orders"}"#;
        assert_eq!(set(lasting).access_expires_at, None);
        // In the answer to a refresh it can't be meant so, and the old refresh token is the only one there is.
        let answer = serde_json::from_str(lasting).expect("an answer");
        let renewed = app.renewable(answer, Some("old".into()));
        assert_eq!(renewed.access_expires_at, Some(now + TimeDelta::hours(1)));
        assert_eq!(renewed.refresh_token.expect("one").expose_secret(), "old");
    }
}
