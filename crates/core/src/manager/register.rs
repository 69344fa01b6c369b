//! Making accounts.

use std::sync::OnceLock;

use crate::{
    Context, CreateUser, Inserted, MailToken, Message, MessageKind, NewUser, Notice, PasswordOwner,
    RegisterError, Registration, Rehearsed, SecurityEvent, Stored, User, UserApi, UserHooks, UserManager,
    UserOf, UserStore, limits::Attempt, store::Compose, token::TokenPurpose,
};

type ColumnsOf<A> = <<A as UserApi>::Store as UserStore>::Columns;

impl<A: UserApi> UserManager<A> {
    /// Makes an account: active, unconfirmed, without privileges.
    ///
    /// # Errors
    /// [`RegisterError`]; the rules for passwords are looked at before the address.
    pub async fn register(&self, body: A::Create, context: &Context) -> Result<UserOf<A>, RegisterError> {
        let (registration, own, attempt) = self.admit_registration(body, context).await?;
        let made = self.make(registration, own, context).await;
        if let Err(RegisterError::Failed(_)) = &made {
            self.limiter.undecided(attempt, context).await;
        }
        made
    }

    /// What comes before an account is made, whoever asks for it: limits, hooks, and the rules for passwords.
    async fn admit_registration(
        &self,
        body: A::Create,
        context: &Context,
    ) -> Result<(Registration, ColumnsOf<A>, Attempt), RegisterError> {
        self.limiter.registration(context).await?;
        let (mut registration, own) = body.split();
        self.hooks
            .on_before_register(&registration.email, context)
            .await
            .map_err(RegisterError::Denied)?;
        self.check_new_password(&mut registration, context).await?;
        // Only now: who is told that a password is too short may try another.
        let key = registration.email.key();
        let attempt = self.limiter.registration_of(key, context).await?;
        Ok((registration, own, attempt))
    }

    async fn make(
        &self,
        registration: Registration,
        own: ColumnsOf<A>,
        context: &Context,
    ) -> Result<UserOf<A>, RegisterError> {
        let new = self.new_user(registration, own, context).await?;
        self.register_new(new, context).await
    }

    /// Makes an account like [`register`](Self::register), without a word on whether the address is free.
    ///
    /// Where it is taken, its owner is mailed a token that sets a new password, and the same work is done: a look-up, a hash, an
    /// insertion that is rolled back, a mail that is kept.
    ///
    /// # Errors
    /// [`RegisterError`], but never [`AlreadyExists`](RegisterError::AlreadyExists).
    pub async fn register_silently(&self, body: A::Create, context: &Context) -> Result<(), RegisterError> {
        let (registration, own, attempt) = self.admit_registration(body, context).await?;
        let made = self.make_silently(registration, own, context).await;
        if let Err(RegisterError::Failed(_)) = &made {
            self.limiter.undecided(attempt, context).await;
        }
        made
    }

    async fn make_silently(
        &self,
        registration: Registration,
        own: ColumnsOf<A>,
        context: &Context,
    ) -> Result<(), RegisterError> {
        let new = self.new_user(registration, own, context).await?;
        let key = new.email.key().clone();
        if let Some(owner) = self.store.find_by_email(&key).await? {
            return self.tell_owner(&owner, Some(new), context).await;
        }
        match self.register_new(new, context).await {
            Err(RegisterError::AlreadyExists) => {}
            done => return done.map(drop),
        }
        // Taken in this moment, or kept for who may come back to it, whom no mail is needed.
        match self.store.find_by_email(&key).await? {
            Some(owner) => self.tell_owner(&owner, None, context).await,
            None => Ok(self.enqueue_decoy(MessageKind::Verify, context).await?),
        }
    }

    /// Mails the owner of an address that somebody registers again, and does the work of storing `new`.
    async fn tell_owner(
        &self,
        owner: &Stored<UserOf<A>>,
        new: Option<NewUser<ColumnsOf<A>>>,
        context: &Context,
    ) -> Result<(), RegisterError> {
        let token = self.mail_token(TokenPurpose::Reset, owner, context)?;
        let notice = [Notice::AlreadyRegistered {
            user: &owner.user,
            token: token.as_str(),
        }];
        let mut messages = self.composed(&notice, context);
        if !owner.is_active() {
            messages = messages.into_iter().map(Message::into_decoy).collect();
        }
        match new {
            Some(new) => match self.store.rehearse(new, messages).await? {
                Rehearsed::Done => {}
                Rehearsed::OwnConflict(conflict) => return Err(RegisterError::OwnConflict(conflict)),
                Rehearsed::Denied(denied) => return Err(RegisterError::Denied(denied)),
            },
            None => self.enqueue(messages, context).await?,
        }
        if owner.is_active() {
            self.noticed(&notice, context).await;
        }
        Ok(())
    }

    async fn register_new(
        &self,
        new: NewUser<ColumnsOf<A>>,
        context: &Context,
    ) -> Result<UserOf<A>, RegisterError> {
        let token = OnceLock::new();
        let compose = |user: &UserOf<A>| self.verification_mails(user, &token, context);
        let user = self.store_new(new, &compose, context).await?;
        self.hooks.on_after_register(&user, context).await;
        if let Some(token) = token.get() {
            Self::emit(SecurityEvent::VerificationRequested, &user, context);
            self.hooks
                .on_after_request_verify(&user, token.as_str(), context)
                .await;
        }
        Ok(user)
    }

    /// Makes an account that may manage others: active, confirmed, superuser.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn create_superuser(
        &self,
        mut registration: Registration,
        own: ColumnsOf<A>,
        context: &Context,
    ) -> Result<UserOf<A>, RegisterError> {
        self.check_new_password(&mut registration, context).await?;
        let mut new = self.new_user(registration, own, context).await?;
        new.is_verified = true;
        new.is_superuser = true;
        self.store_new(new, &|_| Vec::new(), context).await
    }

    async fn check_new_password(
        &self,
        registration: &mut Registration,
        context: &Context,
    ) -> Result<(), RegisterError> {
        let owner = PasswordOwner::new(registration.email.as_str(), None);
        let words = std::mem::take(&mut registration.words);
        self.validate_password(&registration.password, owner, words, context)
            .await?;
        Ok(())
    }

    async fn new_user(
        &self,
        registration: Registration,
        own: ColumnsOf<A>,
        context: &Context,
    ) -> Result<NewUser<ColumnsOf<A>>, RegisterError> {
        let Registration { email, password, .. } = registration;
        // Hashed before anybody looks whether the address is free, so that both answers take the same time.
        let hash = self.hasher.hash(password).await?;
        Ok(NewUser::new(email, Some(hash), own, context.now))
    }

    async fn store_new(
        &self,
        new: NewUser<ColumnsOf<A>>,
        compose: Compose<'_, UserOf<A>>,
        context: &Context,
    ) -> Result<UserOf<A>, RegisterError> {
        match self.store.insert(new, compose).await? {
            Inserted::Created(user) => {
                Self::emit(SecurityEvent::Registered, &user, context);
                Ok(user)
            }
            Inserted::EmailTaken => Err(RegisterError::AlreadyExists),
            Inserted::OwnConflict(conflict) => Err(RegisterError::OwnConflict(conflict)),
            Inserted::Denied(denied) => Err(RegisterError::Denied(denied)),
        }
    }

    /// The mails that confirm the address of a new user, if they are to go out at once; `made` gets their token.
    fn verification_mails(
        &self,
        user: &UserOf<A>,
        made: &OnceLock<MailToken>,
        context: &Context,
    ) -> Vec<Message> {
        if !(self.verify_at_registration || self.silent) {
            return Vec::new();
        }
        match self.mail_token(TokenPurpose::Verify, user, context) {
            Ok(token) => {
                let token = made.get_or_init(|| token).as_str();
                self.hooks.compose(&Notice::Verify { user, token }, context)
            }
            Err(error) => {
                tracing::error!(%error, "no token for the confirmation mail; the user can ask for another");
                Vec::new()
            }
        }
    }
}
