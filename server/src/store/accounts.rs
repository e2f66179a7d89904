//! `accounts`: the tenants themselves.

use chrono_tz::Tz;
use entity::accounts;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DerivePartialModel, EntityTrait};
use uuid::Uuid;

use super::{Database, StoreError, Tenant, TenantDb};
use crate::domain::ids::AccountId;
use crate::domain::money::CurrencyCode;

/// An account to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// The one currency of its numbers.
    pub currency: CurrencyCode,
    /// The time zone in which its days begin and end.
    pub timezone: Tz,
}

/// An account as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "accounts::Entity")]
pub struct AccountRow {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Three letters of ISO 4217.
    pub currency: String,
    /// IANA name of the time zone in which its days begin and end.
    pub timezone: String,
    /// For how many days after a click or a view Meta may still restate its numbers.
    pub attribution_window_days: i32,
}

impl AccountRow {
    /// The time zone of its days, checked when the account was opened.
    pub fn zone(&self) -> Result<Tz, StoreError> {
        let unknown = |_| StoreError::Broken(format!("the account {} has an unknown time zone", self.id));
        self.timezone.parse().map_err(unknown)
    }
}

impl Database {
    /// Opens an account: the transaction that holds its row, to add its first user in. Nothing stays without
    /// [`TenantDb::commit`].
    pub async fn open_account(&self, account: &NewAccount) -> Result<TenantDb, StoreError> {
        // Row-level security shows a transaction one account's rows. The account that is being made is no exception:
        // its id is chosen here, at random, so that it can't be one that is there.
        let db = self
            .write(&Tenant::from_answer(AccountId::from(Uuid::new_v4())))
            .await?;
        let row = accounts::ActiveModel {
            id: Set(db.account_id()),
            name: Set(account.name.clone()),
            currency: Set(account.currency.to_string()),
            timezone: Set(account.timezone.name().to_owned()),
            ..Default::default()
        };
        row.insert(&db).await?;
        Ok(db)
    }
}

impl TenantDb {
    /// The account itself. [`StoreError::Broken`] where it has been deleted meanwhile.
    pub async fn account(&self) -> Result<AccountRow, StoreError> {
        let row = accounts::Entity::find_by_id(self.account_id())
            .into_partial_model()
            .one(self)
            .await?;
        row.ok_or_else(|| StoreError::Broken("the account has been deleted".to_owned()))
    }
}
