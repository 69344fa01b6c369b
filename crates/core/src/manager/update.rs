//! Changing users.

use crate::{
    Applied, Change, Context, EmailAddress, EmailChange, EndSessions, Epoch, Failure, IdFor, MessageKind,
    Notice, Password, PasswordHash, PasswordOwner, RevocationReason, Revoked, SecurityEvent, SignedIn,
    StoreError, Stored, TokenDigest, UpdateError, UpdateUser, Updated, User, UserApi, UserHooks, UserManager,
    UserOf, UserPatch, UserStore, Verdict, manager::change_email::Asked,
};

type ColumnsOf<A> = <<A as UserApi>::Store as UserStore>::Columns;

/// Who asks for a change.
#[derive(Clone, Copy)]
enum By {
    /// The user, by a session of this epoch; it stays alive where it can.
    Owner(Option<TokenDigest>, Epoch),
    /// A superuser, or a job.
    Admin,
}

impl<A: UserApi> UserManager<A> {
    /// Changes a user as they ask themselves. Privileged fields are ignored.
    ///
    /// A new address waits until its own mailbox has confirmed it, and the present one is told and can undo it: the user is
    /// answered as they are, with the old address (see [`email_policy`](Self::email_policy)). A new password ends all sessions but the present one: the epoch is raised, the row of an
    /// opaque token moves on to it, and what is kept elsewhere is for the caller to move. It cancels a change of address that
    /// waits, and the owner is told by mail.
    ///
    /// # Errors
    /// [`UpdateError`]; nothing is written then.
    pub async fn update_self(
        &self,
        current: &SignedIn<UserOf<A>>,
        body: A::Update,
        context: &Context,
    ) -> Result<Stored<UserOf<A>>, UpdateError> {
        let (mut patch, own) = body.split();
        patch.is_active = None;
        patch.is_verified = None;
        patch.is_superuser = None;
        let kind = patch.password.is_some().then_some(MessageKind::PasswordChanged);
        // Each new password mails a notice and costs a hash, also where the present one is known.
        let notice = self.limiter.notice(kind, current.user.email(), context).await?;
        let updated = self.update_owner(current, patch, own, context).await;
        if updated.is_err() {
            self.limiter.undecided(notice, context).await;
        }
        updated
    }

    async fn update_owner(
        &self,
        current: &SignedIn<UserOf<A>>,
        mut patch: UserPatch,
        own: ColumnsOf<A>,
        context: &Context,
    ) -> Result<Stored<UserOf<A>>, UpdateError> {
        let user = &current.user;
        let checked = self.check_sensitive(user, &mut patch, context).await?;
        let by = By::Owner(current.session.digest, current.session.epoch);
        self.apply(user, patch, own, checked, by, context).await
    }

    /// Changes a user as a superuser asks, or a job. Deactivation and a new password end all sessions of the user.
    ///
    /// A new address takes the place of the old one at once, whose mailbox is told; earlier changes can no longer be undone.
    ///
    /// Superusers who change their own address or password show their present password as in
    /// [`update_self`](Self::update_self): the actor of the context says who asks.
    ///
    /// # Errors
    /// [`UpdateError`]; nothing is written then.
    pub async fn update(
        &self,
        user: &UserOf<A>,
        body: A::AdminUpdate,
        context: &Context,
    ) -> Result<UserOf<A>, UpdateError> {
        let (mut patch, own) = body.split();
        let checked = if context.actor.as_deref() == Some(user.id().to_string().as_str()) {
            self.check_sensitive(user, &mut patch, context).await?
        } else {
            None
        };
        let sets_password = patch.password.is_some();
        let stored = self.apply(user, patch, own, checked, By::Admin, context).await?;
        if sets_password {
            self.forgive(&stored.user, &Context::new(context.now)).await;
        }
        Ok(stored.user)
    }

    /// Asks for the present password where address or password are to change; answers the hash it was right for.
    async fn check_sensitive(
        &self,
        user: &UserOf<A>,
        patch: &mut UserPatch,
        context: &Context,
    ) -> Result<Option<PasswordHash>, CurrentPasswordError> {
        let moves = patch.email.as_ref().is_some_and(|new| moves_mail(new, user));
        if !self.require_current_password || !(moves || patch.password.is_some()) {
            return Ok(None);
        }
        let hash = self
            .check_current_password(user, patch.current_password.take(), context)
            .await?;
        Ok(Some(hash))
    }

    /// The stored hash that the present password was right for. A wrong one counts, as with a login.
    pub(super) async fn check_current_password(
        &self,
        user: &UserOf<A>,
        password: Option<Password>,
        context: &Context,
    ) -> Result<PasswordHash, CurrentPasswordError> {
        if let (Some(password), Some(hash)) = (password, user.hashed_password()) {
            let attempt = self.limiter.signed_in(&user.id().to_string(), context).await?;
            match self.hasher.verify(password, Some(hash)).await {
                Ok(Verdict::Right { .. }) => {
                    self.limiter.right(attempt, context).await;
                    return Ok(PasswordHash::from_stored(hash));
                }
                Ok(Verdict::Wrong) => {}
                Err(error) => {
                    self.limiter.undecided(attempt, context).await;
                    return Err(Failure::from(error).into());
                }
            }
        }
        SecurityEvent::CurrentPasswordRefused.emit(Some(&user.id()), context);
        Err(CurrentPasswordError::Refused)
    }

    async fn apply(
        &self,
        user: &UserOf<A>,
        patch: UserPatch,
        own: ColumnsOf<A>,
        checked: Option<PasswordHash>,
        by: By,
        context: &Context,
    ) -> Result<Stored<UserOf<A>>, UpdateError> {
        let mut change = Change::new(context.now);
        if let By::Owner(_, epoch) = by {
            // The session that asks may have been ended since it was looked at.
            change.expect.epoch = Some(epoch);
        }
        let mut updated = Updated {
            password: patch.password.is_some(),
            ..Updated::default()
        };
        let mut asked = None;
        if let Some(email) = patch.email
            && email.as_str() != user.email()
        {
            change.expect.email_of(user);
            updated.email = moves_mail(&email, user);
            if updated.email && matches!(by, By::Owner(..)) {
                asked = self.ask_for_change(&email, user, context).await?;
            }
            if asked.is_none() {
                if updated.email {
                    change.set.is_verified = Some(false);
                }
                change.set.email = Some(email);
            }
        }
        if patch.is_verified == Some(true) {
            // It is the address that was seen which is confirmed, not one that took its place meanwhile.
            change.expect.email_of(user);
        }
        change.set.is_verified = patch.is_verified.or(change.set.is_verified);
        change.set.is_active = patch.is_active;
        change.set.is_superuser = patch.is_superuser;
        updated.verified = change
            .set
            .is_verified
            .is_some_and(|verified| verified != user.is_verified());
        updated.active = change
            .set
            .is_active
            .is_some_and(|active| active != user.is_active());
        updated.superuser = change
            .set
            .is_superuser
            .is_some_and(|superuser| superuser != user.is_superuser());
        if let Some(password) = &patch.password {
            let email = asked.as_ref().map(|asked| asked.email.as_str());
            let email = email.or(change.set.email.as_ref().map(EmailAddress::as_str));
            let email = email.unwrap_or(user.email());
            let owner = PasswordOwner::new(email, Some(user));
            self.validate_password(password, owner, Vec::new(), context)
                .await?;
        }
        self.hooks
            .on_before_update(user, updated, context)
            .await
            .map_err(UpdateError::Denied)?;
        if let Some(password) = patch.password {
            change.set.hashed_password = Some(self.hasher.hash(password).await?);
        }
        change.own = own;
        change.end_sessions = self.sessions_to_end(&change, updated, by);
        change.expect.hashed_password.clone_from(&checked);
        let ended = change.end_sessions;
        let notices = self.add_notices(&mut change, asked.as_ref(), updated, user, context);
        match self.store.update(&user.id(), change).await? {
            Applied::Applied(stored) => {
                if asked.is_some() {
                    updated.email = false;
                    Self::emit(SecurityEvent::EmailChangeRequested, &stored.user, context);
                }
                self.noticed(&notices, context).await;
                Self::emit_all(&stored.user, updated, ended != EndSessions::None, context);
                if ended != EndSessions::None {
                    let reason = if ended == EndSessions::Everything {
                        RevocationReason::Deactivated
                    } else {
                        RevocationReason::PasswordChanged
                    };
                    self.tell_revoked(&stored.id(), Revoked::Many(ended), reason, context)
                        .await;
                }
                self.hooks.on_after_update(&stored.user, updated, context).await;
                Ok(stored)
            }
            Applied::Stale => Err(self.overtaken(user, checked).await?),
            Applied::EmailTaken => Err(UpdateError::EmailAlreadyExists),
            Applied::OwnConflict(conflict) => Err(UpdateError::OwnConflict(conflict)),
            Applied::Missing => Err(UpdateError::Missing),
        }
    }

    /// Adds the mails that go with a change, and what becomes of changes of address; answers what is told to whom.
    fn add_notices<'a>(
        &self,
        change: &mut Change<ColumnsOf<A>>,
        asked: Option<&'a Asked>,
        updated: Updated,
        user: &'a UserOf<A>,
        context: &Context,
    ) -> Vec<Notice<'a, UserOf<A>>> {
        let mut notices = Vec::new();
        if let Some(asked) = asked {
            notices.extend(asked.notices(user));
            let until = context.now.plus(self.email_change_lifetime);
            change.email_change = EmailChange::Ask(asked.change(until));
        } else if updated.email {
            if self.notices {
                notices.push(Notice::EmailChanged { user });
            }
            change.email_change = EmailChange::Forget;
        } else if updated.password || change.end_sessions != EndSessions::None {
            change.email_change = EmailChange::Cancel;
        }
        if updated.password {
            notices.extend(self.password_notices(user));
        }
        let messages = self.composed(&notices, context);
        change.messages = match asked {
            Some(asked) => asked.messages(messages),
            None => messages,
        };
        notices.retain(|notice| asked.is_none_or(|asked| asked.tells(notice)));
        notices
    }

    /// Why a change came too late: the password that was checked is no longer the present one, or something else of the user
    /// was changed at the same time, and the request may be repeated.
    pub(super) async fn overtaken<E>(
        &self,
        user: &UserOf<A>,
        checked: Option<PasswordHash>,
    ) -> Result<E, StoreError>
    where
        E: From<CurrentPasswordError> + From<StoreError>,
    {
        let now = self.store.find(&user.id()).await?;
        Ok(match (checked, now) {
            (Some(hash), Some(now)) if now.hashed_password() != Some(hash.as_str()) => {
                CurrentPasswordError::Refused.into()
            }
            _ => StoreError::unavailable("the user was changed at the same time").into(),
        })
    }

    fn sessions_to_end(&self, change: &Change<ColumnsOf<A>>, updated: Updated, by: By) -> EndSessions {
        if change.set.is_active == Some(false) {
            return EndSessions::Everything;
        }
        match by {
            By::Owner(Some(digest), _) if updated.password && self.end_sessions => {
                EndSessions::AllExcept(digest)
            }
            _ if updated.password && self.end_sessions => EndSessions::All,
            _ => EndSessions::None,
        }
    }

    fn emit_all(user: &UserOf<A>, updated: Updated, ended: bool, context: &Context) {
        let events = [
            (updated.email, SecurityEvent::EmailChanged),
            (updated.password, SecurityEvent::PasswordChanged),
            (updated.active && !user.is_active(), SecurityEvent::Deactivated),
            (updated.active && user.is_active(), SecurityEvent::Reactivated),
            (
                updated.superuser && user.is_superuser(),
                SecurityEvent::SuperuserGranted,
            ),
            (
                updated.superuser && !user.is_superuser(),
                SecurityEvent::SuperuserWithdrawn,
            ),
            (ended, SecurityEvent::SessionsEnded),
        ];
        for (_, event) in events.into_iter().filter(|(happened, _)| *happened) {
            Self::emit(event, user, context);
        }
    }

    /// The user with this key, for a superuser's eyes.
    ///
    /// # Errors
    /// [`Failure`] where the store fails.
    pub async fn find_by_text(&self, id: &str) -> Result<Option<UserOf<A>>, Failure> {
        match <IdFor<A> as crate::UserId>::parse(id) {
            Some(id) => self.find(&id).await,
            None => Ok(None),
        }
    }
}

/// Why the present password was not taken.
pub(super) enum CurrentPasswordError {
    Refused,
    Failed(Failure),
}

impl From<Failure> for CurrentPasswordError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<CurrentPasswordError> for UpdateError {
    fn from(error: CurrentPasswordError) -> Self {
        match error {
            CurrentPasswordError::Refused => Self::InvalidCurrentPassword,
            CurrentPasswordError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// Whether mail may go elsewhere with the new address. Addresses of one normal form are one account, and yet `k` and its
/// full-width twin may be two mailboxes; no mail server tells the case of ASCII letters apart.
fn moves_mail<U: User>(new: &EmailAddress, user: &U) -> bool {
    !new.as_str().eq_ignore_ascii_case(user.email())
}
