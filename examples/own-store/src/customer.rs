//! A user of this application: what the library needs to know, and a column of the application's own.

use axum_users::User;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Row, sqlite::SqliteRow};
use utoipa::ToSchema;
use validator::Validate;

/// A row of `users`.
#[derive(Clone)]
pub(crate) struct Customer {
    pub(crate) id: i64,
    pub(crate) email: String,
    hashed_password: Option<String>,
    is_active: bool,
    is_verified: bool,
    is_superuser: bool,
    pub(crate) full_name: Option<String>,
}

/// The columns of a [`Customer`] in the order in which it is read, and the epoch after them.
macro_rules! columns {
    () => {
        "users.id, users.email, users.hashed_password, users.is_active, users.is_verified, users.is_superuser, \
         users.full_name, users.epoch"
    };
}
pub(crate) use columns;

/// Where the epoch stands among the [`columns`].
pub(crate) const EPOCH: usize = 7;

impl FromRow<'_, SqliteRow> for Customer {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get(0)?,
            email: row.try_get(1)?,
            hashed_password: row.try_get(2)?,
            is_active: row.try_get(3)?,
            is_verified: row.try_get(4)?,
            is_superuser: row.try_get(5)?,
            full_name: row.try_get(6)?,
        })
    }
}

impl User for Customer {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
    fn email(&self) -> &str {
        &self.email
    }
    fn hashed_password(&self) -> Option<&str> {
        self.hashed_password.as_deref()
    }
    fn is_active(&self) -> bool {
        self.is_active
    }
    fn is_verified(&self) -> bool {
        self.is_verified
    }
    fn is_superuser(&self) -> bool {
        self.is_superuser
    }
}

/// The column of the application's own, as bodies have it; absent, it stays as it is.
#[derive(Serialize, Deserialize, ToSchema, Validate)]
pub(crate) struct Profile {
    /// What the customer is called, at most 40 characters.
    pub(crate) full_name: Option<String>,
}

impl From<Customer> for Profile {
    fn from(customer: Customer) -> Self {
        Self {
            full_name: customer.full_name,
        }
    }
}
