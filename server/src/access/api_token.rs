//! API tokens: `ckpi_`, 32 random bytes in base 62, and a checksum.
//!
//! The prefix lets scanners of source code recognise a leaked token, the checksum lets them (and us) tell it from
//! noise without asking anybody. 256 random bits can't be guessed, so the stored hash is a plain SHA-256.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::domain::entropy::secret_bytes;

/// What every token begins with.
const PREFIX: &str = "ckpi_";
/// Digits of 32 bytes in base 62: 62^43 is just above 2^256.
const BODY_DIGITS: usize = 43;
/// Digits of a 32-bit checksum in base 62.
const CHECKSUM_DIGITS: usize = 6;
/// How many characters of a token are kept to recognise it by.
const SHOWN: usize = PREFIX.len() + 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token in the clear: shown once to the one who made it, and never stored.
pub struct ApiTokenSecret(SecretString);

/// What is stored of a token and what it is found by.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken {
    hash: [u8; 32],
    shown: String,
}

impl ApiTokenSecret {
    /// A new token from the system's random numbers.
    pub fn generate() -> Self {
        Self::from_entropy(secret_bytes())
    }

    fn from_entropy(entropy: [u8; 32]) -> Self {
        let mut text = String::with_capacity(PREFIX.len() + BODY_DIGITS + CHECKSUM_DIGITS);
        text.push_str(PREFIX);
        push_base62(&mut text, &entropy, BODY_DIGITS);
        let checksum = crc32(text.as_bytes());
        push_base62(&mut text, &checksum.to_be_bytes(), CHECKSUM_DIGITS);
        Self(text.into())
    }

    /// The text to show to the maker, this once.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// What to store.
    pub fn token(&self) -> ApiToken {
        ApiToken::of(self.reveal())
    }
}

impl ApiToken {
    /// Whether a bearer means to be an API token at all.
    pub(super) fn looks_like_one(bearer: &str) -> bool {
        bearer.starts_with(PREFIX)
    }

    /// The token in `bearer`, if its form and checksum are right. Says nothing about whether it exists.
    pub fn parse(bearer: &str) -> Option<Self> {
        let digits = bearer.strip_prefix(PREFIX)?;
        if digits.len() != BODY_DIGITS + CHECKSUM_DIGITS || !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
            return None;
        }
        let (signed, given) = bearer.split_at(PREFIX.len() + BODY_DIGITS);
        let mut expected = String::with_capacity(CHECKSUM_DIGITS);
        push_base62(&mut expected, &crc32(signed.as_bytes()).to_be_bytes(), CHECKSUM_DIGITS);
        (expected == given).then(|| Self::of(bearer))
    }

    fn of(text: &str) -> Self {
        Self {
            hash: Sha256::digest(text.as_bytes()).into(),
            shown: text.chars().take(SHOWN).collect(),
        }
    }

    /// SHA-256 of the whole token.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Its first characters, to recognise it by in a list.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiToken({}…)", self.shown)
    }
}

/// Appends the big-endian number `bytes` in base 62, padded with zeros to `digits`.
fn push_base62(text: &mut String, bytes: &[u8], digits: usize) {
    let mut number = bytes.to_vec();
    let mut reversed = Vec::with_capacity(digits);
    for _ in 0..digits {
        let mut remainder = 0_usize;
        for byte in &mut number {
            let value = remainder * 256 + usize::from(*byte);
            *byte = u8::try_from(value / 62).expect("the remainder is below 62, so the quotient is below 256");
            remainder = value % 62;
        }
        reversed.push(ALPHABET[remainder]);
    }
    text.extend(reversed.iter().rev().map(|digit| char::from(*digit)));
}

/// CRC-32 as in gzip and PNG (reflected polynomial EDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_crc32() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn base62_counts_like_a_number() {
        let written = |bytes: &[u8], digits| {
            let mut text = String::new();
            push_base62(&mut text, bytes, digits);
            text
        };
        assert_eq!(written(&[0], 3), "000");
        assert_eq!(written(&[61], 3), "00z");
        assert_eq!(written(&[62], 3), "010");
        assert_eq!(written(&[1, 0], 3), "048");
        assert_eq!(written(&u32::MAX.to_be_bytes(), 6), "4gfFC3");
        assert!(
            !written(&[255; 32], BODY_DIGITS).starts_with('0'),
            "43 digits are needed and are enough"
        );
    }

    #[test]
    fn a_generated_token_is_read_back_and_no_two_are_alike() {
        let (one, other) = (ApiTokenSecret::generate(), ApiTokenSecret::generate());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), PREFIX.len() + BODY_DIGITS + CHECKSUM_DIGITS);
        assert_eq!(ApiToken::parse(one.reveal()), Some(one.token()));
    }

    #[test]
    fn every_single_changed_character_is_noticed() {
        let secret = ApiTokenSecret::from_entropy([7; 32]);
        let text = secret.reveal();
        for position in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(ApiToken::parse(&changed).is_none(), "{changed}");
        }
        for wrong in [
            &text[1..],
            &format!("{text}A"),
            &text.to_uppercase(),
            "ckpi_",
            "",
            "ckpi_ä",
        ] {
            assert!(ApiToken::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn debug_output_does_not_hold_the_token() {
        let secret = ApiTokenSecret::from_entropy([9; 32]);
        let shown = format!("{:?}", secret.token());
        assert!(!shown.contains(&secret.reveal()[SHOWN..]), "{shown}");
    }
}
