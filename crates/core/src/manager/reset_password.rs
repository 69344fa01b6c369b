//! Setting a forgotten password.

use crate::{
    Applied, Change, Context, EmailAddress, EmailChange, EndSessions, Failure, MessageKind, Notice, Password,
    PasswordOwner, RequestError, ResetPasswordError, RevocationReason, Revoked, SecurityEvent, User, UserApi,
    UserHooks, UserManager, UserOf, UserStore, manager::TokenOwner, token::TokenPurpose,
};

impl<A: UserApi> UserManager<A> {
    /// Mails a token that sets a new password, if the address belongs to an active user.
    ///
    /// # Errors
    /// [`RequestError`] where store or hooks fail, or too many mails were asked for; whether there is such a user cannot be told from the answer.
    pub async fn forgot_password(&self, email: &EmailAddress, context: &Context) -> Result<(), RequestError> {
        let kind = MessageKind::ResetPassword;
        let attempt = self.limiter.mail(kind, email.key(), context).await?;
        let mailed = self.mail_reset_token(email, context).await;
        if mailed.is_err() {
            self.limiter.undecided(attempt, context).await;
        }
        mailed
    }

    async fn mail_reset_token(&self, email: &EmailAddress, context: &Context) -> Result<(), RequestError> {
        let found = self.store.find_by_email(email.key()).await?;
        let Some(user) = found.filter(|user| user.is_active()) else {
            return Ok(self.enqueue_decoy(MessageKind::ResetPassword, context).await?);
        };
        let token = self.mail_token(TokenPurpose::Reset, &user, context)?;
        let messages = self.hooks.compose(
            &Notice::ResetPassword {
                user: &user.user,
                token: token.as_str(),
            },
            context,
        );
        self.enqueue(messages, context).await?;
        Self::emit(SecurityEvent::PasswordResetRequested, &user, context);
        self.hooks
            .on_after_forgot_password(&user, token.as_str(), context)
            .await;
        Ok(())
    }

    /// Sets a new password by the token that was mailed, and ends all sessions. Nobody is signed in by it. A change of address
    /// that waits is cancelled, the owner is told by mail, and earlier wrong guesses no longer count.
    ///
    /// Where the address was not confirmed before, personal access tokens end too: whoever made the account need not be the one
    /// who reads its mail (Sudhodanan and Paverd, "Pre-hijacked accounts", 2022).
    ///
    /// # Errors
    /// [`ResetPasswordError`]: a token is good once, until it expires, and only for the address and the password the user
    /// had. A password that is refused does not spend it.
    pub async fn reset_password(
        &self,
        token: &str,
        password: Password,
        context: &Context,
    ) -> Result<UserOf<A>, ResetPasswordError> {
        self.limiter.mailed_token(context).await?;
        let stored = match self.token_owner(TokenPurpose::Reset, token, context).await? {
            TokenOwner::Good(stored) if stored.is_active() => stored,
            TokenOwner::Good(stored) | TokenOwner::Outdated(stored) => {
                SecurityEvent::TokenRefused.emit(Some(&stored.id()), context);
                return Err(ResetPasswordError::BadToken);
            }
            TokenOwner::Nobody => {
                SecurityEvent::TokenRefused.emit(None, context);
                return Err(ResetPasswordError::BadToken);
            }
        };
        self.validate_password(
            &password,
            PasswordOwner::new(stored.email(), Some(&stored.user)),
            Vec::new(),
            context,
        )
        .await?;
        let mut change = Change::new(context.now);
        change.expect.password_of(&stored.user);
        change.expect.email_of(&stored.user);
        change.expect.is_active = Some(true);
        change.set.hashed_password = Some(self.hasher.hash(password).await?);
        let ended = match (self.end_sessions, stored.is_verified()) {
            (false, _) => EndSessions::None,
            (true, true) => EndSessions::All,
            (true, false) => EndSessions::Everything,
        };
        change.end_sessions = ended;
        change.email_change = EmailChange::Cancel;
        let notices = self.password_notices(&stored.user);
        change.messages = self.composed(&notices, context);
        match self.store.update(&stored.id(), change).await? {
            Applied::Applied(stored) => {
                Self::emit(SecurityEvent::PasswordReset, &stored, context);
                if self.end_sessions {
                    Self::emit(SecurityEvent::SessionsEnded, &stored, context);
                    let which = Revoked::Many(ended);
                    self.tell_revoked(&stored.id(), which, RevocationReason::PasswordReset, context)
                        .await;
                }
                self.forgive(&stored, context).await;
                self.noticed(&notices, context).await;
                self.hooks.on_after_reset_password(&stored, context).await;
                Ok(stored.user)
            }
            Applied::Stale | Applied::Missing => {
                SecurityEvent::TokenRefused.emit(Some(&stored.id()), context);
                Err(ResetPasswordError::BadToken)
            }
            Applied::EmailTaken | Applied::OwnConflict(_) => {
                Err(Failure::internal("a reset changes no other column").into())
            }
        }
    }

    /// Forgets the wrong guesses for a user whose password is another one now; a client that the context knows has shown that
    /// the account is theirs.
    pub(super) async fn forgive(&self, user: &UserOf<A>, context: &Context) {
        for login in self.store.login_names(user) {
            self.limiter
                .recovered(&login, &user.id().to_string(), context)
                .await;
        }
    }

    /// What tells the owner of a changed password.
    pub(super) fn password_notices<'a>(&self, user: &'a UserOf<A>) -> Vec<Notice<'a, UserOf<A>>> {
        let notice = self.notices.then_some(Notice::PasswordChanged { user });
        notice.into_iter().collect()
    }
}
