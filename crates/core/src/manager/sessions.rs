//! Ending sessions.

use crate::{
    Applied, Change, Context, EndSessions, Epoch, Failure, IdFor, LoginError, Purged, RevocationReason,
    Revoked, SecurityEvent, SessionStore, SignedIn, StoreError, Stored, Timestamp, TokenEvent, User, UserApi,
    UserHooks, UserManager, UserOf, UserStore, crash_point,
};

/// By how many milliseconds the clocks of machines may differ.
const CLOCKS_DIFFER: i64 = 60_000;

impl<A: UserApi> UserManager<A> {
    /// Ends sessions of a user, of every strategy: the epoch is raised, and rows are removed with it.
    ///
    /// Answers the user as they are now, at the new epoch; `None` if there is no such user.
    ///
    /// # Errors
    /// [`Failure`] where the store fails.
    pub async fn end_sessions(
        &self,
        id: &IdFor<A>,
        which: EndSessions,
        reason: RevocationReason,
        context: &Context,
    ) -> Result<Option<Stored<UserOf<A>>>, Failure> {
        self.end_if(id, which, None, reason, context).await
    }

    /// Ends all sessions of a user but the one that asks, as [`end_sessions`](Self::end_sessions) does: the row of an opaque
    /// token moves on to the new epoch, and what is kept elsewhere is for the caller to move.
    ///
    /// # Errors
    /// [`Failure`] where the store fails, or the session that asks was ended meanwhile: who asks again is refused by then.
    pub async fn end_other_sessions(
        &self,
        current: &SignedIn<UserOf<A>>,
        context: &Context,
    ) -> Result<Option<Stored<UserOf<A>>>, Failure> {
        let session = &current.session;
        let which = session.digest.map_or(EndSessions::All, EndSessions::AllExcept);
        let (id, at) = (current.user.id(), Some(session.epoch));
        self.end_if(&id, which, at, RevocationReason::ByOwner, context)
            .await
    }

    async fn end_if(
        &self,
        id: &IdFor<A>,
        which: EndSessions,
        at: Option<Epoch>,
        reason: RevocationReason,
        context: &Context,
    ) -> Result<Option<Stored<UserOf<A>>>, Failure> {
        let mut change = Change::new(context.now);
        change.end_sessions = which;
        change.expect.epoch = at;
        match self.store().update(id, change).await? {
            Applied::Applied(stored) => {
                Self::emit(SecurityEvent::SessionsEnded, &stored, context);
                self.tell_revoked(id, Revoked::Many(which), reason, context).await;
                Ok(Some(stored))
            }
            Applied::Missing => Ok(None),
            Applied::Stale => Err(StoreError::unavailable("the session has ended meanwhile").into()),
            Applied::EmailTaken | Applied::OwnConflict(_) => {
                Err(Failure::internal("the end of sessions changes no column"))
            }
        }
    }

    /// Tells the hooks what has happened to tokens; what strategies and routers call once it has happened.
    pub async fn tell(&self, event: TokenEvent<'_, IdFor<A>>, context: &Context) {
        self.hooks().on_token(event, context).await;
    }

    pub(super) async fn tell_revoked(
        &self,
        user_id: &IdFor<A>,
        which: Revoked<'_>,
        reason: RevocationReason,
        context: &Context,
    ) {
        let event = TokenEvent::Revoked {
            user_id,
            which,
            reason,
        };
        self.tell(event, context).await;
    }

    /// Notes that a login was refused, since the user has as many sessions as may be.
    pub fn too_many_sessions(&self, user: &UserOf<A>, context: &Context) -> LoginError {
        Self::emit(SecurityEvent::TokenLimitReached, user, context);
        LoginError::TokenLimitReached
    }

    /// Notes that one session of `user_id` was ended by somebody else than itself.
    pub async fn session_ended(
        &self,
        user_id: &IdFor<A>,
        which: Revoked<'_>,
        reason: RevocationReason,
        context: &Context,
    ) {
        SecurityEvent::SessionEnded.emit(Some(user_id), context);
        self.tell_revoked(user_id, which, reason, context).await;
    }
}

impl<A: UserApi<Store: SessionStore>> UserManager<A> {
    /// Removes tokens that have expired, and what else the store no longer needs, `batch` rows at a time until none is left.
    ///
    /// Call it now and then from a job. Expired tokens are refused all the same before it.
    ///
    /// # Errors
    /// [`StoreError`] where the store fails; what was removed before stays removed.
    pub async fn purge(&self, batch: u32, context: &Context) -> Result<Purged, StoreError> {
        let mut all = Purged::default();
        // Another machine, whose clock is behind, may still take a token that is logged out by a mark.
        let until = Timestamp::from_millis(context.now.as_millis().saturating_sub(CLOCKS_DIFFER));
        loop {
            let some = self.store().purge(until, batch).await?;
            all.tokens += some.tokens;
            all.others += some.others;
            if some.total() < u64::from(batch.max(1)) {
                break;
            }
            crash_point("purge-between-batches").await;
        }
        if all.tokens > 0 {
            let count = all.tokens;
            self.tell(TokenEvent::Expired { count }, context).await;
        }
        Ok(all)
    }
}
