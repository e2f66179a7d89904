//! The kinds of records of a store that are kept as they came, and are no orders.

use std::fmt;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Something that is sold.
    Product,
    /// Somebody who buys; nothing is kept that names or reaches the person.
    Customer,
}

impl RecordKind {
    /// The word in tables, for one of them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Customer => "customer",
        }
    }

    /// The word in sentences, for several.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Product => "products",
            Self::Customer => "customers",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
