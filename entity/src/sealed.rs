//! Columns that must not show themselves: a row may be printed in a log, these parts of it may not.

use std::fmt;

use sea_orm::{DbErr, DeriveValueType, TryFromU64};

/// A newtype that prints its name and nothing of what is inside.
macro_rules! sealed {
    ($($(#[$doc:meta])* $name:ident($plain:ty);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, DeriveValueType, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(pub $plain);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}

sealed! {
    /// A password's hash in PHC form.
    PasswordHash(String);
    /// A sealed token of a provider.
    Ciphertext(Vec<u8>);
    /// The SHA-256 of something that is not kept itself: a token that its holder shows, the id of a forgotten customer.
    SecretHash(Vec<u8>);
}

impl TryFromU64 for SecretHash {
    /// No hash is a number: the database never generates such a key by counting.
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("SecretHash"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_not_printed() {
        let hash = PasswordHash("$argon2id$secret".to_owned());
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
        assert_eq!(format!("{:?}", Ciphertext(vec![1, 2, 3])), "Ciphertext(…)");
    }
}
