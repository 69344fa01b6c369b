//! The sessions of a user, over all backends that keep a list of them.

use axum::{http::request::Parts, response::Response};
use axum_users_core::{
    Context, EndSessions, Epoch, Failure, IdFor, RevocationReason, Revoked, TokenRecord, User, UserApi,
    UserOf,
};

use crate::{
    AxumUsers, Backend, CurrentUser, Refusal,
    axum_users::sign_out,
    guard::{Guard, Interactive},
    strategy::{SessionList, SessionOwner},
};

/// A backend with its list of sessions, and the id of one of them there.
type Listed<'a, A> = (&'a Backend<A>, &'a dyn SessionList<IdFor<A>>, &'a str);

/// A session is named by its backend and its id there: the name of a backend has no dot.
fn split(id: &str) -> Option<(&str, &str)> {
    id.split_once('.')
}

/// How the id of a session of `backend` is shown.
fn join(backend: &str, id: &str) -> String {
    format!("{backend}.{id}")
}

impl<A: UserApi> AxumUsers<A> {
    /// The live sessions of a user who is at `epoch`, the latest first, over all backends that keep a list.
    ///
    /// The ids are good for [`rename_session`](Self::rename_session) and [`end_session`](Self::end_session).
    ///
    /// # Errors
    /// [`Failure`] where a store fails.
    pub async fn sessions(
        &self,
        user_id: &IdFor<A>,
        epoch: Epoch,
        context: &Context,
    ) -> Result<Vec<TokenRecord>, Failure> {
        let mut all = Vec::new();
        for backend in self.backends() {
            if let Some(list) = backend.strategy().sessions() {
                let owner = SessionOwner::new(user_id, epoch, backend.name(), context.now);
                all.extend(list.list(owner).await?);
            }
        }
        for session in &mut all {
            session.id = join(&session.backend, &session.id);
        }
        all.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        Ok(all)
    }

    /// The id under which the list shows the session of `current`.
    pub fn session_id<G>(&self, current: &CurrentUser<A, G>) -> String {
        let session = current.session();
        join(&session.backend, &session.token_id)
    }

    /// Gives a session of a user a name, or takes it away; false if there is no live one with this id.
    ///
    /// # Errors
    /// [`Failure`] where the store fails.
    pub async fn rename_session(
        &self,
        user_id: &IdFor<A>,
        epoch: Epoch,
        id: &str,
        name: Option<&str>,
        context: &Context,
    ) -> Result<bool, Failure> {
        match self.list_of(id) {
            Some((backend, list, id)) => {
                let owner = SessionOwner::new(user_id, epoch, backend.name(), context.now);
                list.rename(owner, id, name).await
            }
            None => Ok(false),
        }
    }

    /// Ends a session of a user; false if there is none with this id.
    ///
    /// # Errors
    /// [`Failure`] where the store fails.
    pub async fn end_session(
        &self,
        user_id: &IdFor<A>,
        epoch: Epoch,
        id: &str,
        reason: RevocationReason,
        context: &Context,
    ) -> Result<bool, Failure> {
        let Some((backend, list, token_id)) = self.list_of(id) else {
            return Ok(false);
        };
        let owner = SessionOwner::new(user_id, epoch, backend.name(), context.now);
        let ended = list.end(owner, token_id).await?;
        if ended {
            let which = Revoked::Session {
                backend: backend.name(),
                token_id,
            };
            self.manager()
                .session_ended(user_id, which, reason, context)
                .await;
        }
        Ok(ended)
    }

    /// Ends all sessions of whoever asks, of every strategy, for the logout of `backend`; with `personal_tokens` the personal
    /// access tokens too.
    ///
    /// # Errors
    /// [`Refusal`] where nobody is signed in, the guard refuses, another site caused the request, or the store fails.
    pub async fn logout_all<G: Guard<UserOf<A>>>(
        &self,
        backend: &Backend<A>,
        parts: &mut Parts,
        personal_tokens: bool,
    ) -> Result<Response, Refusal> {
        let current = CurrentUser::<A, (Interactive, G)>::of(self, parts).await?;
        let context = self.context(parts).with_actor(&current.id());
        let which = if personal_tokens {
            EndSessions::Everything
        } else {
            EndSessions::All
        };
        self.manager()
            .end_sessions(&current.id(), which, RevocationReason::Logout, &context)
            .await?;
        Ok(sign_out(backend, &current.found().backend))
    }

    /// The answer to one whose session has just ended: it clears the cookie, if the token came in one.
    pub fn sign_out<G>(&self, current: &CurrentUser<A, G>) -> Response {
        current.found().backend.transport().sign_out()
    }

    fn list_of<'a>(&'a self, id: &'a str) -> Option<Listed<'a, A>> {
        let (name, id) = split(id)?;
        let backend = self.backends().iter().find(|backend| backend.name() == name)?;
        Some((backend, backend.strategy().sessions()?, id))
    }
}
