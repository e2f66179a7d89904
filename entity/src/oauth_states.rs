//! An OAuth flow on its way: what was promised to the provider's page and must come back.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, UserId};
use crate::sealed::SecretHash;
use crate::terms::IntegrationType;

/// A row of `oauth_states`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "oauth_states")]
pub struct Model {
    /// SHA-256 of the `state` parameter.
    #[sea_orm(primary_key, auto_increment = false)]
    pub state_hash: SecretHash,
    /// The tenant.
    pub account_id: AccountId,
    /// Who began it; none when a program did.
    pub user_id: Option<UserId>,
    /// With whom.
    pub provider: IntegrationType,
    /// The store it is for; Shopify alone.
    pub shop_domain: Option<String>,
    /// Where the browser goes afterwards.
    pub redirect_to: Option<String>,
    /// SHA-256 of the cookie of the browser that began it.
    pub browser_hash: Option<SecretHash>,
    /// When it began.
    pub created_at: DateTimeUtc,
    /// Until when it may come back.
    pub expires_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
