//! Removing users.

use crate::{
    Context, DeleteError, EndSessions, Password, Removed, RevocationReason, Revoked, SecurityEvent, SignedIn,
    User, UserApi, UserHooks, UserManager, UserOf, UserStore, manager::update::CurrentPasswordError,
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
        if self.require_current_password {
            self.check_current_password(&current.user, current_password, context)
                .await?;
        }
        self.delete(&current.user, context).await
    }

    /// Removes a user with all sessions.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn delete(&self, user: &UserOf<A>, context: &Context) -> Result<(), DeleteError> {
        self.hooks
            .on_before_delete(user, context)
            .await
            .map_err(DeleteError::Denied)?;
        match self.store.delete(&user.id()).await? {
            Removed::Removed => {}
            Removed::InUse => return Err(DeleteError::InUse),
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
