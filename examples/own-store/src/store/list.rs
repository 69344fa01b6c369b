//! `ListUsers`.

use axum_users::{ListUsers, StoreError, UserQuery};

use super::{SqliteUsers, failure::store_error};
use crate::customer::{Customer, columns};

impl ListUsers for SqliteUsers {
    async fn list(&self, query: &UserQuery) -> Result<Vec<Customer>, StoreError> {
        let exact = query.email.as_ref().map(axum_users::EmailKey::as_str);
        let prefix = query.email_prefix.as_deref().unwrap_or_default();
        if exact.is_some_and(|email| !email.starts_with(prefix)) {
            return Ok(Vec::new());
        }
        // No text in UTF-8 has the byte FF, so all that begin with a prefix come before the prefix with FF behind it. Such a
        // range is found in the index, `LIKE` is not.
        let list = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM users WHERE email_key > ?1 AND email_key >= ?2 AND email_key <= COALESCE(?3, ?2 || X'FF') \
             ORDER BY email_key LIMIT ?4"
        ))
        .bind(query.after.as_ref().map_or("", |after| after.as_str()))
        .bind(exact.unwrap_or(prefix))
        .bind(exact)
        .bind(query.limit);
        list.fetch_all(&self.pool).await.map_err(store_error)
    }
}
