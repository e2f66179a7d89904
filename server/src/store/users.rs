//! `users`: the people of an account.

use chrono::{DateTime, Utc};

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
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
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
        Ok(sqlx::query_scalar(
            "insert into users (account_id, email, name, role, password_hash, auth_subject)
             values ($1, $2, $3, $4, $5, $6)
             returning id",
        )
        .bind(self.account_id())
        .bind(&user.email)
        .bind(&user.name)
        .bind(user.role)
        .bind(&user.password_hash)
        .bind(&user.auth_subject)
        .fetch_one(&mut *self.connection().await)
        .await?)
    }

    /// A person of this account.
    pub async fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        Ok(
            sqlx::query_as("select id, email, name, role, created_at from users where account_id = $1 and id = $2")
                .bind(self.account_id())
                .bind(id)
                .fetch_optional(&mut *self.connection().await)
                .await?,
        )
    }

    /// Everybody in this account, the longest-standing first.
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        Ok(sqlx::query_as(
            "select id, email, name, role, created_at from users where account_id = $1 order by created_at, id",
        )
        .bind(self.account_id())
        .fetch_all(&mut *self.connection().await)
        .await?)
    }

    /// Gives a person another password. Answers whether there is such a person here.
    pub async fn set_password_hash(&self, id: UserId, password_hash: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("update users set password_hash = $3 where account_id = $1 and id = $2")
            .bind(self.account_id())
            .bind(id)
            .bind(password_hash)
            .execute(&mut *self.connection().await)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
