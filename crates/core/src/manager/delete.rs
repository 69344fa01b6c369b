//! Removing users.

use crate::{
    Context, DeleteError, Password, Removed, SecurityEvent, SignedIn, User, UserApi, UserHooks, UserManager,
    UserOf, UserStore, manager::update::CurrentPasswordError,
};

impl<A: UserApi> UserManager<A> {
    /// Removes a user as they ask themselves, by their present password.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn delete_self(
        &self,
        current: &SignedIn<UserOf<A>>,
        current_password: Option<Password>,
        context: &Context,
    ) -> Result<(), DeleteError> {
        self.check_current_password(&current.user, current_password, context)
            .await?;
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
