//! Removing users.

use crate::{
    Context, DeleteError, EndSessions, Expected, Password, Removed, RevocationReason, Revoked, SecurityEvent,
    SignedIn, User, UserApi, UserHooks, UserManager, UserOf, UserStore,
    manager::update::CurrentPasswordError,
};

impl<A: UserApi> UserManager<A> {
    /// Removes a user as they ask themselves, by their present password where [that is asked for](Self::requires_current_password).
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn delete_self(
        &self,
        current: &SignedIn<UserOf<A>>,
        current_password: Option<Password>,
        context: &Context,
    ) -> Result<(), DeleteError> {
        let mut expect = Expected::new();
        // Session and password may have been ended and changed since they were looked at.
        expect.epoch = Some(current.session.epoch);
        if self.require_current_password {
            let checked = self.check_current_password(&current.user, current_password, context);
            expect.hashed_password = Some(checked.await?);
        }
        self.remove(&current.user, expect, context).await
    }

    /// Removes a user with all sessions.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn delete(&self, user: &UserOf<A>, context: &Context) -> Result<(), DeleteError> {
        self.remove(user, Expected::new(), context).await
    }

    async fn remove(&self, user: &UserOf<A>, expect: Expected, context: &Context) -> Result<(), DeleteError> {
        let checked = expect.hashed_password.clone();
        self.hooks
            .on_before_delete(user, context)
            .await
            .map_err(DeleteError::Denied)?;
        match self.store.delete(&user.id(), expect).await? {
            Removed::Removed => {}
            Removed::InUse => return Err(DeleteError::InUse),
            Removed::Stale => return Err(self.overtaken(user, checked).await?),
            Removed::Missing => return Err(DeleteError::Missing),
        }
        Self::emit(SecurityEvent::Deleted, user, context);
        let which = Revoked::Many(EndSessions::Everything);
        self.tell_revoked(&user.id(), which, RevocationReason::Deleted, context)
            .await;
        self.hooks.on_after_delete(user, context).await;
        Ok(())
    }
}

impl From<CurrentPasswordError> for DeleteError {
    fn from(error: CurrentPasswordError) -> Self {
        match error {
            CurrentPasswordError::Refused => Self::InvalidCurrentPassword,
            CurrentPasswordError::Failed(failure) => Self::Failed(failure),
        }
    }
}
