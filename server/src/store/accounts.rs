//! `accounts`: the tenants themselves.

use chrono_tz::Tz;
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
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
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
        sqlx::query("insert into accounts (id, name, currency, timezone) values ($1, $2, $3, $4)")
            .bind(db.account_id())
            .bind(&account.name)
            .bind(account.currency.as_str())
            .bind(account.timezone.name())
            .execute(&mut *db.connection().await)
            .await?;
        Ok(db)
    }
}

impl TenantDb {
    /// The account itself. [`StoreError::Broken`] where it has been deleted meanwhile.
    pub async fn account(&self) -> Result<AccountRow, StoreError> {
        let row = sqlx::query_as(
            "select id, name, currency::text as currency, timezone, attribution_window_days from accounts where id = $1",
        )
        .bind(self.account_id())
        .fetch_optional(&mut *self.connection().await)
        .await?;
        row.ok_or_else(|| StoreError::Broken("the account has been deleted".to_owned()))
    }
}
