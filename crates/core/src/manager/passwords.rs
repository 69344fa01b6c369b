//! Judging new passwords.

use std::error::Error;

use crate::{
    Context, Password, PasswordOwner, SecurityEvent, User, UserApi, UserHooks, UserManager, UserOf,
    WhenUnavailable, error::PasswordRefused, password::Judged,
};

impl<A: UserApi> UserManager<A> {
    /// Judges a new password before it is hashed; the store is not asked.
    pub(super) async fn validate_password(
        &self,
        password: &Password,
        owner: PasswordOwner<'_, UserOf<A>>,
        mut words: Vec<String>,
        context: &Context,
    ) -> Result<(), PasswordRefused> {
        if let Some(user) = owner.user {
            words.extend(self.hooks.password_words(user));
        }
        let judged = Judged {
            password,
            email: owner.email,
            old_email: owner.user.map_or("", User::email),
            words: &words,
        };
        self.passwords.check(&judged).map_err(PasswordRefused::Invalid)?;
        #[cfg(feature = "strength")]
        self.check_strength(&judged).await?;
        self.hooks
            .validate_password(password, owner, context)
            .await
            .map_err(PasswordRefused::Invalid)?;
        self.check_breaches(password, owner.user, context).await
    }

    #[cfg(feature = "strength")]
    async fn check_strength(&self, judged: &Judged<'_>) -> Result<(), PasswordRefused> {
        let Some(estimate) = self.passwords.estimate(judged) else {
            return Ok(());
        };
        match self.hasher.work(estimate).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PasswordRefused::Invalid(crate::InvalidPassword::new(
                "too_guessable",
                "Password is too easy to guess",
            ))),
            Err(error) => Err(PasswordRefused::Failed(error.into())),
        }
    }

    async fn check_breaches(
        &self,
        password: &Password,
        user: Option<&UserOf<A>>,
        context: &Context,
    ) -> Result<(), PasswordRefused> {
        match self.passwords.is_breached(password).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(PasswordRefused::Invalid(crate::InvalidPassword::new(
                "breached",
                "Password is known from a breach of another service",
            ))),
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::warn!(target: "axum_users", cause, "a password could not be looked up");
                if self.passwords.when_unavailable() != Some(WhenUnavailable::Accept) {
                    return Err(PasswordRefused::Unchecked);
                }
                match user {
                    Some(user) => Self::emit(SecurityEvent::PasswordCheckSkipped, user, context),
                    None => SecurityEvent::PasswordCheckSkipped.emit(None, context),
                }
                Ok(())
            }
        }
    }
}
