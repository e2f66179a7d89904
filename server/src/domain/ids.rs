//! Typed ids and closed vocabularies, as the tables spell them, so that a mixed-up id fails in a signature.

pub use entity::ids::*;
pub use entity::terms::*;

/// The provider at the other end of a link.
pub use entity::terms::IntegrationType as ProviderKind;
