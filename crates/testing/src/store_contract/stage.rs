//! What the properties share.

use std::time::Duration;

use axum_users_core::{
    Applied, Change, Claim, EmailAddress, EmailKey, EndSessions, Epoch, Expected, IdOf, Inserted, Message,
    MessageKind, NewToken, NewUser, OpaqueClaim, Outbox, PasswordHash, Purged, Removed, Session,
    SessionStore, Stored, Subject, Timestamp, TokenDigest, TokenRecord, TokenStored, TokenUse, User,
    UserStore, normalize_email,
};

use super::StoreFixture;
pub(super) use crate::race::race;

/// A moment with milliseconds that a store must not drop.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const BACKEND: &str = "cookie";
pub(super) const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$b2xk";
/// How often a race is run: one round may be lucky.
pub(super) const ROUNDS: usize = 4;
pub(super) const RACERS: usize = 8;

pub(super) type UserOf<F> = <<F as StoreFixture>::Store as UserStore>::User;
pub(super) type ColumnsOf<F> = <<F as StoreFixture>::Store as UserStore>::Columns;
pub(super) type KeyOf<F> = IdOf<<F as StoreFixture>::Store>;

/// A fixture with one of its stores.
pub(super) struct Stage<'a, F: StoreFixture> {
    pub(super) fixture: &'a F,
    pub(super) store: F::Store,
}

impl<'a, F: StoreFixture> Stage<'a, F> {
    pub(super) async fn set(fixture: &'a F) -> Option<Self> {
        match fixture.store().await {
            Ok(store) => Some(Self { fixture, store }),
            Err(skipped) => {
                skipped.report();
                None
            }
        }
    }

    pub(super) async fn clear(self) {
        self.fixture.discard(self.store).await;
    }

    pub(super) fn new_user(&self, address: &str) -> NewUser<ColumnsOf<F>> {
        NewUser::new(email(address), Some(hash(HASH)), self.fixture.columns(), NOW)
    }

    /// Stores a new user.
    pub(super) async fn user(&self, address: &str) -> UserOf<F> {
        match self.insert(self.new_user(address)).await {
            Inserted::Created(user) => user,
            other => panic!("a user with a free address is created, not {}", inserted(&other)),
        }
    }

    pub(super) async fn insert(&self, new: NewUser<ColumnsOf<F>>) -> Inserted<UserOf<F>> {
        self.store.insert(new, &|_| Vec::new()).await.expect("insert")
    }

    pub(super) async fn find(&self, id: &KeyOf<F>) -> Option<Stored<UserOf<F>>> {
        self.store.find(id).await.expect("find")
    }

    pub(super) async fn find_by_email(&self, address: &str) -> Option<Stored<UserOf<F>>> {
        self.store
            .find_by_email(&key(address))
            .await
            .expect("find_by_email")
    }

    /// The user as it is stored now.
    pub(super) async fn facts(&self, id: &KeyOf<F>) -> Facts {
        Facts::of(&self.find(id).await.expect("the user is there"))
    }

    pub(super) async fn update(&self, id: &KeyOf<F>, change: Change<ColumnsOf<F>>) -> Applied<UserOf<F>> {
        self.store.update(id, change).await.expect("update")
    }

    /// Applies a change that nothing stands against.
    pub(super) async fn apply(&self, id: &KeyOf<F>, change: Change<ColumnsOf<F>>) -> Stored<UserOf<F>> {
        match self.update(id, change).await {
            Applied::Applied(stored) => stored,
            other => panic!("nothing stands against the change, but it is {}", applied(&other)),
        }
    }

    /// Ends sessions and answers the epoch after it.
    pub(super) async fn end_sessions(&self, id: &KeyOf<F>, which: EndSessions) -> Epoch {
        let mut change = Change::new(NOW);
        change.end_sessions = which;
        self.apply(id, change).await.epoch
    }

    pub(super) async fn delete(&self, id: &KeyOf<F>) -> bool {
        self.store.delete(id, Expected::new()).await.expect("delete") == Removed::Removed
    }

    /// Stores a token at an epoch, without expiry.
    pub(super) async fn token(&self, id: &KeyOf<F>, text: &str, epoch: Epoch) -> TokenDigest {
        let digest = TokenDigest::of(text);
        self.store_token(NewToken::new(id.clone(), BACKEND, digest, epoch, NOW))
            .await;
        digest
    }

    pub(super) async fn store_token(&self, token: NewToken<KeyOf<F>>) -> i64 {
        match self.store.insert_token(token).await.expect("insert_token") {
            TokenStored::Stored { id, ended: 0 } => id,
            other => panic!("the token of a known user is stored, not {other:?}"),
        }
    }

    /// How many tokens ended for this one; `None` where it is one too many.
    pub(super) async fn ended_for(&self, token: NewToken<KeyOf<F>>) -> Option<u64> {
        stored(&self.store.insert_token(token).await.expect("insert_token"))
    }

    /// Stores a token that ends at a moment.
    pub(super) async fn token_until(&self, id: &KeyOf<F>, text: &str, end: Timestamp) -> TokenDigest {
        let digest = TokenDigest::of(text);
        let mut token = NewToken::new(id.clone(), BACKEND, digest, Epoch(0), NOW);
        token.expires_at = Some(end);
        self.store_token(token).await;
        digest
    }

    pub(super) async fn revoke(&self, token_id: &str, until: Timestamp) {
        self.store.revoke(token_id, until).await.expect("revoke");
    }

    pub(super) async fn purge(&self, now: Timestamp, batch: u32) -> Purged {
        self.store.purge(now, batch).await.expect("purge")
    }

    pub(super) async fn note_use(&self, noted: TokenUse) -> bool {
        self.store.note_use(noted).await.expect("note_use")
    }

    /// Ends a token that is there.
    pub(super) async fn end_token(&self, digest: &TokenDigest) {
        assert!(self.store.end_token(digest, BACKEND).await.expect("end_token"));
    }

    pub(super) async fn listed(&self, id: &KeyOf<F>, now: Timestamp) -> Vec<TokenRecord> {
        let listed = self.store.list_tokens(id, BACKEND, now, 100).await;
        listed.expect("list_tokens")
    }

    pub(super) async fn name(&self, user: &KeyOf<F>, id: &str, name: Option<&str>) -> bool {
        let named = self.store.name_token(user, BACKEND, id, name, NOW).await;
        named.expect("name_token")
    }

    /// The session of a token that is good.
    pub(super) async fn session(&self, digest: TokenDigest) -> Session {
        let signed_in = self.store.resolve(&opaque::<F>(digest), NOW).await;
        signed_in.expect("resolve").expect("the token is good").session
    }

    /// Whom a claim signs in.
    pub(super) async fn resolve(&self, claim: &Claim<KeyOf<F>>, now: Timestamp) -> Option<KeyOf<F>> {
        let signed_in = self.store.resolve(claim, now).await.expect("resolve");
        signed_in.map(|signed_in| signed_in.user.id())
    }

    pub(super) async fn is_alive(&self, digest: TokenDigest) -> bool {
        self.resolve(&opaque::<F>(digest), NOW).await.is_some()
    }

    pub(super) async fn is_good(&self, claim: &Claim<KeyOf<F>>) -> bool {
        self.resolve(claim, NOW).await.is_some()
    }

    /// Takes all mails that wait.
    pub(super) async fn waiting(&self) -> Vec<Message> {
        let leased = self.store.lease(1000, NOW.plus(HOUR), HOUR).await.expect("lease");
        for leased in &leased {
            self.store.sent(leased.id, NOW).await.expect("sent");
        }
        leased.into_iter().map(|leased| leased.message).collect()
    }
}

/// What a store holds about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) email: String,
    pub(super) hashed_password: Option<String>,
    pub(super) is_active: bool,
    pub(super) is_verified: bool,
    pub(super) is_superuser: bool,
    pub(super) epoch: Epoch,
}

impl Facts {
    pub(super) fn of<U: User>(stored: &Stored<U>) -> Self {
        Self {
            email: stored.email().to_owned(),
            hashed_password: stored.hashed_password().map(str::to_owned),
            is_active: stored.is_active(),
            is_verified: stored.is_verified(),
            is_superuser: stored.is_superuser(),
            epoch: stored.epoch,
        }
    }
}

pub(super) fn email(address: &str) -> EmailAddress {
    EmailAddress::parse(address).unwrap_or_else(|error| panic!("{address:?}: {error}"))
}

pub(super) fn key(address: &str) -> EmailKey {
    normalize_email(address).unwrap_or_else(|error| panic!("{address:?}: {error}"))
}

pub(super) fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text)
}

pub(super) fn mail(text: &str) -> Message {
    Message::new(MessageKind::Other, "arthur@camelot.example", "News", text)
}

pub(super) fn opaque<F: StoreFixture>(digest: TokenDigest) -> Claim<KeyOf<F>> {
    Claim::Digest(OpaqueClaim::new(digest, BACKEND))
}

/// What a self-contained token claims that is good for an hour.
pub(super) fn subject<F: StoreFixture>(id: &KeyOf<F>, token_id: &str, epoch: Epoch) -> Subject<KeyOf<F>> {
    let session = Session::new(BACKEND, token_id, epoch).until(NOW.plus(HOUR));
    Subject::new(id.clone(), session)
}

pub(super) fn by_subject<F: StoreFixture>(id: &KeyOf<F>, token_id: &str, epoch: Epoch) -> Claim<KeyOf<F>> {
    Claim::Subject(subject::<F>(id, token_id, epoch))
}

/// How many tokens ended for a stored one; `None` where it was one too many.
pub(super) fn stored(outcome: &TokenStored) -> Option<u64> {
    match outcome {
        TokenStored::Stored { ended, .. } => Some(*ended),
        TokenStored::LimitReached => None,
        other => panic!("the token is of a known user, but it is {other:?}"),
    }
}

pub(super) fn inserted<U>(outcome: &Inserted<U>) -> &'static str {
    match outcome {
        Inserted::Created(_) => "created",
        Inserted::EmailTaken => "e-mail taken",
        Inserted::OwnConflict(_) => "own conflict",
        _ => "something new",
    }
}

pub(super) fn applied<U>(outcome: &Applied<U>) -> &'static str {
    match outcome {
        Applied::Applied(_) => "applied",
        Applied::Stale => "stale",
        Applied::EmailTaken => "e-mail taken",
        Applied::OwnConflict(_) => "own conflict",
        Applied::Missing => "missing",
        _ => "something new",
    }
}

pub(super) fn count(outcomes: &[&str], outcome: &str) -> usize {
    outcomes.iter().filter(|other| **other == outcome).count()
}
