//! The names of the tables that belong to an entity of users.

use sea_orm::{DbBackend, EntityTrait};

/// The tables that the library keeps beside the table of an entity of users, named after it.
///
/// All moments in them are milliseconds since the Unix epoch in a `bigint`: no time zones, the same on every database.
///
/// ```
/// use axum_users_sea_orm::{Tables, users};
///
/// assert_eq!(Tables::of::<users::Entity>().tokens(), "users_tokens");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    schema: Option<String>,
    user: String,
}

impl Tables {
    /// The tables that go with `E`.
    pub fn of<E: EntityTrait>() -> Self {
        let entity = E::default();
        Self {
            schema: entity.schema_name().map(str::to_owned),
            user: entity.table_name().to_owned(),
        }
    }

    /// The table of the entity itself.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Opaque tokens, by digest.
    pub fn tokens(&self) -> String {
        format!("{}_tokens", self.user)
    }

    /// Personal access tokens, by digest.
    pub fn personal_tokens(&self) -> String {
        format!("{}_personal_tokens", self.user)
    }

    /// Session epochs; no row is epoch 0.
    pub fn epochs(&self) -> String {
        format!("{}_epochs", self.user)
    }

    /// The ids of tokens that were ended before their time.
    pub fn revoked(&self) -> String {
        format!("{}_revoked", self.user)
    }

    /// Changes of address that wait, or may still be undone.
    pub fn email_changes(&self) -> String {
        format!("{}_email_changes", self.user)
    }

    /// Mails that wait to be sent.
    pub fn outbox(&self) -> String {
        format!("{}_outbox", self.user)
    }

    /// A table's name as it stands in a statement, with the schema of the entity.
    pub fn quoted(&self, backend: DbBackend, table: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(backend, schema), quote(backend, table)),
            None => quote(backend, table),
        }
    }
}

/// A name as it stands in a statement.
pub(crate) fn quote(backend: DbBackend, name: &str) -> String {
    if backend == DbBackend::MySql {
        format!("`{}`", name.replace('`', "``"))
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
