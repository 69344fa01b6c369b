//! What a token is.

mod database;
mod jwt;
mod opaque;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use axum_users_core::{Claim, Context, Epoch, Failure, Secret, Session, Timestamp};

pub use self::{database::DatabaseStrategy, jwt::JwtStrategy, opaque::OpaqueTokens};

/// A future in a box, as a trait object needs it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// For whom a token is to be issued.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Grant<'a, Id> {
    /// The user.
    pub user_id: &'a Id,
    /// The session epoch at which the user was found right.
    pub epoch: Epoch,
    /// The backend that issues.
    pub backend: &'a str,
    /// The request.
    pub context: &'a Context,
}

impl<'a, Id> Grant<'a, Id> {
    /// A token of `backend` for this user.
    pub fn new(user_id: &'a Id, epoch: Epoch, backend: &'a str, context: &'a Context) -> Self {
        Self {
            user_id,
            epoch,
            backend,
            context,
        }
    }
}

/// A token on its way to its owner.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedToken {
    token: Secret,
    /// How long it is good; `None` for ever.
    pub lifetime: Option<Duration>,
}

impl IssuedToken {
    /// A token that is good for `lifetime`.
    pub fn new(token: String, lifetime: Option<Duration>) -> Self {
        Self {
            token: Secret::new(token),
            lifetime,
        }
    }

    /// The token itself.
    ///
    /// # Security
    /// It belongs into the answer to the login and nowhere else.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.token.expose()).unwrap_or_default()
    }
}

/// What a token is: how one is made, what it claims, and how it ends.
///
/// A strategy never loads a user: it turns a token into a [`Claim`], which the store resolves. [`JwtStrategy`] and
/// [`DatabaseStrategy`] are ready; an application may write its own.
pub trait Strategy<Id>: fmt::Debug + Send + Sync + 'static {
    /// Makes a token; `None` where the user is gone.
    fn issue<'a>(&'a self, grant: Grant<'a, Id>) -> BoxFuture<'a, Result<Option<IssuedToken>, Failure>>;

    /// What a token that was presented to `backend` claims; `None` where it is none of ours, or over.
    ///
    /// # Security
    /// A token that was issued by another backend must not be taken.
    fn read<'a>(
        &'a self,
        token: &'a str,
        backend: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim<Id>>, Failure>>;

    /// Ends a token that has just been found good, with the session it stands for.
    fn end<'a>(&'a self, token: &'a str, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>>;
}
