//! `users`: the people of an account.

use chrono::{DateTime, Utc};
use entity::sealed::PasswordHash;
use entity::users;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, Select,
};

use super::{StoreError, TenantDb};
use crate::domain::ids::{Role, UserId};

/// A person to be added to an account.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Unique among all accounts, in any case of letters.
    pub email: String,
    /// As the person is to be addressed.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// Argon2 hash in PHC format; none for a person who signs in elsewhere.
    pub password_hash: Option<String>,
    /// The person's subject at the sign-in provider, where there is one.
    pub auth_subject: Option<String>,
}

/// A person as stored, without the password's hash.
#[derive(Debug, Clone, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "users::Entity")]
pub struct UserRow {
    /// The person's id.
    pub id: UserId,
    /// Where the person is written to.
    pub email: String,
    /// As the person is addressed.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

impl TenantDb {
    /// Adds a person. [`StoreError::Conflict`] where the e-mail address or the subject is taken, in any account.
    pub async fn insert_user(&self, user: &NewUser) -> Result<UserId, StoreError> {
        let row = users::ActiveModel {
            account_id: Set(self.account_id()),
            email: Set(user.email.clone()),
            name: Set(user.name.clone()),
            role: Set(user.role),
            password_hash: Set(user.password_hash.clone().map(PasswordHash)),
            auth_subject: Set(user.auth_subject.clone()),
            ..Default::default()
        };
        Ok(row.insert(self).await?.id)
    }

    /// A person of this account.
    pub async fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        Ok(self
            .people()
            .filter(users::Column::Id.eq(id))
            .into_partial_model()
            .one(self)
            .await?)
    }

    /// Everybody in this account, the longest-standing first.
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        Ok(self
            .people()
            .order_by_asc(users::Column::CreatedAt)
            .order_by_asc(users::Column::Id)
            .into_partial_model()
            .all(self)
            .await?)
    }

    /// Gives a person another password. Answers whether there is such a person here.
    pub async fn set_password_hash(&self, id: UserId, password_hash: &str) -> Result<bool, StoreError> {
        let done = users::Entity::update_many()
            .col_expr(users::Column::PasswordHash, Expr::value(password_hash))
            .filter(users::Column::AccountId.eq(self.account_id()))
            .filter(users::Column::Id.eq(id))
            .exec(self)
            .await?;
        Ok(done.rows_affected == 1)
    }

    fn people(&self) -> Select<users::Entity> {
        users::Entity::find().filter(users::Column::AccountId.eq(self.account_id()))
    }
}
