//! Tokens and what they claim.

use std::{fmt, net::IpAddr};

use crate::{Epoch, Timestamp};

/// What a strategy read from a token: whom it speaks for, and under which conditions.
///
/// A claim is not a user yet: [`UserStore::resolve`](crate::UserStore::resolve) looks whether it still holds.
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
}

/// What a self-contained token says about itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Subject<Id> {
    /// The user.
    pub user_id: Id,
    /// The id of the token, by which it can be revoked.
    pub token_id: String,
    /// The session epoch at which it was issued.
    pub epoch: Epoch,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The backend it was read by.
    pub backend: String,
}

impl<Id> Subject<Id> {
    /// What a token of `backend` with this id says about its user.
    pub fn new(
        user_id: Id,
        token_id: impl Into<String>,
        epoch: Epoch,
        expires_at: Timestamp,
        backend: impl Into<String>,
    ) -> Self {
        Self {
            user_id,
            token_id: token_id.into(),
            epoch,
            expires_at,
            backend: backend.into(),
        }
    }
}

/// An opaque token as it was presented.
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
    pub address: Option<IpAddr>,
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
            address: None,
        }
    }
}

/// Which sessions end with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EndSessions {
    /// None.
    #[default]
    None,
    /// All of the user, whatever strategy they are of: the epoch is raised.
    All,
    /// All but the opaque token with this digest, which moves on to the new epoch.
    AllExcept(TokenDigest),
}

/// The session by which somebody is signed in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Session {
    /// The backend.
    pub backend: String,
    /// The id of the token: the row's for an opaque one, the `jti` of a JWT.
    pub token_id: String,
    /// The digest of an opaque token; `None` for a self-contained one.
    pub digest: Option<TokenDigest>,
    /// When it was issued, where that is known.
    pub created_at: Option<Timestamp>,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl Session {
    /// A session of `backend` by the token with this id.
    pub fn new(backend: impl Into<String>, token_id: impl Into<String>) -> Self {
        Self {
            backend: backend.into(),
            token_id: token_id.into(),
            digest: None,
            created_at: None,
            expires_at: None,
        }
    }
}

/// A user together with the session by which they are signed in.
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

    /// `user`, signed in by the self-contained token that said `subject`.
    pub fn by_subject<Id>(user: U, subject: &Subject<Id>) -> Self {
        let mut session = Session::new(subject.backend.clone(), subject.token_id.clone());
        session.expires_at = Some(subject.expires_at);
        Self { user, session }
    }
}
