//! Confirming addresses.

use crate::{
    Applied, Change, Context, EmailAddress, Failure, MessageKind, Notice, RequestError, SecurityEvent, User,
    UserApi, UserHooks, UserManager, UserOf, UserStore, VerifyError,
    manager::{TokenOwner, with_facts},
    token::TokenPurpose,
};

impl<A: UserApi> UserManager<A> {
    /// Mails a token that confirms an address, if it belongs to an active, unconfirmed user.
    ///
    /// # Errors
    /// [`RequestError`] where store or hooks fail, or too many mails were asked for; whether there is such a user cannot be told from the answer.
    pub async fn request_verify(&self, email: &EmailAddress, context: &Context) -> Result<(), RequestError> {
        let kind = MessageKind::Verify;
        let attempt = self.limiter.mail(kind, email.key(), context).await?;
        let mailed = self.mail_verify_token(email, context).await;
        if mailed.is_err() {
            self.limiter.undecided(attempt, context).await;
        }
        mailed
    }

    async fn mail_verify_token(&self, email: &EmailAddress, context: &Context) -> Result<(), RequestError> {
        let found = self.store.find_by_email(email.key()).await?;
        let Some(user) = found.filter(|user| user.is_active() && !user.is_verified()) else {
            return Ok(self.enqueue_decoy(MessageKind::Verify, context).await?);
        };
        let token = self.mail_token(TokenPurpose::Verify, &user, context)?;
        let messages = self.hooks.compose(
            &Notice::Verify {
                user: &user.user,
                token: token.as_str(),
            },
            context,
        );
        self.enqueue(messages, context).await?;
        Self::emit(SecurityEvent::VerificationRequested, &user, context);
        self.hooks
            .on_after_request_verify(&user, token.as_str(), context)
            .await;
        Ok(())
    }

    /// Confirms an address by the token that was mailed to it.
    ///
    /// # Errors
    /// [`VerifyError`]: a token is good once, until it expires, and only for the address and the password the user had.
    pub async fn verify(&self, token: &str, context: &Context) -> Result<UserOf<A>, VerifyError> {
        self.limiter.mailed_token(context).await?;
        let stored = match self.token_owner(TokenPurpose::Verify, token, context).await? {
            TokenOwner::Good(stored) if stored.is_active() && !stored.is_verified() => stored,
            TokenOwner::Good(stored) | TokenOwner::Outdated(stored) => {
                return Err(self.refused(token, &stored, context));
            }
            TokenOwner::Nobody => {
                SecurityEvent::TokenRefused.emit(None, context);
                return Err(VerifyError::BadToken);
            }
        };
        let mut change = Change::new(context.now);
        change.expect.email_of(&stored.user);
        change.expect.is_active = Some(true);
        change.expect.is_verified = Some(false);
        change.set.is_verified = Some(true);
        match self.store.update(&stored.id(), change).await? {
            Applied::Applied(stored) => {
                Self::emit(SecurityEvent::Verified, &stored, context);
                self.hooks.on_after_verify(&stored, context).await;
                Ok(stored.user)
            }
            Applied::Stale | Applied::Missing => {
                let now = self.store.find(&stored.id()).await?;
                Err(self.refused(token, &now.unwrap_or(stored), context))
            }
            Applied::EmailTaken | Applied::OwnConflict(_) => {
                Err(Failure::internal("a confirmation changes no other column").into())
            }
        }
    }

    /// Why a token does nothing for `user`.
    fn refused(&self, token: &str, user: &UserOf<A>, context: &Context) -> VerifyError {
        Self::emit(SecurityEvent::TokenRefused, user, context);
        if user.is_active() && self.was_confirmed(token, user, context) {
            VerifyError::AlreadyVerified
        } else {
            VerifyError::BadToken
        }
    }

    /// Whether the token would be good had its owner not been confirmed already: the one reason that may be told.
    fn was_confirmed(&self, token: &str, user: &UserOf<A>, context: &Context) -> bool {
        let read = self.tokens.read(TokenPurpose::Verify, token, context.now);
        user.is_verified() && read.is_some_and(|read| with_facts(user, false, |facts| read.matches(facts)))
    }
}
