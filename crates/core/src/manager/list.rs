//! Listing users.

use crate::{EmailKey, Failure, ListUsers, User, UserApi, UserManager, UserOf, UserQuery, normalize_email};

/// A page of users.
///
/// ```
/// use axum_users_core::{Failure, ListUsers, UserApi, UserManager, UserQuery};
///
/// async fn count<A: UserApi<Store: ListUsers>>(manager: &UserManager<A>) -> Result<usize, Failure> {
///     let (mut query, mut count) = (UserQuery::new(100), 0);
///     loop {
///         let page = manager.list(query.clone()).await?;
///         count += page.items.len();
///         match page.next {
///             Some(next) => query.after = Some(next),
///             None => return Ok(count),
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page<U> {
    /// The users, by the normal form of their address.
    pub items: Vec<U>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<EmailKey>,
}

impl<A: UserApi<Store: ListUsers>> UserManager<A> {
    /// Lists users; at most [`MAX_PAGE`](Self::MAX_PAGE) at once.
    ///
    /// # Errors
    /// [`Failure`] where the store fails.
    pub async fn list(&self, mut query: UserQuery) -> Result<Page<UserOf<A>>, Failure> {
        let limit = query.limit.clamp(1, Self::MAX_PAGE);
        query.limit = limit + 1;
        let mut items = self.store().list(&query).await?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items
            .last()
            .filter(|_| more)
            .and_then(|user| normalize_email(user.email()).ok());
        Ok(Page { items, next })
    }

    /// The most users on a page.
    pub const MAX_PAGE: u32 = 100;
}
