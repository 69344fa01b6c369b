//! Who may begin a session.

use crate::{
    Applied, Change, Context, FailedLogin, LoginError, Password, PasswordHash, RevocationReason, Revoked,
    SecurityEvent, Session, StoreError, Stored, TokenEvent, User, UserApi, UserHooks, UserManager, UserOf,
    UserStore, Verdict,
};

/// How far an authentication has come.
///
/// ```
/// use axum_users_core::{Authentication, LoginError, Password, UserApi, UserManager, UserOf};
///
/// async fn who<A: UserApi>(
///     manager: &UserManager<A>,
///     login: &str,
///     password: Password,
/// ) -> Result<UserOf<A>, LoginError> {
///     match manager.authenticate(login, password, &manager.context()).await? {
///         Authentication::SignedIn(stored) => Ok(stored.user),
///         _ => Err(LoginError::BadCredentials), // a way to go on that this application does not know
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Authentication<U> {
    /// It is them, and a session may begin.
    SignedIn(Stored<U>),
}

impl<A: UserApi> UserManager<A> {
    /// Looks whether login and password belong to an active user.
    ///
    /// An unknown user, an inactive one and a wrong password take the same work: one look-up and one hash; and no less time than
    /// [`failed_login_floor`](Self::failed_login_floor). A hash of older
    /// settings is replaced on success, unless the password has changed since.
    ///
    /// The try counts for the client's address and for what was typed as login, before anything else is done; see
    /// [`RateLimits`](crate::RateLimits).
    ///
    /// # Errors
    /// [`LoginError::BadCredentials`] for all three, or a failure, of which too many tries are one.
    pub async fn authenticate(
        &self,
        login: &str,
        password: Password,
        context: &Context,
    ) -> Result<Authentication<UserOf<A>>, LoginError> {
        let attempt = self.limiter.login(&self.store.login_name(login), context).await?;
        let outcome = self.check_login(login, password, context).await;
        match &outcome {
            Ok(_) => self.limiter.right(attempt, context).await,
            Err(LoginError::Failed(_)) => self.limiter.undecided(attempt, context).await,
            Err(_) => {}
        }
        outcome
    }

    async fn check_login(
        &self,
        login: &str,
        password: Password,
        context: &Context,
    ) -> Result<Authentication<UserOf<A>>, LoginError> {
        let floor = tokio::time::Instant::now() + self.failed_login_floor;
        let found = self.store.find_by_login(login).await?;
        let hash = found.as_ref().and_then(|user| user.hashed_password());
        // Only a login that succeeds may cost a second hash: else the time would tell that an inactive user's password is right.
        let verdict = if found.as_ref().is_some_and(|user| user.is_active()) {
            self.hasher.verify_and_upgrade(password, hash).await?
        } else {
            self.hasher.verify(password, hash).await?
        };
        match (found, verdict) {
            (Some(stored), Verdict::Right { upgrade }) if stored.is_active() => {
                if let Some(hash) = upgrade {
                    self.upgrade(&stored, hash, context).await?;
                }
                Ok(Authentication::SignedIn(stored))
            }
            (found, _) => {
                let user = found.as_deref();
                let id = user.map(User::id);
                SecurityEvent::LoginFailed.emit(id.as_ref().map(|id| id as &dyn std::fmt::Display), context);
                self.hooks.on_failed_login(FailedLogin::new(user), context).await;
                tokio::time::sleep_until(floor).await;
                Err(LoginError::BadCredentials)
            }
        }
    }

    /// Asks the hooks whether a session may begin for a user whose password was right.
    ///
    /// # Errors
    /// [`LoginError::NotVerified`] where only confirmed users may, [`LoginError::Denied`] where a hook refuses.
    pub async fn admit(
        &self,
        user: &UserOf<A>,
        require_verified: bool,
        context: &Context,
    ) -> Result<(), LoginError> {
        let refused = if require_verified && !user.is_verified() {
            LoginError::NotVerified
        } else {
            match self.hooks.on_before_login(user, context).await {
                Ok(()) => return Ok(()),
                Err(denied) => LoginError::Denied(denied),
            }
        };
        Self::emit(SecurityEvent::LoginRefused, user, context);
        Err(refused)
    }

    /// Notes that `session` has begun, and that so many older ones ended for it.
    pub async fn signed_in(&self, user: &UserOf<A>, session: &Session, ended: u64, context: &Context) {
        Self::emit(SecurityEvent::LoggedIn, user, context);
        let user_id = &user.id();
        self.tell(TokenEvent::Issued { user_id, session }, context).await;
        if ended > 0 {
            let which = Revoked::Oldest {
                backend: &session.backend,
                count: ended,
            };
            self.tell_revoked(user_id, which, RevocationReason::Limit, context)
                .await;
        }
        self.hooks.on_after_login(user, context).await;
    }

    /// Notes that a session was ended by its owner.
    pub async fn signed_out(&self, user: &UserOf<A>, session: &Session, context: &Context) {
        Self::emit(SecurityEvent::LoggedOut, user, context);
        let which = Revoked::Session {
            backend: &session.backend,
            token_id: &session.token_id,
        };
        self.tell_revoked(&user.id(), which, RevocationReason::Logout, context)
            .await;
        self.hooks.on_after_logout(user, context).await;
    }

    async fn upgrade(
        &self,
        stored: &Stored<UserOf<A>>,
        hash: PasswordHash,
        context: &Context,
    ) -> Result<(), StoreError> {
        let mut change = Change::new(context.now);
        change.expect.password_of(&stored.user);
        change.set.hashed_password = Some(hash);
        if let Applied::Applied(_) = self.store.update(&stored.id(), change).await? {
            Self::emit(SecurityEvent::PasswordUpgraded, &stored.user, context);
        }
        Ok(())
    }
}
