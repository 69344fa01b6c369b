//! Lists of users.

use axum_users_core::{ListUsers, StoreError, UserQuery};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{SeaOrmUsers, UserEntity};

impl<E: UserEntity> ListUsers for SeaOrmUsers<E> {
    async fn list(&self, query: &UserQuery) -> Result<Vec<E::Model>, StoreError> {
        let mut select = E::find();
        if let Some(after) = &query.after {
            select = select.filter(E::EMAIL_KEY.gt(after.as_str()));
        }
        if let Some(email) = &query.email {
            select = select.filter(E::EMAIL_KEY.eq(email.as_str()));
        }
        if let Some(prefix) = query.email_prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            // No address holds a blank, and some collations ignore one at the end.
            if prefix.contains(char::is_whitespace) {
                return Ok(Vec::new());
            }
            select = select.filter(E::EMAIL_KEY.gte(prefix));
            if let Some(end) = after_prefix(prefix) {
                select = select.filter(E::EMAIL_KEY.lt(end));
            }
        }
        let select = select.order_by_asc(E::EMAIL_KEY).limit(u64::from(query.limit));
        self.once(select.all(&self.db)).await
    }
}

/// The first text that comes after all that start with `prefix`. A range uses the index on every database, `LIKE` does not.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            _ => u32::from(last).checked_add(1).and_then(char::from_u32),
        };
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn a_prefix_ends_before_the_next_text() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }
}
