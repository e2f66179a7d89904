//! Who is asking, and what may they do: headers become a [`Viewer`], which holds the proof of its account.
//!
//! ```text
//! Authorization: Bearer ckpi_…   ─▶ api_token ─▶ system.find_api_token ─┐
//! Authorization: Bearer <JWT>    ─▶ jwt, jwks ─▶ system.find_member ────┼─▶ Viewer ─▶ Tenant
//! Cookie: session=<JWT of ours>  ─▶ jwt       ─▶ system.find_member ────┘
//! ```
//!
//! A credential is either good or it is not: whatever is wrong with it, the answer is the same
//! [`AccessError::Unauthenticated`], and only the log at level `debug` knows the reason. A request that brings an
//! `Authorization` header is judged by that alone, never by its cookie.
//!
//! A browser sends the cookie along unasked, so a request that changes something must show that a page of ours made it:
//! it carries [`CSRF_HEADER`] with the value `1`, which another site can't add. See [`Viewer::confirm_intent`].

mod action;
mod api_token;
mod gate;
mod jwks;
mod jwt;
mod password;
mod session;
mod sign_in;
mod strict_json;
mod viewer;

#[cfg(test)]
mod tests;

pub use action::{Action, SCOPES};
pub use api_token::{ApiToken, ApiTokenSecret};
pub use gate::{AccessError, Gate};
pub use jwks::{JwksError, published_keys};
pub use password::{MIN_PASSWORD_CHARS, PasswordError, hash_password};
pub use session::{CSRF_HEADER, SESSION_COOKIE, SESSION_HOURS};
pub use sign_in::{SignInError, SignedIn};
pub use viewer::Viewer;
