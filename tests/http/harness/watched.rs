//! A store that counts what it is asked, and that can be down.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum_users::{
    Accepts, Applied, Change, Claim, Compose, EmailChangeRecord, EmailChangeStore, EmailChangeToken,
    EmailKey, Expected, IdOf, Inserted, Leased, ListUsers, Message, NewPersonalToken, NewToken, NewUser,
    Outbox, PasswordHash, PersonalTokenRecord, PersonalTokenStore, Purged, Rehearsed, Removed, SessionStore,
    SetupError, SignedIn, StoreError, Stored, Timestamp, TokenDigest, TokenRecord, TokenStored, TokenUse,
    UserQuery, UserStore,
};
use axum_users_testing::leaks::{self, Kind};

/// Clones share the counter and the switch.
#[derive(Clone)]
pub(crate) struct Watched<S> {
    inner: S,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    calls: AtomicUsize,
    down: AtomicBool,
    in_use: AtomicBool,
}

impl<S> Watched<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            watch: Arc::default(),
        }
    }

    /// How often the store was asked anything.
    pub(crate) fn calls(&self) -> usize {
        self.watch.calls.load(Ordering::SeqCst)
    }

    /// Takes the store down, or up again.
    pub(crate) fn down(&self, down: bool) {
        self.watch.down.store(down, Ordering::SeqCst);
    }

    /// Holds on to every user, as rows of the application do that refer to them.
    pub(crate) fn in_use(&self, in_use: bool) {
        self.watch.in_use.store(in_use, Ordering::SeqCst);
    }

    /// Keeps a hash in mind, so that it is looked for in answers and in the log.
    fn note(hash: Option<&PasswordHash>) {
        if let Some(hash) = hash {
            leaks::note(Kind::Hash, hash.as_str());
        }
    }

    fn ask(&self) -> Result<&S, StoreError> {
        self.watch.calls.fetch_add(1, Ordering::SeqCst);
        if self.watch.down.load(Ordering::SeqCst) {
            Err(StoreError::unavailable("the database at db.internal is down"))
        } else {
            Ok(&self.inner)
        }
    }
}

impl<S: UserStore> UserStore for Watched<S> {
    type User = S::User;
    type Columns = S::Columns;

    async fn find(&self, id: &IdOf<S>) -> Result<Option<Stored<S::User>>, StoreError> {
        self.ask()?.find(id).await
    }

    async fn find_by_email(&self, email: &EmailKey) -> Result<Option<Stored<S::User>>, StoreError> {
        self.ask()?.find_by_email(email).await
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Stored<S::User>>, StoreError> {
        self.ask()?.find_by_login(login).await
    }

    fn login_name(&self, login: &str) -> String {
        self.inner.login_name(login)
    }

    async fn insert(
        &self,
        new: NewUser<S::Columns>,
        compose: Compose<'_, S::User>,
    ) -> Result<Inserted<S::User>, StoreError> {
        Self::note(new.hashed_password.as_ref());
        self.ask()?.insert(new, compose).await
    }

    async fn update(&self, id: &IdOf<S>, change: Change<S::Columns>) -> Result<Applied<S::User>, StoreError> {
        Self::note(change.set.hashed_password.as_ref());
        self.ask()?.update(id, change).await
    }

    async fn delete(&self, id: &IdOf<S>, expect: Expected) -> Result<Removed, StoreError> {
        if self.watch.in_use.load(Ordering::SeqCst) {
            return Ok(Removed::InUse);
        }
        self.ask()?.delete(id, expect).await
    }

    async fn resolve(
        &self,
        claim: &Claim<IdOf<S>>,
        now: Timestamp,
    ) -> Result<Option<SignedIn<S::User>>, StoreError> {
        self.ask()?.resolve(claim, now).await
    }

    async fn enqueue(&self, messages: Vec<Message>, at: Timestamp) -> Result<(), StoreError> {
        self.ask()?.enqueue(messages, at).await
    }

    async fn rehearse(
        &self,
        new: NewUser<S::Columns>,
        messages: Vec<Message>,
    ) -> Result<Rehearsed, StoreError> {
        Self::note(new.hashed_password.as_ref());
        self.ask()?.rehearse(new, messages).await
    }

    fn keeps_email_changes(&self) -> bool {
        self.inner.keeps_email_changes()
    }

    async fn check(&self) -> Result<(), SetupError> {
        self.ask()?.check().await
    }
}

impl<X, S: Accepts<X>> Accepts<X> for Watched<S> {
    fn columns(value: X) -> S::Columns {
        S::columns(value)
    }
}

impl<S: SessionStore> SessionStore for Watched<S> {
    async fn insert_token(&self, token: NewToken<IdOf<S>>) -> Result<TokenStored, StoreError> {
        self.ask()?.insert_token(token).await
    }

    async fn note_use(&self, noted: TokenUse) -> Result<bool, StoreError> {
        self.ask()?.note_use(noted).await
    }

    async fn end_token(&self, digest: &TokenDigest, backend: &str) -> Result<bool, StoreError> {
        self.ask()?.end_token(digest, backend).await
    }

    async fn list_tokens(
        &self,
        user_id: &IdOf<S>,
        backend: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        self.ask()?.list_tokens(user_id, backend, now, limit).await
    }

    async fn name_token(
        &self,
        user_id: &IdOf<S>,
        backend: &str,
        id: &str,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.ask()?.name_token(user_id, backend, id, name, now).await
    }

    async fn end_token_by_id(&self, user_id: &IdOf<S>, backend: &str, id: &str) -> Result<bool, StoreError> {
        self.ask()?.end_token_by_id(user_id, backend, id).await
    }

    async fn revoke(&self, token_id: &str, until: Timestamp) -> Result<(), StoreError> {
        self.ask()?.revoke(token_id, until).await
    }

    async fn purge(&self, now: Timestamp, batch: u32) -> Result<Purged, StoreError> {
        self.ask()?.purge(now, batch).await
    }
}

impl<S: PersonalTokenStore> PersonalTokenStore for Watched<S> {
    async fn insert_personal_token(
        &self,
        token: NewPersonalToken<IdOf<S>>,
    ) -> Result<TokenStored, StoreError> {
        self.ask()?.insert_personal_token(token).await
    }

    async fn note_personal_use(&self, noted: TokenUse) -> Result<bool, StoreError> {
        self.ask()?.note_personal_use(noted).await
    }

    async fn list_personal_tokens(
        &self,
        user_id: &IdOf<S>,
        now: Timestamp,
    ) -> Result<Vec<PersonalTokenRecord>, StoreError> {
        self.ask()?.list_personal_tokens(user_id, now).await
    }

    async fn end_personal_token(&self, user_id: &IdOf<S>, id: &str) -> Result<bool, StoreError> {
        self.ask()?.end_personal_token(user_id, id).await
    }
}

impl<S: EmailChangeStore> EmailChangeStore for Watched<S> {
    async fn find_email_change(
        &self,
        token: EmailChangeToken,
    ) -> Result<Option<EmailChangeRecord<IdOf<S>>>, StoreError> {
        self.ask()?.find_email_change(token).await
    }
}

impl<S: ListUsers> ListUsers for Watched<S> {
    async fn list(&self, query: &UserQuery) -> Result<Vec<S::User>, StoreError> {
        self.ask()?.list(query).await
    }
}

// Mails are read by the test, not by the application: not counted, never down.
impl<S: Outbox> Outbox for Watched<S> {
    fn lease(
        &self,
        limit: u32,
        now: Timestamp,
        lease: Duration,
    ) -> impl Future<Output = Result<Vec<Leased>, StoreError>> + Send {
        self.inner.lease(limit, now, lease)
    }

    async fn sent(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.inner.sent(id, now).await
    }

    async fn retry(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.inner.retry(id, at).await
    }

    async fn release(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.inner.release(id, at).await
    }

    async fn give_up(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.inner.give_up(id, now).await
    }
}
