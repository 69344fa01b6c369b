//! What may happen to a user.

mod change_email;
mod delete;
mod list;
mod login;
mod passwords;
mod personal_tokens;
mod register;
mod reset_password;
mod sessions;
mod update;
mod verify;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    Clock, Context, EmailPolicy, Failure, IdFor, Message, MessageKind, Notice, PasswordHasher,
    PasswordPolicy, Random, RateLimits, Secrets, SecurityEvent, SetupError, StoreError, Stored, SystemClock,
    SystemRandom, User, UserApi, UserHooks, UserOf, UserStore,
    limits::Limiter,
    token::{LONGEST_LIFETIME, MailToken, OneTimeTokens, TokenFacts, TokenLifetimeError, TokenPurpose},
};

pub use self::{list::Page, login::Authentication, personal_tokens::PersonalTokenRules};

/// All that may happen to the users of a family, as plain functions: what the routers call, and what a command line or a job
/// calls just as well, with the same checks.
///
/// ```
/// use axum_users_core::{
///     AdminUpdate, Context, EmailAddress, InMemoryUsers, Password, Registration, Secret, Secrets, Timestamp, UserApi,
///     UserCreate, UserManager, UserRead, UserUpdate,
/// };
/// # use uuid::Uuid;
/// # struct Api;
/// # impl UserApi for Api {
/// #     type Store = InMemoryUsers;
/// #     type Hooks = ();
/// #     type Read = UserRead<Uuid>;
/// #     type Create = UserCreate;
/// #     type Update = UserUpdate;
/// #     type AdminRead = UserRead<Uuid>;
/// #     type AdminUpdate = AdminUpdate;
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secrets = Secrets::from_root(&Secret::new("at least thirty-two bytes of chance"), "users")?;
/// let manager = UserManager::<Api>::new(InMemoryUsers::new(), (), &secrets)?;
/// let registration =
///     Registration::new(EmailAddress::parse("arthur@camelot.bt")?, Password::parse("excalibur in the lake")?);
/// let user = manager.create_superuser(registration, (), &manager.context()).await?;
/// assert!(user.is_superuser);
/// # Ok(())
/// # }
/// ```
///
/// A clone shares store, hooks and threads, and may be given other settings.
#[expect(clippy::struct_excessive_bools, reason = "independent settings, read by name")]
pub struct UserManager<A: UserApi> {
    store: A::Store,
    hooks: Arc<A::Hooks>,
    hasher: PasswordHasher,
    limiter: Arc<Limiter>,
    tokens: OneTimeTokens,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    passwords: PasswordPolicy,
    require_current_password: bool,
    verify_at_registration: bool,
    end_sessions: bool,
    immediate_email_change: bool,
    email_change_lifetime: Duration,
    undo_lifetime: Duration,
    silent: bool,
    notices: bool,
    failed_login_floor: Duration,
}

const CONFIRM_LIFETIME: Duration = Duration::from_hours(1);
const UNDO_LIFETIME: Duration = Duration::from_hours(7 * 24);
const LONGEST_UNDO_LIFETIME: Duration = Duration::from_hours(90 * 24);

impl<A: UserApi> UserManager<A> {
    /// Manages the users of `store`, with the safe settings.
    ///
    /// # Errors
    /// [`SetupError`] where the secrets cannot sign tokens.
    pub fn new(store: A::Store, hooks: A::Hooks, secrets: &Secrets) -> Result<Self, SetupError> {
        let hasher = PasswordHasher::shared().map_err(|error| SetupError::Invalid(error.to_string()))?;
        Ok(Self {
            store,
            hooks: Arc::new(hooks),
            hasher,
            limiter: Limiter::new(secrets.limits(), RateLimits::default()),
            tokens: OneTimeTokens::new(secrets).map_err(|error| SetupError::Invalid(error.to_string()))?,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            passwords: PasswordPolicy::new(),
            require_current_password: true,
            verify_at_registration: false,
            end_sessions: true,
            immediate_email_change: false,
            email_change_lifetime: CONFIRM_LIFETIME,
            undo_lifetime: UNDO_LIFETIME,
            silent: false,
            notices: true,
            failed_login_floor: Duration::ZERO,
        })
    }

    /// Hashes passwords on `hasher` instead of the pool that all families of the process share, whose threads are then never
    /// started.
    #[must_use]
    pub fn with_hasher(mut self, hasher: PasswordHasher) -> Self {
        self.hasher = hasher;
        self
    }

    /// How often something may be tried; [`RateLimits::new`] by default. Counting begins anew, but for counters that are kept
    /// [elsewhere](RateLimits::counted_in).
    #[must_use]
    pub fn with_limits(mut self, limits: RateLimits) -> Self {
        self.limiter = self.limiter.with(limits);
        self
    }

    /// Reads the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes chance from `random`.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// How long a token that sets a new password is good; one hour by default.
    ///
    /// # Errors
    /// [`TokenLifetimeError`] for less than a second or more than 24 hours.
    pub fn reset_lifetime(mut self, lifetime: Duration) -> Result<Self, TokenLifetimeError> {
        self.tokens = self.tokens.lifetime(TokenPurpose::Reset, lifetime)?;
        Ok(self)
    }

    /// How long a token that confirms an address is good; one hour by default.
    ///
    /// # Errors
    /// [`TokenLifetimeError`] for less than a second or more than 24 hours.
    pub fn verify_lifetime(mut self, lifetime: Duration) -> Result<Self, TokenLifetimeError> {
        self.tokens = self.tokens.lifetime(TokenPurpose::Verify, lifetime)?;
        Ok(self)
    }

    /// What a new password must be; [`PasswordPolicy::new`] by default.
    #[must_use]
    pub fn password_policy(mut self, policy: PasswordPolicy) -> Self {
        self.passwords = policy;
        self
    }

    /// How many characters a password has at least: [`PasswordPolicy::min_chars`] of the present policy; 8 by default, 15
    /// recommended where it is the only factor (NIST SP 800-63B-4, 3.1.1.2).
    #[must_use]
    pub fn min_password_chars(mut self, chars: usize) -> Self {
        self.passwords = self.passwords.min_chars(chars);
        self
    }

    /// Mails the token that confirms an address as soon as the account is made; off by default, when the client asks for it.
    #[must_use]
    pub fn verify_at_registration(mut self) -> Self {
        self.verify_at_registration = true;
        self
    }

    /// How long the new mailbox has to confirm a change of address; one hour by default.
    ///
    /// # Errors
    /// [`TokenLifetimeError`] for less than a second or more than 24 hours.
    pub fn email_change_lifetime(mut self, lifetime: Duration) -> Result<Self, TokenLifetimeError> {
        if lifetime < Duration::from_secs(1) || lifetime > LONGEST_LIFETIME {
            return Err(TokenLifetimeError);
        }
        self.email_change_lifetime = lifetime;
        Ok(self)
    }

    /// How long the old mailbox can undo a change of address once it is confirmed; seven days by default, 90 at most.
    ///
    /// # Security
    /// It is the time in which somebody must notice that their account was taken. Who reads the old mailbox until then can
    /// take the account back, also where it was given up in earnest; zero lets nobody undo what is confirmed.
    #[must_use]
    pub fn undo_email_change_lifetime(mut self, lifetime: Duration) -> Self {
        self.undo_lifetime = lifetime.min(LONGEST_UNDO_LIFETIME);
        self
    }

    /// Puts a new address of a user in the place of the old one at once, unconfirmed.
    ///
    /// # Security
    /// A slip of the pen, or whoever has session and password for a moment, takes the account from its owner: mail goes to
    /// the new address from then on, links that set a new password among it (OWASP Authentication Cheat Sheet, "Changing A
    /// User's Registered Email Address"). For clients of FastAPI-Users only.
    #[must_use]
    pub fn insecure_immediate_email_change(mut self) -> Self {
        self.immediate_email_change = true;
        self
    }

    /// Tells nobody whether an address has an account: registration answers 202 either way, and a change of address to one
    /// that is taken waits like any other. Whose address it is gets a mail (ASVS 5.0, 6.3.8).
    ///
    /// A new account is mailed the token that confirms its address at once, as by
    /// [`verify_at_registration`](Self::verify_at_registration): nothing else tells that it was made.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Mails no notice of a changed password or address to its owner.
    ///
    /// # Security
    /// Nobody notices that somebody else has set the password (NIST SP 800-63B-4, 4.6; ASVS 5.0, 6.3.7). Links that confirm and
    /// undo a change of address are mailed all the same.
    #[must_use]
    pub fn insecure_no_notices(mut self) -> Self {
        self.notices = false;
        self
    }

    /// Answers a login that fails no earlier than so long after it began, whatever the reason.
    ///
    /// Hashes of older schemes and settings take another time than new ones until their owners log in. As long as there are
    /// any, set this above what the slowest of them takes on your machine, so that the time of a failure does not tell whose
    /// they are.
    #[must_use]
    pub fn failed_login_floor(mut self, least: Duration) -> Self {
        self.failed_login_floor = least;
        self
    }

    /// Lets users change e-mail and password, and delete their account, without their present password.
    ///
    /// # Security
    /// Whoever holds a session for a moment owns the account for good (ASVS 5.0, 6.2.3). For clients of FastAPI-Users only.
    #[must_use]
    pub fn insecure_no_current_password(mut self) -> Self {
        self.require_current_password = false;
        self
    }

    /// Leaves sessions alive when a password is changed or reset, and when a new address is confirmed.
    ///
    /// # Security
    /// A thief's session outlives the password that was changed because of the theft (ASVS 5.0, 7.4.3).
    #[must_use]
    pub fn insecure_keep_sessions(mut self) -> Self {
        self.end_sessions = false;
        self
    }

    /// The store.
    pub fn store(&self) -> &A::Store {
        &self.store
    }

    /// The hooks.
    pub fn hooks(&self) -> &A::Hooks {
        &self.hooks
    }

    /// The pool that hashes passwords.
    pub fn hasher(&self) -> &PasswordHasher {
        &self.hasher
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What a new password must be.
    pub fn passwords(&self) -> &PasswordPolicy {
        &self.passwords
    }

    /// How often something may be tried.
    pub fn limits(&self) -> &RateLimits {
        self.limiter.limits()
    }

    /// A context for a job: of now, by nobody in particular.
    pub fn context(&self) -> Context {
        Context::new(self.clock.now())
    }

    /// Whether users show their present password before they change e-mail or password, or delete their account.
    pub fn requires_current_password(&self) -> bool {
        self.require_current_password
    }

    /// How users change their address themselves: pending where hooks [mail](UserHooks::delivers_mail) and the store
    /// [keeps changes](UserStore::keeps_email_changes).
    pub fn email_policy(&self) -> EmailPolicy {
        if self.immediate_email_change {
            EmailPolicy::Immediate
        } else if self.store.keeps_email_changes() && self.hooks.delivers_mail() {
            EmailPolicy::Pending
        } else {
            EmailPolicy::Off
        }
    }

    /// Whether nobody is told that an address has an account.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Finds a user by key.
    ///
    /// # Errors
    /// [`Failure`] where the store fails.
    pub async fn find(&self, id: &IdFor<A>) -> Result<Option<UserOf<A>>, Failure> {
        Ok(self.store.find(id).await?.map(|stored| stored.user))
    }

    /// Finds a user by key, with the session epoch.
    ///
    /// # Errors
    /// [`Failure`] where the store fails.
    pub async fn find_stored(&self, id: &IdFor<A>) -> Result<Option<Stored<UserOf<A>>>, Failure> {
        Ok(self.store.find(id).await?)
    }

    fn mail_token(
        &self,
        purpose: TokenPurpose,
        user: &UserOf<A>,
        context: &Context,
    ) -> Result<MailToken, Failure> {
        with_facts(user, user.is_verified(), |facts| {
            self.tokens
                .issue(purpose, facts, context.now, &*self.random)
                .map_err(Failure::internal)
        })
    }

    /// The user whom a mailed token names, if it is still good for them.
    async fn token_owner(
        &self,
        purpose: TokenPurpose,
        token: &str,
        context: &Context,
    ) -> Result<TokenOwner<UserOf<A>>, StoreError> {
        let Some(read) = self.tokens.read(purpose, token, context.now) else {
            return Ok(TokenOwner::Nobody);
        };
        let Some(id) = <IdFor<A> as crate::UserId>::parse(read.subject()) else {
            return Ok(TokenOwner::Nobody);
        };
        let Some(stored) = self.store.find(&id).await? else {
            return Ok(TokenOwner::Nobody);
        };
        if with_facts(&stored.user, stored.is_verified(), |facts| read.matches(facts)) {
            Ok(TokenOwner::Good(stored))
        } else {
            Ok(TokenOwner::Outdated(stored))
        }
    }

    /// The mails of these notices.
    fn composed(&self, notices: &[Notice<'_, UserOf<A>>], context: &Context) -> Vec<Message> {
        let mails = notices.iter().map(|notice| self.hooks.compose(notice, context));
        mails.flatten().collect()
    }

    async fn noticed(&self, notices: &[Notice<'_, UserOf<A>>], context: &Context) {
        for notice in notices {
            self.hooks.on_after_notice(notice, context).await;
        }
    }

    /// Keeps the mails for an address, or as many decoys where nobody is to get one.
    async fn enqueue_decoy(&self, kind: MessageKind, context: &Context) -> Result<(), StoreError> {
        let decoys = self.hooks.compose_decoy(kind, context);
        self.enqueue(decoys.into_iter().map(Message::into_decoy).collect(), context)
            .await
    }

    async fn enqueue(&self, messages: Vec<Message>, context: &Context) -> Result<(), StoreError> {
        if messages.is_empty() {
            return Ok(());
        }
        self.store.enqueue(messages, context.now).await
    }

    fn emit(event: SecurityEvent, user: &UserOf<A>, context: &Context) {
        event.emit(Some(&user.id()), context);
    }
}

enum TokenOwner<U> {
    Good(Stored<U>),
    Outdated(Stored<U>),
    Nobody,
}

/// What tokens of `user` are bound to, were the address `verified`.
fn with_facts<U: User, R>(user: &U, verified: bool, use_facts: impl FnOnce(&TokenFacts<'_>) -> R) -> R {
    let subject = user.id().to_string();
    use_facts(&TokenFacts {
        subject: &subject,
        email: user.email(),
        password_hash: user.hashed_password(),
        verified,
    })
}

// A derived impl would ask for `A: Clone`.
impl<A: UserApi> Clone for UserManager<A> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            hooks: Arc::clone(&self.hooks),
            hasher: self.hasher.clone(),
            limiter: Arc::clone(&self.limiter),
            tokens: self.tokens.clone(),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            passwords: self.passwords.clone(),
            require_current_password: self.require_current_password,
            verify_at_registration: self.verify_at_registration,
            end_sessions: self.end_sessions,
            immediate_email_change: self.immediate_email_change,
            email_change_lifetime: self.email_change_lifetime,
            undo_lifetime: self.undo_lifetime,
            silent: self.silent,
            notices: self.notices,
            failed_login_floor: self.failed_login_floor,
        }
    }
}

impl<A: UserApi> fmt::Debug for UserManager<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserManager")
            .field("tokens", &self.tokens)
            .field("passwords", &self.passwords)
            .field("limits", self.limiter.limits())
            .field("require_current_password", &self.require_current_password)
            .finish_non_exhaustive()
    }
}
