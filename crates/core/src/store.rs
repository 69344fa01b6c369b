//! Where users live, and what a store must be able to do.

use std::{error::Error, fmt, future::Future, time::Duration};

use crate::{
    Denied, EmailAddress, EmailChange, EmailKey, Epoch, Message, PasswordHash, Stored, Timestamp, User,
    UserChanges,
    email::fold_login,
    normalize_email,
    session::{
        Claim, EndSessions, NewPersonalToken, NewToken, PersonalTokenRecord, SignedIn, TokenDigest,
        TokenRecord, TokenUse,
    },
};

/// The id type of a store's users.
pub type IdOf<S> = <<S as UserStore>::User as User>::Id;

/// A store could not do what was asked.
///
/// "Not found" is no error: look-ups answer `Ok(None)`.
///
/// ```
/// use axum_users_core::StoreError;
///
/// let down = StoreError::unavailable("connection refused"); // 503: asked again, it may be up
/// let broken = StoreError::fault("a column is missing"); // 500
/// assert!(matches!((down, broken), (StoreError::Unavailable(_), StoreError::Fault(_))));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be reached, or not in time: the request may be repeated.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The store answered with something that should not happen: a missing table, a value of the wrong type.
    #[error("the store failed")]
    Fault(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// The store is down.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// The store is broken.
    pub fn fault(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Fault(source.into())
    }
}

/// Something the application wired wrongly, found when it starts; the text says what to do.
///
/// ```
/// use axum_users_core::SetupError;
///
/// fn start(url: Option<&str>) -> Result<&str, SetupError> {
///     url.ok_or_else(|| SetupError::Invalid("set DATABASE_URL".to_owned()))
/// }
/// assert_eq!(start(None).unwrap_err().to_string(), "set DATABASE_URL");
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A value or a table is not as it must be.
    #[error("{0}")]
    Invalid(String),
    /// The store could not be asked.
    #[error("could not look at the store")]
    Store(#[from] StoreError),
}

/// `main` shows an error by its `Debug`: it says what to do, as `Display` does.
impl fmt::Debug for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What the database refused in a column that belongs to the application.
///
/// ```
/// use axum_users_core::{OwnConflict, OwnRule};
///
/// let taken = OwnConflict::new(OwnRule::Unique, Some("nickname".to_owned())); // 409, and names the column
/// assert_eq!(taken.rule, OwnRule::Unique);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnConflict {
    /// Which rule was broken.
    pub rule: OwnRule,
    /// The column, where the database names it.
    pub column: Option<String>,
}

impl OwnConflict {
    /// A refusal by `rule`, of `column` where it is known.
    pub fn new(rule: OwnRule, column: Option<String>) -> Self {
        Self { rule, column }
    }
}

/// A rule of the database that a value of the application's own columns broke.
///
/// ```
/// use axum_users_core::OwnRule;
///
/// fn status(rule: OwnRule) -> u16 {
///     match rule {
///         OwnRule::Unique => 409,
///         _ => 422,
///     }
/// }
/// # assert_eq!(status(OwnRule::Invalid), 422);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnRule {
    /// A unique index: answered with 409.
    Unique,
    /// A length, a check, a foreign key, a range: answered with 422.
    Invalid,
}

/// A user about to be stored.
///
/// ```
/// use axum_users_core::{EmailAddress, NewUser, Timestamp};
///
/// let email = EmailAddress::parse("arthur@camelot.bt")?;
/// let mut imported = NewUser::new(email, None, (), Timestamp::from_secs(1_767_225_600));
/// imported.is_verified = true; // the old system has asked
/// # Ok::<_, axum_users_core::EmailError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewUser<C> {
    /// The address.
    pub email: EmailAddress,
    /// The hash of the password; `None` for a user without one.
    pub hashed_password: Option<PasswordHash>,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the address is confirmed.
    pub is_verified: bool,
    /// Whether the user may manage other users.
    pub is_superuser: bool,
    /// Values for the application's own columns.
    pub own: C,
    /// When this happens.
    pub at: Timestamp,
}

impl<C> NewUser<C> {
    /// An active, unverified, ordinary user.
    pub fn new(email: EmailAddress, hashed_password: Option<PasswordHash>, own: C, at: Timestamp) -> Self {
        Self {
            email,
            hashed_password,
            is_active: true,
            is_verified: false,
            is_superuser: false,
            own,
            at,
        }
    }
}

/// How an insertion ended.
///
/// ```
/// use axum_users_core::{Inserted, MemoryUser};
///
/// fn in_words(inserted: &Inserted<MemoryUser>) -> String {
///     match inserted {
///         Inserted::Created(user) => format!("user {}", user.id),
///         Inserted::EmailTaken => "the address is taken".to_owned(),
///         Inserted::OwnConflict(conflict) => format!("{:?}", conflict.column),
///         _ => "refused".to_owned(),
///     }
/// }
/// # assert_eq!(in_words(&Inserted::EmailTaken), "the address is taken");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Inserted<U> {
    /// The user is stored.
    Created(U),
    /// Another user has an address of the same normal form.
    EmailTaken,
    /// The database refused a value of an own column.
    OwnConflict(OwnConflict),
    /// What is written with the user was refused by the application.
    Denied(Denied),
}

/// How a [rehearsal](UserStore::rehearse) ended.
///
/// ```
/// use axum_users_core::{Message, NewUser, Rehearsed, StoreError, UserStore};
///
/// async fn pretend<S: UserStore>(
///     store: &S,
///     new: NewUser<S::Columns>,
///     mails: Vec<Message>,
/// ) -> Result<bool, StoreError> {
///     match store.rehearse(new, mails).await? {
///         Rehearsed::Done => Ok(true),
///         _ => Ok(false), // refused, as the insertion would have been
///     }
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Rehearsed {
    /// The messages are kept; nobody was stored.
    Done,
    /// The database would have refused a value of an own column; nothing was kept.
    OwnConflict(OwnConflict),
    /// What is written with the user would have been refused by the application; nothing was kept.
    Denied(Denied),
}

/// Old values that must still hold for a change to be applied; `None` expects nothing. `Debug` shows no address.
///
/// ```
/// use axum_users_core::{Expected, MemoryUser, Stored};
///
/// /// Whether nobody changed the password since `user` was read.
/// fn is_unchanged(user: &MemoryUser, now: &Stored<MemoryUser>) -> bool {
///     let mut expected = Expected::new();
///     expected.password_of(user);
///     expected.holds_for(now)
/// }
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Expected {
    /// The stored hash of the password.
    pub hashed_password: Option<PasswordHash>,
    /// Whether the user must have no password at all.
    pub no_password: bool,
    /// The address as it is stored; only the case of ASCII letters does not count.
    pub email: Option<String>,
    /// Whether the user is active.
    pub is_active: Option<bool>,
    /// Whether the address is confirmed.
    pub is_verified: Option<bool>,
    /// The session epoch.
    pub epoch: Option<Epoch>,
}

impl Expected {
    /// Expects nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects that the password is still the one that `user` has, or that there is still none.
    pub fn password_of<U: User>(&mut self, user: &U) {
        self.hashed_password = user.hashed_password().map(PasswordHash::from_stored);
        self.no_password = self.hashed_password.is_none();
    }

    /// Expects that mail to the user still goes where it goes now.
    ///
    /// # Security
    /// The normal form alone would not do: it folds letters that a mail server may tell apart, such as `k` and its
    /// full-width twin.
    pub fn email_of<U: User>(&mut self, user: &U) {
        self.email = Some(user.email().to_owned());
    }

    /// Whether `stored` is as expected.
    pub fn holds_for<U: User>(&self, stored: &Stored<U>) -> bool {
        let hash = self.hashed_password.as_ref();
        let email = self.email.as_deref();
        hash.is_none_or(|hash| stored.hashed_password() == Some(hash.as_str()))
            && (!self.no_password || stored.hashed_password().is_none())
            && email.is_none_or(|email| email.eq_ignore_ascii_case(stored.email()))
            && self.is_active.is_none_or(|active| stored.is_active() == active)
            && self
                .is_verified
                .is_none_or(|verified| stored.is_verified() == verified)
            && self.epoch.is_none_or(|epoch| stored.epoch == epoch)
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected")
            .field("hashed_password", &self.hashed_password)
            .field("no_password", &self.no_password)
            .field("is_active", &self.is_active)
            .field("is_verified", &self.is_verified)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// One atomic change of one user.
///
/// ```
/// use axum_users_core::{Change, EndSessions, Timestamp};
///
/// let mut change = Change::<()>::new(Timestamp::from_secs(1_767_225_600));
/// change.expect.is_active = Some(true);
/// change.set.is_active = Some(false);
/// change.end_sessions = EndSessions::Everything;
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Change<C> {
    /// What must still hold.
    pub expect: Expected,
    /// New values for the columns that the library writes.
    pub set: UserChanges,
    /// New values for the application's own columns.
    pub own: C,
    /// Which sessions end with the change.
    pub end_sessions: EndSessions,
    /// What becomes of changes of address.
    pub email_change: EmailChange,
    /// Mails that are kept with the change, or not at all.
    pub messages: Vec<Message>,
    /// When this happens.
    pub at: Timestamp,
}

impl<C: Default> Change<C> {
    /// A change of nothing yet.
    pub fn new(at: Timestamp) -> Self {
        Self {
            expect: Expected::default(),
            set: UserChanges::default(),
            own: C::default(),
            end_sessions: EndSessions::None,
            email_change: EmailChange::Keep,
            messages: Vec::new(),
            at,
        }
    }
}

/// How a change ended.
///
/// ```
/// use axum_users_core::{Applied, Change, IdOf, StoreError, UserStore};
///
/// async fn change<S: UserStore>(store: &S, id: &IdOf<S>, change: Change<S::Columns>) -> Result<bool, StoreError> {
///     match store.update(id, change).await? {
///         Applied::Applied(_) => Ok(true),
///         _ => Ok(false), // stale, taken, missing: nothing was changed
///     }
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Applied<U> {
    /// The change is stored; this is the user now.
    Applied(Stored<U>),
    /// An expected value no longer holds; nothing was written.
    Stale,
    /// Another user has an address of the same normal form; nothing was written.
    EmailTaken,
    /// The database refused a value of an own column; nothing was written.
    OwnConflict(OwnConflict),
    /// There is no such user.
    Missing,
}

/// How a removal ended.
///
/// ```
/// use axum_users_core::{Expected, IdOf, Removed, StoreError, UserStore};
///
/// async fn remove<S: UserStore>(store: &S, id: &IdOf<S>) -> Result<&'static str, StoreError> {
///     Ok(match store.delete(id, Expected::new()).await? {
///         Removed::Removed => "gone",
///         Removed::InUse => "rows of the application refer to the user",
///         _ => "nobody there",
///     })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removed {
    /// The user is gone, with all sessions.
    Removed,
    /// Rows of the application refer to the user and hold on to them; nothing was removed.
    InUse,
    /// Something that was expected no longer holds; nothing was removed.
    Stale,
    /// There is no such user.
    Missing,
}

/// Writes the mails that go with a user who has just been stored, inside the store's transaction.
pub type Compose<'a, U> = &'a (dyn Fn(&U) -> Vec<Message> + Send + Sync);

/// Where users live.
///
/// Every method is one atomic command: it happens wholly or not at all, and concurrent commands behave as if they ran
/// one after the other. `store_contract` of `axum-users-testing` checks an implementation.
///
/// ```
/// use axum_users_core::{EmailAddress, StoreError, UserStore};
///
/// async fn exists(store: &impl UserStore, email: &EmailAddress) -> Result<bool, StoreError> {
///     Ok(store.find_by_email(email.key()).await?.is_some())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of users",
    note = "use `SeaOrmUsers<your_entity::Entity>`, `InMemoryUsers`, or implement `UserStore`"
)]
pub trait UserStore: Clone + Send + Sync + 'static {
    /// The user as the application knows it.
    type User: User;
    /// Values for columns that the library does not know about.
    type Columns: Default + Send + 'static;

    /// Finds a user by key.
    fn find(
        &self,
        id: &IdOf<Self>,
    ) -> impl Future<Output = Result<Option<Stored<Self::User>>, StoreError>> + Send;

    /// Finds a user by the normal form of the address, through an index.
    fn find_by_email(
        &self,
        email: &EmailKey,
    ) -> impl Future<Output = Result<Option<Stored<Self::User>>, StoreError>> + Send;

    /// Finds a user by what was typed as login; by default the e-mail address.
    fn find_by_login(
        &self,
        login: &str,
    ) -> impl Future<Output = Result<Option<Stored<Self::User>>, StoreError>> + Send {
        async move {
            match normalize_email(login) {
                Ok(key) => self.find_by_email(&key).await,
                Err(_) => Ok(None),
            }
        }
    }

    /// Under which name tries to log in as `login` are counted: the same for all spellings by which
    /// [`find_by_login`](Self::find_by_login) finds one user. By default the normal form of the address; of what is none, its
    /// first 320 characters, without regard to case.
    ///
    /// # Security
    /// With a name for each spelling a password can be guessed as often as there are spellings.
    fn login_name(&self, login: &str) -> String {
        match normalize_email(login) {
            Ok(key) => key.as_str().to_owned(),
            Err(_) => fold_login(login),
        }
    }

    /// The names under which logins of `user` are counted: one for each way to log in. By default the one of the address.
    fn login_names(&self, user: &Self::User) -> Vec<String> {
        vec![self.login_name(user.email())]
    }

    /// Stores a new user, together with the mails that `compose` writes for it.
    fn insert(
        &self,
        new: NewUser<Self::Columns>,
        compose: Compose<'_, Self::User>,
    ) -> impl Future<Output = Result<Inserted<Self::User>, StoreError>> + Send;

    /// Does what [`insert`](Self::insert) does for an address that is free, leaves no user behind, and keeps `messages`.
    ///
    /// The default keeps the messages alone.
    ///
    /// # Security
    /// Registration that does not tell who has an account asks for this where the address is taken. A store whose
    /// insertion takes time must do the same work here.
    fn rehearse(
        &self,
        new: NewUser<Self::Columns>,
        messages: Vec<Message>,
    ) -> impl Future<Output = Result<Rehearsed, StoreError>> + Send {
        async move {
            self.enqueue(messages, new.at).await?;
            Ok(Rehearsed::Done)
        }
    }

    /// Applies one change if all that it expects still holds.
    fn update(
        &self,
        id: &IdOf<Self>,
        change: Change<Self::Columns>,
    ) -> impl Future<Output = Result<Applied<Self::User>, StoreError>> + Send;

    /// Removes a user with all sessions if all that is expected still holds.
    fn delete(
        &self,
        id: &IdOf<Self>,
        expect: Expected,
    ) -> impl Future<Output = Result<Removed, StoreError>> + Send;

    /// Turns what a token claims into the user it belongs to, if all it claims still holds at `now`.
    ///
    /// The default serves stateless claims with [`find`](Self::find); a [`SessionStore`] answers every claim.
    fn resolve(
        &self,
        claim: &Claim<IdOf<Self>>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<SignedIn<Self::User>>, StoreError>> + Send {
        async move {
            match claim {
                Claim::Stateless(subject) if subject.session.is_over(now) => Ok(None),
                Claim::Stateless(subject) => Ok(self
                    .find(&subject.user_id)
                    .await?
                    .map(|stored| SignedIn::stateless(stored, subject))),
                Claim::Subject(_) | Claim::Digest(_) | Claim::Personal(_) => Err(StoreError::fault(
                    "this store keeps no sessions; use a strategy that needs none",
                )),
            }
        }
    }

    /// Keeps mails that no other change goes with.
    ///
    /// The default keeps none and says so, so that no mail is lost in silence; a store with an [`Outbox`] keeps them.
    fn enqueue(
        &self,
        messages: Vec<Message>,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        async move {
            let _ = at;
            if messages.is_empty() {
                Ok(())
            } else {
                Err(StoreError::fault(
                    "this store has no outbox; send mails from memory instead",
                ))
            }
        }
    }

    /// Whether changes of address are kept until they are confirmed: true for a
    /// [`EmailChangeStore`](crate::EmailChangeStore), false by default.
    fn keeps_email_changes(&self) -> bool {
        false
    }

    /// Looks whether the store is fit for use: reachable, with all tables and columns as they must be.
    ///
    /// # Errors
    /// [`SetupError`] with what to do.
    fn check(&self) -> impl Future<Output = Result<(), SetupError>> + Send {
        async { Ok(()) }
    }
}

/// A store that can turn `X` into values for its own columns.
///
/// ```
/// use axum_users_core::{Accepts, InMemoryUsers, NoExtra};
///
/// fn columns_of<S: Accepts<X>, X>(body: X) -> S::Columns {
///     S::columns(body)
/// }
/// columns_of::<InMemoryUsers, _>(NoExtra {});
/// ```
#[diagnostic::on_unimplemented(
    message = "`{X}` cannot be written to the columns of this store",
    label = "no way from `{X}` to the store's own columns",
    note = "with SeaORM, derive `DeriveIntoActiveModel` on `{X}` with `#[sea_orm(active_model = \"your_entity::ActiveModel\")]`"
)]
pub trait Accepts<X>: UserStore {
    /// The columns that `value` fills.
    fn columns(value: X) -> Self::Columns;
}

/// How an attempt to store a token ended.
///
/// ```
/// use axum_users_core::{IdOf, NewToken, SessionStore, StoreError, TokenStored};
///
/// async fn keep<S: SessionStore>(store: &S, token: NewToken<IdOf<S>>) -> Result<bool, StoreError> {
///     match store.insert_token(token).await? {
///         TokenStored::Stored { .. } => Ok(true),
///         _ => Ok(false), // no such user, or as many tokens as may be
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenStored {
    /// The token is stored.
    Stored {
        /// The id of its row.
        id: i64,
        /// How many older ones ended for it.
        ended: u64,
    },
    /// The user is gone.
    NoUser,
    /// The user has as many as may be.
    LimitReached,
    /// The sessions of the user were ended since its epoch, so it would be dead, or bring back what was ended.
    Stale,
}

/// How many rows a purge removed.
///
/// ```
/// use axum_users_core::{Clock, Purged, SessionStore, StoreError, SystemClock};
///
/// async fn clean(store: &impl SessionStore) -> Result<(), StoreError> {
///     let purged: Purged = store.purge(SystemClock.now(), 1000).await?;
///     println!("{} expired tokens, {} other rows", purged.tokens, purged.others);
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Purged {
    /// Expired tokens, personal ones among them.
    pub tokens: u64,
    /// Marks of tokens that were ended before their time, and whatever else the store no longer needs.
    pub others: u64,
}

impl Purged {
    /// So many rows of each kind.
    pub fn new(tokens: u64, others: u64) -> Self {
        Self { tokens, others }
    }

    /// All rows.
    pub fn total(self) -> u64 {
        self.tokens.saturating_add(self.others)
    }
}

/// A store that keeps sessions: opaque tokens, session epochs, and the ids of JWTs that were logged out.
///
/// An implementation also answers every [`Claim`] in [`UserStore::resolve`].
///
/// ```
/// use axum_users_core::{Clock, IdOf, SessionStore, StoreError, SystemClock};
///
/// async fn devices<S: SessionStore>(store: &S, id: &IdOf<S>) -> Result<usize, StoreError> {
///     Ok(store.list_tokens(id, "token", SystemClock.now(), 100).await?.len())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps no sessions",
    label = "this store does not implement `SessionStore`",
    note = "use `JwtStrategy::stateless`, or a store that implements `SessionStore`"
)]
pub trait SessionStore: UserStore {
    /// Stores a token by its digest, within its limit: exactly, also where many are stored at the same time.
    ///
    /// A token with a limit at another epoch than that of its user is [`TokenStored::Stale`], and ends no other one.
    fn insert_token(
        &self,
        token: NewToken<IdOf<Self>>,
    ) -> impl Future<Output = Result<TokenStored, StoreError>> + Send;

    /// Notes that a token was used; false if it is over, or ended meanwhile. Nothing is written then.
    fn note_use(&self, noted: TokenUse) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends one token of `backend`; false if there was none.
    fn end_token(
        &self,
        digest: &TokenDigest,
        backend: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The live tokens of a user of `backend`, the latest first; at most `limit`.
    fn list_tokens(
        &self,
        user_id: &IdOf<Self>,
        backend: &str,
        now: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<TokenRecord>, StoreError>> + Send;

    /// Gives a token of this user and `backend` a name, or takes it away; false if there is no live one with this id.
    fn name_token(
        &self,
        user_id: &IdOf<Self>,
        backend: &str,
        id: &str,
        name: Option<&str>,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends a token of this user and `backend`; false if there is none with this id.
    fn end_token_by_id(
        &self,
        user_id: &IdOf<Self>,
        backend: &str,
        id: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Refuses the token with this id from now on; the mark may be dropped after `until`.
    fn revoke(&self, token_id: &str, until: Timestamp)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes what has expired before `now`: at most `batch` rows, without keeping others from their tokens.
    fn purge(&self, now: Timestamp, batch: u32) -> impl Future<Output = Result<Purged, StoreError>> + Send;
}

/// A store that keeps personal access tokens.
///
/// An implementation also answers [`Claim::Personal`] in [`UserStore::resolve`], and removes the tokens of a user with the
/// user and by [`EndSessions::Everything`](crate::EndSessions::Everything).
///
/// ```
/// use axum_users_core::{Clock, IdOf, PersonalTokenStore, StoreError, SystemClock};
///
/// async fn names<S: PersonalTokenStore>(store: &S, id: &IdOf<S>) -> Result<Vec<String>, StoreError> {
///     let tokens = store.list_personal_tokens(id, SystemClock.now()).await?;
///     Ok(tokens.into_iter().map(|token| token.name).collect())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps no personal access tokens",
    label = "this store does not implement `PersonalTokenStore`"
)]
pub trait PersonalTokenStore: UserStore {
    /// Stores a token by its digest, within its limit: exactly, also where many are stored at the same time.
    ///
    /// A token at another epoch than that of its user is [`TokenStored::Stale`]: no epoch would end it later.
    fn insert_personal_token(
        &self,
        token: NewPersonalToken<IdOf<Self>>,
    ) -> impl Future<Output = Result<TokenStored, StoreError>> + Send;

    /// Notes that a token was used; false if it is over, or ended meanwhile. Nothing is written then.
    fn note_personal_use(&self, noted: TokenUse) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The live tokens of a user, the latest first.
    fn list_personal_tokens(
        &self,
        user_id: &IdOf<Self>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<PersonalTokenRecord>, StoreError>> + Send;

    /// Ends a token of this user; false if there is none with this id.
    fn end_personal_token(
        &self,
        user_id: &IdOf<Self>,
        id: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Which users a list shows.
///
/// ```
/// use axum_users_core::UserQuery;
///
/// let mut query = UserQuery::new(20);
/// query.email_prefix = Some("arthur".to_owned());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserQuery {
    /// Only users whose normal form of the address comes after this one.
    pub after: Option<EmailKey>,
    /// Only users whose normal form of the address starts with this text.
    pub email_prefix: Option<String>,
    /// Only the user with exactly this address.
    pub email: Option<EmailKey>,
    /// How many users at most.
    pub limit: u32,
}

impl UserQuery {
    /// The first `limit` users, in the order of their addresses.
    pub fn new(limit: u32) -> Self {
        Self {
            after: None,
            email_prefix: None,
            email: None,
            limit,
        }
    }
}

/// A store that can list its users.
///
/// ```
/// use axum_users_core::{ListUsers, StoreError, User, UserQuery};
///
/// async fn first_addresses(store: &impl ListUsers) -> Result<Vec<String>, StoreError> {
///     let users = store.list(&UserQuery::new(10)).await?;
///     Ok(users.iter().map(|user| user.email().to_owned()).collect())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot list its users",
    label = "`user_list_router` needs a store that implements `ListUsers`"
)]
pub trait ListUsers: UserStore {
    /// Lists users by the normal form of their address, in byte order, through its index.
    fn list(&self, query: &UserQuery) -> impl Future<Output = Result<Vec<Self::User>, StoreError>> + Send;
}

/// A message that a worker has taken from an outbox for a while.
///
/// ```
/// use axum_users_core::{Leased, Message, MessageKind};
///
/// let mail = Message::new(MessageKind::Other, "arthur@camelot.bt", "Hello", "Hello");
/// let leased = Leased::new(7, 1, mail);
/// assert_eq!((leased.id, leased.attempts), (7, 1));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Leased {
    /// The row of the message.
    pub id: i64,
    /// How often it was tried before.
    pub attempts: u32,
    /// The message.
    pub message: Message,
}

impl Leased {
    /// A message taken from row `id` after so many `attempts`.
    pub fn new(id: i64, attempts: u32, message: Message) -> Self {
        Self {
            id,
            attempts,
            message,
        }
    }
}

/// A store that keeps mails until they are sent.
///
/// A message is leased before it is sent, so that a killed worker loses none and may send one twice. Address and link are
/// erased once it is sent or given up.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{Clock, Outbox, StoreError, SystemClock};
///
/// /// What a worker does, without the sending.
/// async fn drain(outbox: &impl Outbox) -> Result<(), StoreError> {
///     let now = SystemClock.now();
///     for leased in outbox.lease(10, now, Duration::from_mins(5)).await? {
///         println!("{} to somebody", leased.message.kind.as_str());
///         outbox.sent(leased.id, now).await?;
///     }
///     Ok(())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no outbox",
    note = "send mails from memory instead, which loses those that wait when the process ends"
)]
pub trait Outbox: UserStore {
    /// Takes up to `limit` messages that are due at `now`; nobody else gets them for `lease`.
    fn lease(
        &self,
        limit: u32,
        now: Timestamp,
        lease: Duration,
    ) -> impl Future<Output = Result<Vec<Leased>, StoreError>> + Send;

    /// Notes that a message has been sent, and erases it.
    fn sent(&self, id: i64, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes that sending failed; the message is due again at `at`.
    fn retry(&self, id: i64, at: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives a leased message back untried; it is due again at `at`, and the lease does not count as an attempt.
    fn release(&self, id: i64, at: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives a message up, and erases it.
    fn give_up(&self, id: i64, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
}
