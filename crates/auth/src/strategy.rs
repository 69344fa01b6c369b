//! What a token is.

mod database;
mod jwt;
mod opaque;
mod options;
mod personal;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use axum_users_core::{Claim, Context, Epoch, Failure, Secret, Session, Timestamp, TokenRecord, TokenUse};

pub use self::{
    database::DatabaseStrategy,
    jwt::{JwtStrategy, Revocations},
    opaque::OpaqueTokens,
    options::TokenOptions,
    personal::PersonalTokens,
};

/// A future in a box, as a trait object needs it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// For whom a token is to be issued.
///
/// ```
/// use axum_users_auth::strategy::Grant;
/// use axum_users_core::{Context, Epoch, Timestamp};
///
/// let context = Context::new(Timestamp::from_secs(1_767_225_600));
/// let grant = Grant::new(&7_i64, Epoch(0), "token", &context);
/// assert_eq!((grant.user_id, grant.backend), (&7, "token"));
/// ```
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
///
/// ```
/// use std::time::Duration;
/// use axum_users_auth::strategy::IssuedToken;
/// use axum_users_core::{Epoch, Session, Timestamp};
///
/// let now = Timestamp::from_secs(1_767_225_600);
/// let session = Session::new("token", "7", Epoch(0)).since(now).until(now.plus(Duration::from_hours(1)));
/// let token = IssuedToken::new("s3cret".to_owned(), session);
/// assert_eq!((token.expose(), token.lifetime()), ("s3cret", Some(Duration::from_hours(1))));
/// assert!(!format!("{token:?}").contains("s3cret"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedToken {
    token: Secret,
    /// The session it begins.
    pub session: Session,
    /// How long the client is to keep it: longer than it is good, where its end moves as long as it is used.
    pub keep: Option<Duration>,
    /// How many older tokens of the user ended for it.
    pub ended: u64,
}

impl IssuedToken {
    /// A token that begins `session`.
    pub fn new(token: String, session: Session) -> Self {
        let mut issued = Self {
            token: Secret::new(token),
            session,
            keep: None,
            ended: 0,
        };
        issued.keep = issued.lifetime();
        issued
    }

    /// The token itself.
    ///
    /// # Security
    /// It belongs into the answer to the login and nowhere else.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.token.expose()).unwrap_or_default()
    }

    /// How long it is good from its issue on; `None` for ever.
    pub fn lifetime(&self) -> Option<Duration> {
        let Session {
            created_at,
            expires_at,
            ..
        } = self.session;
        Some(expires_at?.since(created_at?))
    }
}

/// How an attempt to issue a token ended.
///
/// ```
/// use axum_users_auth::strategy::Issue;
///
/// fn status(issue: &Issue) -> u16 {
///     match issue {
///         Issue::Issued(_) => 200,
///         Issue::LimitReached => 403,
///         _ => 400,
///     }
/// }
/// # assert_eq!(status(&Issue::LimitReached), 403);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "made once for each login, and taken apart at once"
)]
pub enum Issue {
    /// Here it is.
    Issued(IssuedToken),
    /// The user is gone.
    NoUser,
    /// The user has as many tokens as may be.
    LimitReached,
}

/// What a token is: how one is made, what it claims, and how it ends.
///
/// A strategy never loads a user: it turns a token into a [`Claim`], which the store resolves. [`JwtStrategy`] and
/// [`DatabaseStrategy`] are ready; an application may write its own. What has a default may be left out.
///
/// ```
/// use axum_users_auth::{Backend, strategy::Strategy, transport::BearerTransport};
/// use axum_users_core::{IdFor, UserApi};
///
/// /// A strategy of the application's own is used as those of the library are.
/// fn backend<A: UserApi>(own: impl Strategy<IdFor<A>>) -> Backend<A> {
///     Backend::new("own", BearerTransport::new(), own)
/// }
/// ```
pub trait Strategy<Id>: fmt::Debug + Send + Sync + 'static {
    /// Makes a token.
    fn issue<'a>(&'a self, grant: Grant<'a, Id>) -> BoxFuture<'a, Result<Issue, Failure>>;

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

    /// Lets a session live on at the epoch of `grant`, after all others of its user were ended.
    ///
    /// Answers the token that stands for it from now on, where the old one cannot. By default the session ends as well.
    fn carry<'a>(
        &'a self,
        token: &'a str,
        session: &'a Session,
        grant: Grant<'a, Id>,
    ) -> BoxFuture<'a, Result<Option<IssuedToken>, Failure>> {
        let _ = (token, session, grant);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// What is to be written now that the token of `session` was used, if anything is; nothing by default.
    fn due(&self, session: &Session, now: Timestamp) -> Option<TokenUse> {
        let _ = (session, now);
        None
    }

    /// Writes what was [`due`](Self::due), off the path of the request; false where the token has ended meanwhile.
    fn note_use<'a>(&'a self, session: &'a Session, noted: TokenUse) -> BoxFuture<'a, Result<bool, Failure>> {
        let _ = (session, noted);
        Box::pin(std::future::ready(Ok(true)))
    }

    /// Whether a login may be refused because the user has as many tokens as may be, for the document; not by default.
    fn refuses_at_limit(&self) -> bool {
        false
    }

    /// Whether tokens outlive what ends the sessions of their user; not by default.
    fn is_stateless(&self) -> bool {
        false
    }

    /// The list of sessions, where the strategy keeps one; `None` by default.
    fn sessions(&self) -> Option<&dyn SessionList<Id>> {
        None
    }

    /// What is wrong with the settings, if anything is; asked once, at start-up.
    ///
    /// # Errors
    /// A sentence that says what to do.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Whose sessions a list is asked about.
///
/// ```
/// use axum_users_auth::strategy::SessionOwner;
/// use axum_users_core::{Epoch, Timestamp};
///
/// let owner = SessionOwner::new(&7_i64, Epoch(0), "token", Timestamp::from_secs(1_767_225_600));
/// assert_eq!(owner.backend, "token");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct SessionOwner<'a, Id> {
    /// The user.
    pub user_id: &'a Id,
    /// The session epoch of the user.
    pub epoch: Epoch,
    /// The backend.
    pub backend: &'a str,
    /// When.
    pub now: Timestamp,
}

impl<'a, Id> SessionOwner<'a, Id> {
    /// The sessions of this user at `epoch`, of `backend`, as they are at `now`.
    pub fn new(user_id: &'a Id, epoch: Epoch, backend: &'a str, now: Timestamp) -> Self {
        Self {
            user_id,
            epoch,
            backend,
            now,
        }
    }
}

// Derived impls would ask for `Id: Copy`, though only a reference is kept.
impl<Id> Clone for SessionOwner<'_, Id> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Id> Copy for SessionOwner<'_, Id> {}

/// The sessions of users, as their owners see and end them.
///
/// ```
/// use axum_users_auth::strategy::{SessionOwner, Strategy};
/// use axum_users_core::Failure;
///
/// async fn devices<Id: 'static>(strategy: &dyn Strategy<Id>, owner: SessionOwner<'_, Id>) -> Result<usize, Failure> {
///     match strategy.sessions() {
///         Some(sessions) => Ok(sessions.list(owner).await?.len()),
///         None => Ok(0), // signed tokens are nowhere
///     }
/// }
/// ```
pub trait SessionList<Id>: Send + Sync {
    /// The live sessions of a user, the latest first.
    fn list<'a>(&'a self, owner: SessionOwner<'a, Id>) -> BoxFuture<'a, Result<Vec<TokenRecord>, Failure>>;

    /// Gives a session a name, or takes it away; false if there is no live one with this id.
    fn rename<'a>(
        &'a self,
        owner: SessionOwner<'a, Id>,
        id: &'a str,
        name: Option<&'a str>,
    ) -> BoxFuture<'a, Result<bool, Failure>>;

    /// Ends a session; false if there is none with this id.
    fn end<'a>(&'a self, owner: SessionOwner<'a, Id>, id: &'a str) -> BoxFuture<'a, Result<bool, Failure>>;
}
