//! Bodies and their media types: which one the caller wants back, and whether it sent JSON.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};

use super::error::Failure;

/// Most bytes that a request may have, webhooks excepted.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;

/// The two media types of a GraphQL answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`: what clients from before the specification know. Its status says little.
    Json,
    /// `application/graphql-response+json`: the status tells of failures too.
    GraphqlResponse,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    fn subtype(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::GraphqlResponse => "graphql-response+json",
        }
    }

    /// The one that `Accept` prefers; JSON where it leaves the choice; 406 where it takes neither.
    pub(super) fn wanted(headers: &HeaderMap) -> Result<Self, Failure> {
        let ranges: Vec<Range> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Range::parse)
            .collect();
        if ranges.is_empty() && !headers.contains_key(header::ACCEPT) {
            return Ok(Self::Json);
        }
        let best = [Self::Json, Self::GraphqlResponse]
            .into_iter()
            .filter_map(|media| Some((Range::best_for(media, &ranges)?, media)))
            .filter(|((quality, _), _)| *quality > 0)
            // Equal ones: a type that was named wins over a wildcard, and of two that were named the newer one.
            .max_by_key(|((quality, precision), media)| {
                let newer = *media == Self::GraphqlResponse && *precision == NAMED;
                (*quality, *precision, newer, *media == Self::Json)
            });
        best.map(|(_, media)| media).ok_or_else(|| {
            let message = "Answers here are application/graphql-response+json or application/json; accept one of them.";
            Failure::http(StatusCode::NOT_ACCEPTABLE, message)
        })
    }
}

const NAMED: u8 = 2;

/// One entry of `Accept`.
struct Range {
    kind: String,
    subtype: String,
    /// In thousandths.
    quality: u16,
}

impl Range {
    fn parse(entry: &str) -> Option<Self> {
        let mut parts = entry.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1000), |(_, value)| thousandths(value.trim()))?;
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            quality,
        })
    }

    /// Quality and precision of the entry that speaks of `media` most precisely.
    fn best_for(media: Media, ranges: &[Self]) -> Option<(u16, u8)> {
        ranges
            .iter()
            .filter_map(|range| Some((range.quality, range.precision(media)?)))
            .max_by_key(|(quality, precision)| (*precision, *quality))
    }

    fn precision(&self, media: Media) -> Option<u8> {
        match (self.kind.as_str(), self.subtype.as_str()) {
            ("application", subtype) if subtype == media.subtype() => Some(NAMED),
            ("application", "*") => Some(1),
            ("*", "*") => Some(0),
            _ => None,
        }
    }
}

/// `0`, `1`, `0.5`, `0.123` in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// 415 unless the body is said to be JSON, in UTF-8 where that is said too. A form of another site can't say so.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Failure> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut parts = given.unwrap_or_default().split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"));
    if is_json && is_utf8 {
        return Ok(());
    }
    Err(Failure::http(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Send the body as `Content-Type: application/json`, in UTF-8.",
    ))
}

/// The body, or why it was not read: longer than [`MAX_BODY_BYTES`], or broken off.
pub(super) fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Failure> {
    at_most(MAX_BODY_BYTES, body)
}

/// As [`whole`], where the address has a limit of its own.
pub(super) fn at_most(bytes: usize, body: Result<Bytes, BytesRejection>) -> Result<Bytes, Failure> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("A request has at most {} KiB.", bytes / 1024);
            Failure::http(StatusCode::PAYLOAD_TOO_LARGE, message)
        }
        _ => Failure::http(StatusCode::BAD_REQUEST, "The body broke off."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &[&'static str]) -> Result<Media, StatusCode> {
        let values = accept
            .iter()
            .map(|value| (header::ACCEPT, value.parse().expect("a header's value")));
        let headers: HeaderMap = values.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        });
        Media::wanted(&headers).map_err(|failure| failure.status)
    }

    #[test]
    fn accept_chooses_the_media_type() {
        let (json, graphql) = (Ok(Media::Json), Ok(Media::GraphqlResponse));
        for (accept, expected) in [
            (vec![], json),
            (vec!["*/*"], json),
            (vec!["application/*"], json),
            (vec!["application/json"], json),
            (vec!["application/json; charset=utf-8"], json),
            (vec!["application/graphql-response+json"], graphql),
            (vec!["Application/GraphQL-Response+JSON"], graphql),
            (vec!["application/graphql-response+json, application/json"], graphql),
            (vec!["application/json, application/graphql-response+json"], graphql),
            (vec!["application/json", "application/graphql-response+json"], graphql),
            (vec!["application/graphql-response+json;q=0.9, application/json"], json),
            (
                vec!["application/json;q=0.9, application/graphql-response+json;q=0.95"],
                graphql,
            ),
            (vec!["application/graphql-response+json;q=0, */*"], json),
            (vec!["application/json;q=0, */*"], graphql),
            (vec!["text/html, application/xhtml+xml, */*;q=0.8"], json),
            (vec!["*/*, application/graphql-response+json"], graphql),
            (vec!["text/html, application/graphql-response+json;q=0.1"], graphql),
        ] {
            assert_eq!(wanted(&accept), expected, "{accept:?}");
        }
        for accept in [
            "text/html",
            "image/*",
            "application/json;q=0",
            "*/*;q=0",
            "",
            "nonsense",
            "*/*;q=2",
        ] {
            assert_eq!(wanted(&[accept]), Err(StatusCode::NOT_ACCEPTABLE), "{accept}");
        }
    }

    #[test]
    fn only_json_in_utf8_is_taken() {
        let check = |value: &'static str| {
            let headers = [(header::CONTENT_TYPE, value.parse().expect("a header's value"))];
            require_json(&headers.into_iter().collect()).is_ok()
        };
        for right in [
            "application/json",
            "application/json;charset=utf-8",
            "Application/JSON; charset=\"UTF-8\"",
        ] {
            assert!(check(right), "{right}");
        }
        for wrong in [
            "",
            "text/plain",
            "application/jsonx",
            "application/json; charset=latin1",
            "multipart/form-data",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
        assert!(require_json(&HeaderMap::new()).is_err());
    }
}
