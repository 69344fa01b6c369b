//! Changing addresses: asked for, confirmed from the new mailbox, undone from the old one.

use crate::{
    Applied, Change, ChangeEmailError, Context, EmailAddress, EmailChange, EmailChangeRecord,
    EmailChangeStore, EmailChangeToken, EmailPolicy, EndSessions, Failure, IdFor, MailToken, Message,
    MessageKind, NewEmailChange, Notice, PasswordHash, RevocationReason, Revoked, SecurityEvent, Timestamp,
    TokenDigest, UpdateError, Updated, User, UserApi, UserHooks, UserManager, UserOf, UserStore,
};

/// A change of address that is about to wait.
pub(super) struct Asked {
    pub(super) email: EmailAddress,
    confirm: MailToken,
    undo: MailToken,
    /// Somebody else has the address, and nobody is to learn it: no mail goes there.
    taken: bool,
}

impl Asked {
    pub(super) fn change(&self, expires_at: Timestamp) -> NewEmailChange {
        let digest = |token: &MailToken| TokenDigest::of(token.as_str());
        NewEmailChange::new(
            digest(&self.confirm),
            digest(&self.undo),
            self.email.clone(),
            expires_at,
        )
    }

    pub(super) fn notices<'a, U>(&'a self, user: &'a U) -> [Notice<'a, U>; 2] {
        let confirm = Notice::ConfirmEmailChange {
            user,
            email: self.email.as_str(),
            token: self.confirm.as_str(),
        };
        let undo = Notice::UndoEmailChange {
            user,
            token: self.undo.as_str(),
        };
        [confirm, undo]
    }

    /// What is kept of the mails: the one to an address of somebody else is never sent.
    pub(super) fn messages(&self, messages: Vec<Message>) -> Vec<Message> {
        let withheld = |message: &Message| self.taken && message.kind == MessageKind::ConfirmEmailChange;
        let kept = messages.into_iter().map(|message| {
            if withheld(&message) {
                message.into_decoy()
            } else {
                message
            }
        });
        kept.collect()
    }

    pub(super) fn tells<U: User>(&self, notice: &Notice<'_, U>) -> bool {
        !(self.taken && notice.kind() == MessageKind::ConfirmEmailChange)
    }
}

impl<A: UserApi> UserManager<A> {
    /// How a change of address by its owner begins; `None` where it takes place at once.
    pub(super) async fn ask_for_change(
        &self,
        email: &EmailAddress,
        user: &UserOf<A>,
        context: &Context,
    ) -> Result<Option<Asked>, UpdateError> {
        match self.email_policy() {
            EmailPolicy::Immediate => return Ok(None),
            EmailPolicy::Off => return Err(UpdateError::EmailChangeOff),
            EmailPolicy::Pending => {}
        }
        // What waits mails to an address of the caller's choice.
        let kind = MessageKind::ConfirmEmailChange;
        let attempt = self.limiter.mail(kind, email.key(), context).await?;
        // And the owner is told, whom a thief is not to bury in mails.
        let kind = Some(MessageKind::UndoEmailChange);
        let notice = match self.limiter.notice(kind, user.email(), context).await {
            Ok(notice) => notice,
            Err(refused) => {
                self.limiter.undecided(attempt, context).await;
                return Err(refused.into());
            }
        };
        let owner = match self.store.find_by_email(email.key()).await {
            Ok(owner) => owner,
            Err(error) => {
                self.limiter.undecided(attempt, context).await;
                self.limiter.undecided(notice, context).await;
                return Err(error.into());
            }
        };
        let taken = owner.is_some_and(|owner| owner.id() != user.id());
        if taken && !self.silent {
            return Err(UpdateError::EmailAlreadyExists);
        }
        let fresh = || MailToken::opaque(&*self.random).map_err(Failure::internal);
        Ok(Some(Asked {
            email: email.clone(),
            confirm: fresh()?,
            undo: fresh()?,
            taken,
        }))
    }
}

impl<A: UserApi<Store: EmailChangeStore>> UserManager<A> {
    /// Puts a new address into the place of the old one, by the token that was mailed to it.
    ///
    /// The new address is confirmed, since its mailbox has just shown that it is read. Tokens that were mailed to the old one
    /// die, all sessions end (ASVS 5.0, 7.4.3), and the old mailbox is told.
    ///
    /// # Errors
    /// [`ChangeEmailError`]: a token is good once, until it expires, and as long as no later change, no new password, no end of
    /// all sessions and no deactivation has overtaken it. Whether the address is still free is decided now.
    pub async fn confirm_email_change(
        &self,
        token: &str,
        context: &Context,
    ) -> Result<UserOf<A>, ChangeEmailError> {
        self.limiter.mailed_token(context).await?;
        let token = EmailChangeToken::Confirm(TokenDigest::of(token));
        let found = self.store().find_email_change(token).await?;
        let waiting = found.filter(|found| found.confirmed_at.is_none() && found.expires_at > context.now);
        let Some(waiting) = waiting else {
            return Err(Self::token_refused(None, context));
        };
        let Some(before) = self.store().find(&waiting.user_id).await? else {
            return Err(Self::token_refused(None, context));
        };
        let mut change = Change::new(context.now);
        change.expect.is_active = Some(true);
        change.expect.email = Some(waiting.old_email.clone());
        change.set.email = Some(EmailAddress::parse(&waiting.email).map_err(Failure::internal)?);
        change.set.is_verified = Some(true);
        change.email_change = EmailChange::Confirm {
            id: waiting.id,
            undo_until: context.now.plus(self.undo_lifetime),
        };
        if self.end_sessions {
            change.end_sessions = EndSessions::All;
        }
        let notice = self
            .notices
            .then_some(Notice::EmailChanged { user: &before.user });
        let notices: Vec<_> = notice.into_iter().collect();
        change.messages = self.composed(&notices, context);
        let ended = change.end_sessions;
        match self.store().update(&waiting.user_id, change).await? {
            Applied::Applied(stored) => {
                Self::emit(SecurityEvent::EmailChanged, &stored, context);
                self.noticed(&notices, context).await;
                let mut updated = Updated::default();
                (updated.email, updated.verified) = (true, !before.is_verified());
                self.moved(&stored.user, ended, updated, context).await;
                Ok(stored.user)
            }
            Applied::EmailTaken => Err(ChangeEmailError::EmailAlreadyExists),
            Applied::Stale | Applied::Missing => Err(Self::token_refused(Some(&waiting), context)),
            Applied::OwnConflict(_) => {
                Err(Failure::internal("a change of address changes no own column").into())
            }
        }
    }

    /// Takes a change of address back, by the token that was mailed to the old one.
    ///
    /// A change that waits is cancelled. One that was confirmed is undone, with all that came after it: the old address comes
    /// back as it was, and since whoever changed it knew the password, that is good no more and all sessions and personal
    /// access tokens end. The owner sets a new password by mail.
    ///
    /// # Errors
    /// [`ChangeEmailError`]: a token is good once, and for as long as
    /// [`undo_email_change_lifetime`](Self::undo_email_change_lifetime) once the change is confirmed.
    pub async fn undo_email_change(
        &self,
        token: &str,
        context: &Context,
    ) -> Result<UserOf<A>, ChangeEmailError> {
        self.limiter.mailed_token(context).await?;
        let token = EmailChangeToken::Undo(TokenDigest::of(token));
        let mut overtaken = None;
        // It may be confirmed between the look and the deed; it is never unconfirmed again.
        for _ in 0..2 {
            let found = self.store().find_email_change(token).await?;
            let live = found.filter(|found| found.confirmed_at.is_none() || found.expires_at > context.now);
            let Some(found) = live else { break };
            match self
                .store()
                .update(&found.user_id, self.undoing(&found, context)?)
                .await?
            {
                Applied::Applied(stored) => {
                    Self::emit(SecurityEvent::EmailChangeUndone, &stored, context);
                    if found.confirmed_at.is_some() {
                        let mut updated = Updated::default();
                        (updated.email, updated.password) = (true, true);
                        updated.verified = !found.old_verified;
                        self.moved(&stored.user, EndSessions::Everything, updated, context)
                            .await;
                    }
                    return Ok(stored.user);
                }
                Applied::EmailTaken => return Err(ChangeEmailError::EmailAlreadyExists),
                Applied::Stale => overtaken = Some(found),
                Applied::Missing => break,
                Applied::OwnConflict(_) => {
                    return Err(Failure::internal("a change of address changes no own column").into());
                }
            }
        }
        Err(Self::token_refused(overtaken.as_ref(), context))
    }

    fn undoing(
        &self,
        found: &EmailChangeRecord<IdFor<A>>,
        context: &Context,
    ) -> Result<Change<<A::Store as UserStore>::Columns>, Failure> {
        let mut change = Change::new(context.now);
        let confirmed = found.confirmed_at.is_some();
        change.email_change = EmailChange::Undo {
            id: found.id,
            confirmed,
        };
        if confirmed {
            change.set.email = Some(EmailAddress::parse(&found.old_email).map_err(Failure::internal)?);
            change.set.is_verified = Some(found.old_verified);
            let locked = PasswordHash::locked(&*self.random).map_err(Failure::internal)?;
            change.set.hashed_password = Some(locked);
            change.end_sessions = EndSessions::Everything;
        }
        Ok(change)
    }

    /// What is told once an address is another one.
    async fn moved(&self, user: &UserOf<A>, ended: EndSessions, updated: Updated, context: &Context) {
        if ended != EndSessions::None {
            Self::emit(SecurityEvent::SessionsEnded, user, context);
            let (which, reason) = (Revoked::Many(ended), RevocationReason::EmailChanged);
            self.tell_revoked(&user.id(), which, reason, context).await;
        }
        self.hooks().on_after_update(user, updated, context).await;
    }

    fn token_refused(change: Option<&EmailChangeRecord<IdFor<A>>>, context: &Context) -> ChangeEmailError {
        let id = change.map(|change| &change.user_id);
        SecurityEvent::TokenRefused.emit(id.map(|id| id as &dyn std::fmt::Display), context);
        ChangeEmailError::BadToken
    }
}
