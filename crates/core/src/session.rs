//! Tokens and what they claim.

use std::{fmt, net::IpAddr};

use crate::{Epoch, Stored, Timestamp};

/// What a strategy read from a token: whom it speaks for, and under which conditions.
///
/// A claim is not a user yet: [`UserStore::resolve`](crate::UserStore::resolve) looks whether it still holds.
///
/// ```
/// use axum_users_core::{Claim, OpaqueClaim, TokenDigest};
/// use uuid::Uuid;
///
/// let claim: Claim<Uuid> = Claim::Digest(OpaqueClaim::new(TokenDigest::of("a token"), "token"));
/// assert!(matches!(claim, Claim::Digest(_)));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Claim<Id> {
    /// The token names its user; the user's epoch and the list of revoked ids decide whether it lives.
    Subject(Subject<Id>),
    /// The token names its user, and nothing but its expiry ends it before the user is deactivated.
    ///
    /// # Security
    /// Such a token survives logout, password change and reset. Applications choose this by name.
    Stateless(Subject<Id>),
    /// The token is opaque; a row with its digest says whose it is.
    Digest(OpaqueClaim),
    /// The token is a personal access token; a row with its digest says whose it is. No epoch ends it.
    Personal(OpaqueClaim),
}

/// What a self-contained token says about itself, or what is kept of a token outside of the store of users.
///
/// ```
/// use axum_users_core::{Claim, Epoch, Session, Subject};
///
/// let session = Session::new("jwt", "the jti", Epoch(0));
/// let claim = Claim::Subject(Subject::new(7_i64, session));
/// # let _ = claim;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Subject<Id> {
    /// The user.
    pub user_id: Id,
    /// The session; good only at its epoch and before its end.
    pub session: Session,
}

impl<Id> Subject<Id> {
    /// Says that `session` is one of this user.
    pub fn new(user_id: Id, session: Session) -> Self {
        Self { user_id, session }
    }
}

/// An opaque token as it was presented.
///
/// ```
/// use axum_users_core::{OpaqueClaim, TokenDigest};
///
/// let claim = OpaqueClaim::new(TokenDigest::of("a token"), "token");
/// assert_eq!(claim.backend, "token");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpaqueClaim {
    /// The digest of the token.
    pub digest: TokenDigest,
    /// The backend it was presented to; the row must name the same.
    pub backend: String,
}

impl OpaqueClaim {
    /// A token with this digest, presented to `backend`.
    pub fn new(digest: TokenDigest, backend: impl Into<String>) -> Self {
        Self {
            digest,
            backend: backend.into(),
        }
    }
}

/// The SHA-256 of an opaque token: what is stored in its place.
///
/// ```
/// use axum_users_core::TokenDigest;
///
/// let digest = TokenDigest::of("a token");
/// assert_eq!(digest.as_bytes().len(), 32);
/// assert_ne!(digest, TokenDigest::of("another token"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of the text of a token.
    pub fn of(token: &str) -> Self {
        use sha2::{Digest as _, Sha256};
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// An opaque token about to be stored.
///
/// ```
/// use axum_users_core::{LimitPolicy, NewToken, Epoch, Timestamp, TokenDigest, TokenLimit};
///
/// let now = Timestamp::from_secs(1_767_225_600);
/// let mut token = NewToken::new(7_i64, "token", TokenDigest::of("a token"), Epoch(0), now);
/// token.limit = Some(TokenLimit { most: 5, policy: LimitPolicy::EndOldest });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewToken<Id> {
    /// The user it speaks for.
    pub user_id: Id,
    /// The backend it is issued by and good for.
    pub backend: String,
    /// Its digest.
    pub digest: TokenDigest,
    /// The session epoch it is issued at.
    pub epoch: Epoch,
    /// When it is issued.
    pub created_at: Timestamp,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// The user agent it is issued to.
    pub user_agent: Option<String>,
    /// The client address it is issued to, where that is kept.
    pub client_address: Option<IpAddr>,
    /// How many tokens of this backend the user may have with it.
    pub limit: Option<TokenLimit>,
}

impl<Id> NewToken<Id> {
    /// A token of `backend` for a user at an epoch, without end.
    pub fn new(
        user_id: Id,
        backend: impl Into<String>,
        digest: TokenDigest,
        epoch: Epoch,
        created_at: Timestamp,
    ) -> Self {
        Self {
            user_id,
            backend: backend.into(),
            digest,
            epoch,
            created_at,
            expires_at: None,
            user_agent: None,
            client_address: None,
            limit: None,
        }
    }
}

/// How many tokens of one backend a user may have at once. Expired ones do not count.
///
/// ```
/// use axum_users_core::{LimitPolicy, TokenLimit};
///
/// let limit = TokenLimit { most: 5, policy: LimitPolicy::Refuse };
/// assert_eq!(limit.most, 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLimit {
    /// How many at most.
    pub most: u32,
    /// What happens when there are as many.
    pub policy: LimitPolicy,
}

/// What happens when a user who has as many tokens as may be wants another one.
///
/// ```
/// use axum_users_core::LimitPolicy;
///
/// fn in_words(policy: LimitPolicy) -> &'static str {
///     match policy {
///         LimitPolicy::Refuse => "log out elsewhere first",
///         LimitPolicy::EndOldest => "you were logged out where you have been longest",
///         _ => "see the documentation",
///     }
/// }
/// # assert_eq!(in_words(LimitPolicy::Refuse), "log out elsewhere first");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LimitPolicy {
    /// The login is refused.
    #[default]
    Refuse,
    /// The oldest token ends.
    EndOldest,
}

/// That a token was used: what is written about it, off the path of the request.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{Timestamp, TokenDigest, TokenUse};
///
/// let now = Timestamp::from_secs(1_767_225_600);
/// let noted = TokenUse::new(TokenDigest::of("a token"), now).renewed_until(now.plus(Duration::from_hours(1)));
/// assert_eq!(noted.expires_at, Some(Timestamp::from_secs(1_767_229_200)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenUse {
    /// The digest of the token.
    pub digest: TokenDigest,
    /// When it was used.
    pub seen_at: Timestamp,
    /// The end it is to have from now on; `None` leaves it as it is. An end is never moved forward.
    pub expires_at: Option<Timestamp>,
}

impl TokenUse {
    /// The token with this digest was used.
    pub fn new(digest: TokenDigest, seen_at: Timestamp) -> Self {
        Self {
            digest,
            seen_at,
            expires_at: None,
        }
    }

    /// Lets the token live until `expires_at`, if it would end before.
    #[must_use]
    pub fn renewed_until(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = Some(expires_at);
        self
    }
}

/// A token as its owner sees it in a list. Neither the token nor its digest is part of it.
///
/// ```
/// use axum_users_core::{Timestamp, TokenRecord};
///
/// let record = TokenRecord::new("7", "token", Timestamp::from_secs(1_767_225_600));
/// assert_eq!((record.name, record.last_seen_at), (None, None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRecord {
    /// The id, unique within its backend.
    pub id: String,
    /// The backend.
    pub backend: String,
    /// The name that the user gave it.
    pub name: Option<String>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Option<Timestamp>,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// The user agent it was issued to.
    pub user_agent: Option<String>,
    /// The client address it was issued to, where that is kept.
    pub client_address: Option<IpAddr>,
}

impl TokenRecord {
    /// A token of `backend` of which no more than its issue is known.
    pub fn new(id: impl Into<String>, backend: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            backend: backend.into(),
            name: None,
            created_at,
            last_seen_at: None,
            expires_at: None,
            user_agent: None,
            client_address: None,
        }
    }
}

/// A personal access token about to be stored.
///
/// ```
/// use axum_users_core::{NewPersonalToken, PersonalTokenStore, StoreError, TokenStored};
///
/// async fn keep<S: PersonalTokenStore>(
///     store: &S,
///     mut token: NewPersonalToken<axum_users_core::IdOf<S>>,
/// ) -> Result<TokenStored, StoreError> {
///     token.most = 20;
///     store.insert_personal_token(token).await
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewPersonalToken<Id> {
    /// The user it speaks for.
    pub user_id: Id,
    /// Its digest.
    pub digest: TokenDigest,
    /// What its owner calls it.
    pub name: String,
    /// The session epoch at which who makes it was found right; at another one it is not stored.
    pub epoch: Epoch,
    /// What it may be used for; `None` for all that its owner may do.
    pub scopes: Option<Vec<String>>,
    /// When it is made.
    pub created_at: Timestamp,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// How many the user may have with it.
    pub most: u32,
}

impl<Id> NewPersonalToken<Id> {
    /// A token for a user who may have `most` of them, without scopes and without end.
    pub fn new(
        user_id: Id,
        digest: TokenDigest,
        name: impl Into<String>,
        epoch: Epoch,
        created_at: Timestamp,
        most: u32,
    ) -> Self {
        Self {
            user_id,
            digest,
            name: name.into(),
            epoch,
            scopes: None,
            created_at,
            expires_at: None,
            most,
        }
    }
}

/// A personal access token as its owner sees it in a list. Neither the token nor its digest is part of it.
///
/// ```
/// use axum_users_core::{PersonalTokenRecord, Timestamp};
///
/// let record = PersonalTokenRecord::new("7", "nightly backup", Timestamp::from_secs(1_767_225_600));
/// assert_eq!(record.scopes, None, "all that its user may do");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersonalTokenRecord {
    /// The id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for; `None` for all that its owner may do.
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Option<Timestamp>,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl PersonalTokenRecord {
    /// A token without scopes and without end that was never used.
    pub fn new(id: impl Into<String>, name: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            scopes: None,
            created_at,
            last_seen_at: None,
            expires_at: None,
        }
    }
}

/// Which sessions end with a change.
///
/// ```
/// use axum_users_core::{EndSessions, Failure, RevocationReason, UserApi, IdFor, UserManager};
///
/// async fn sign_out_everywhere<A: UserApi>(manager: &UserManager<A>, id: &IdFor<A>) {
///     let context = manager.context();
///     let ended = manager.end_sessions(id, EndSessions::All, RevocationReason::ByAdmin, &context).await;
///     # let _ = ended;
/// }
/// # let _: Option<Failure> = None;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EndSessions {
    /// None.
    #[default]
    None,
    /// All of the user, whatever strategy they are of: the epoch is raised. Personal access tokens live on.
    All,
    /// All of the user, and the personal access tokens too.
    Everything,
    /// All but the opaque token with this digest, which moves on to the new epoch.
    AllExcept(TokenDigest),
}

/// What somebody is signed in by.
///
/// ```
/// use axum_users_core::{Session, SessionKind};
///
/// fn is_a_person(session: &Session) -> bool {
///     session.kind == SessionKind::Login
/// }
/// # assert!(is_a_person(&Session::new("jwt", "1", axum_users_core::Epoch(0))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SessionKind {
    /// A login.
    #[default]
    Login,
    /// A personal access token, in the hands of a machine.
    Personal,
}

/// The session by which somebody is signed in.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{Epoch, Session, Timestamp};
///
/// let now = Timestamp::from_secs(1_767_225_600);
/// let session = Session::new("token", "7", Epoch(0)).since(now).until(now.plus(Duration::from_hours(1)));
/// assert!(!session.is_over(now) && session.is_over(now.plus(Duration::from_hours(1))));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Session {
    /// Whether it began with a login.
    pub kind: SessionKind,
    /// The backend.
    pub backend: String,
    /// The id of the token: the row's for an opaque one, the `jti` of a JWT.
    pub token_id: String,
    /// The digest of an opaque token; `None` for a self-contained one.
    pub digest: Option<TokenDigest>,
    /// The session epoch of its user at which it is good.
    pub epoch: Epoch,
    /// When it was issued, where that is known.
    pub created_at: Option<Timestamp>,
    /// When it was last noted to be used, where that is kept.
    pub last_seen_at: Option<Timestamp>,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// What it may be used for; `None` for all that its user may do.
    pub scopes: Option<Vec<String>>,
}

impl Session {
    /// A session of `backend` by the token with this id, good at this epoch, without end.
    pub fn new(backend: impl Into<String>, token_id: impl Into<String>, epoch: Epoch) -> Self {
        Self {
            kind: SessionKind::Login,
            backend: backend.into(),
            token_id: token_id.into(),
            digest: None,
            epoch,
            created_at: None,
            last_seen_at: None,
            expires_at: None,
            scopes: None,
        }
    }

    /// The same session from this moment on.
    #[must_use]
    pub fn since(mut self, created_at: Timestamp) -> Self {
        self.created_at = Some(created_at);
        self
    }

    /// The same session until this moment; `None` for ever.
    #[must_use]
    pub fn until(mut self, expires_at: impl Into<Option<Timestamp>>) -> Self {
        self.expires_at = expires_at.into();
        self
    }

    /// Whether it is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// A user together with the session by which they are signed in.
///
/// ```
/// use axum_users_core::{SignedIn, User};
///
/// fn may_refund<U: User>(signed_in: &SignedIn<U>) -> bool {
///     signed_in.user.is_superuser() && signed_in.session.backend == "cookie"
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedIn<U> {
    /// The user.
    pub user: U,
    /// The session.
    pub session: Session,
}

impl<U> SignedIn<U> {
    /// `user`, signed in by `session`.
    pub fn new(user: U, session: Session) -> Self {
        Self { user, session }
    }

    /// The user whom a [`Claim::Stateless`] names, at the epoch that holds now: that of its own decides nothing.
    pub fn stateless<Id>(stored: Stored<U>, subject: &Subject<Id>) -> Self {
        let mut session = subject.session.clone();
        session.epoch = stored.epoch;
        Self::new(stored.user, session)
    }
}
