//! Seals what must not be readable in the database, and opens it again.
//!
//! XChaCha20-Poly1305. What is sealed is bound to its place (table, column, account, link, kind), so that a row copied
//! to another account or put in the place of another kind does not open. The active key seals; every configured key
//! opens, so that keys can be changed without a pause.
//!
//! ```text
//! version (1 byte) │ length of key id (1) │ key id │ nonce (24) │ ciphertext and tag
//! ```

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};

use crate::config::EncryptionConfig;
use crate::domain::entropy::secret_bytes;
use crate::domain::ids::{AccountId, IntegrationId};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// The keys, ready for use.
#[derive(Clone)]
pub struct Cipher {
    /// Key id and key; the first one is active.
    keys: Vec<(String, XChaCha20Poly1305)>,
}

/// Where a sealed token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPlace {
    /// Whose row it is.
    pub account_id: AccountId,
    /// Of which link.
    pub integration_id: IntegrationId,
    /// Which token.
    pub kind: TokenKind,
}

/// The tokens that a link has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Goes with every call.
    Access,
    /// Brings the next pair.
    Refresh,
}

/// Why something can't be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// No key is configured.
    #[error("ENCRYPTION_KEYS holds no key to seal with")]
    NoKey,
    /// The key that sealed it is not configured.
    #[error("it was sealed with the key `{0}`, which ENCRYPTION_KEYS does not hold; add that key again, at the end")]
    UnknownKey(String),
    /// Not of this format.
    #[error("it does not have the form of something sealed here")]
    Malformed,
    /// Changed, moved from elsewhere, or sealed with another key of the same id.
    #[error("it was changed, moved from another row, or sealed with another key of the same id")]
    Forged,
}

impl TokenKind {
    /// As the table spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Refresh => "refresh_token",
        }
    }
}

impl TokenPlace {
    /// The place as bytes, every part of known length or ended by a byte that it can't hold.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"integration_secrets\0ciphertext\0".to_vec();
        bytes.extend_from_slice(self.account_id.0.as_bytes());
        bytes.extend_from_slice(self.integration_id.0.as_bytes());
        bytes.extend_from_slice(self.kind.as_str().as_bytes());
        bytes
    }
}

impl Cipher {
    /// With the configured keys.
    pub fn new(config: &EncryptionConfig) -> Self {
        let keys = config.keys.iter();
        Self {
            keys: keys
                .map(|(id, key)| (id.clone(), XChaCha20Poly1305::new(key.into())))
                .collect(),
        }
    }

    /// The id of the key that seals.
    pub fn active_key(&self) -> Result<&str, CipherError> {
        self.keys.first().map(|(id, _)| id.as_str()).ok_or(CipherError::NoKey)
    }

    /// Seals a token for its place.
    pub fn seal(&self, token: &SecretString, place: &TokenPlace) -> Result<Vec<u8>, CipherError> {
        let (id, key) = self.keys.first().ok_or(CipherError::NoKey)?;
        let id_length = u8::try_from(id.len()).map_err(|_| CipherError::NoKey)?;
        let nonce: [u8; NONCE_BYTES] = secret_bytes();
        let payload = Payload {
            msg: token.expose_secret().as_bytes(),
            aad: &place.bytes(),
        };
        let ciphertext = key
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| CipherError::Malformed)?;
        let mut sealed = vec![VERSION, id_length];
        sealed.extend_from_slice(id.as_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, sealed: &[u8], place: &TokenPlace) -> Result<SecretString, CipherError> {
        let [VERSION, id_length, rest @ ..] = sealed else {
            return Err(CipherError::Malformed);
        };
        let (id, rest) = rest
            .split_at_checked(usize::from(*id_length))
            .ok_or(CipherError::Malformed)?;
        let id = std::str::from_utf8(id).map_err(|_| CipherError::Malformed)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or(CipherError::Malformed)?;
        let known = self.keys.iter().find(|(known, _)| known == id);
        let (_, key) = known.ok_or_else(|| CipherError::UnknownKey(id.to_owned()))?;
        let payload = Payload {
            msg: ciphertext,
            aad: &place.bytes(),
        };
        let token = key
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| CipherError::Forged)?;
        Ok(String::from_utf8(token).map_err(|_| CipherError::Forged)?.into())
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn cipher(keys: &[(&str, u8)]) -> Cipher {
        Cipher::new(&EncryptionConfig {
            keys: keys.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32])).collect(),
        })
    }

    fn place() -> TokenPlace {
        TokenPlace {
            account_id: AccountId(Uuid::from_u128(1)),
            integration_id: IntegrationId(Uuid::from_u128(2)),
            kind: TokenKind::Access,
        }
    }

    fn sealed(cipher: &Cipher) -> Vec<u8> {
        cipher.seal(&"canary".into(), &place()).expect("a key is there")
    }

    fn opened(cipher: &Cipher, sealed: &[u8], place: &TokenPlace) -> Result<String, CipherError> {
        cipher.open(sealed, place).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn what_was_sealed_opens_in_its_place() {
        let cipher = cipher(&[("k1", 1)]);
        let sealed = sealed(&cipher);
        assert!(!sealed.windows(6).any(|part| part == b"canary"));
        assert_eq!(opened(&cipher, &sealed, &place()).as_deref(), Ok("canary"));
        assert_ne!(sealed, self::sealed(&cipher), "a nonce is used once");
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let cipher = cipher(&[("k1", 1), ("k2", 2)]);
        let sealed = sealed(&cipher);
        for position in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[position] ^= 1 << bit;
                assert!(
                    opened(&cipher, &changed, &place()).is_err(),
                    "byte {position}, bit {bit}"
                );
            }
            assert!(
                opened(&cipher, &sealed[..position], &place()).is_err(),
                "cut at {position}"
            );
        }
    }

    #[test]
    fn a_token_does_not_open_in_another_place() {
        let cipher = cipher(&[("k1", 1)]);
        let sealed = sealed(&cipher);
        let other = Uuid::from_u128(9);
        for moved in [
            TokenPlace {
                account_id: AccountId(other),
                ..place()
            },
            TokenPlace {
                integration_id: IntegrationId(other),
                ..place()
            },
            TokenPlace {
                kind: TokenKind::Refresh,
                ..place()
            },
        ] {
            assert_eq!(opened(&cipher, &sealed, &moved), Err(CipherError::Forged), "{moved:?}");
        }
    }

    #[test]
    fn keys_can_be_changed_without_a_pause() {
        let before = cipher(&[("k1", 1)]);
        let during = cipher(&[("k2", 2), ("k1", 1)]);
        let after = cipher(&[("k2", 2)]);
        let old = sealed(&before);
        assert_eq!(opened(&during, &old, &place()).as_deref(), Ok("canary"));
        assert_eq!(opened(&after, &sealed(&during), &place()).as_deref(), Ok("canary"));
        let error = opened(&after, &old, &place()).expect_err("its key is gone");
        assert_eq!(error, CipherError::UnknownKey("k1".to_owned()));
        assert!(error.to_string().contains("`k1`"));
    }

    #[test]
    fn another_key_of_the_same_id_opens_nothing() {
        let sealed = sealed(&cipher(&[("k1", 1)]));
        assert_eq!(
            opened(&cipher(&[("k1", 2)]), &sealed, &place()),
            Err(CipherError::Forged)
        );
    }

    #[test]
    fn without_a_key_nothing_is_sealed() {
        assert_eq!(cipher(&[]).seal(&"canary".into(), &place()), Err(CipherError::NoKey));
        assert_eq!(cipher(&[]).active_key(), Err(CipherError::NoKey));
    }

    #[test]
    fn keys_do_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", cipher(&[("k1", 77)])), "[\"k1\"]");
    }
}
