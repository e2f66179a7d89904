//! Unguessable bytes. Other randomness is passed in, so that a test can repeat it; a secret's must not be repeatable.

use rand::TryRngCore;
use rand::rngs::OsRng;

/// Bytes from the operating system's generator.
pub fn secret_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng
        .try_fill_bytes(&mut bytes)
        .expect("an operating system without random numbers can't keep a secret");
    bytes
}
