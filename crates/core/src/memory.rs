//! A store for tests and for documentation.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use crate::{
    Accepts, Applied, Change, Claim, Compose, EmailChange, EmailChangeRecord, EmailChangeStore,
    EmailChangeToken, EmailKey, EndSessions, Epoch, Expected, Inserted, Leased, LimitPolicy, ListUsers,
    Message, NewEmailChange, NewPersonalToken, NewToken, NewUser, NoExtra, OpaqueClaim, Outbox,
    PersonalTokenRecord, PersonalTokenStore, Purged, Removed, Session, SessionKind, SessionStore, SignedIn,
    StoreError, Stored, Timestamp, TokenDigest, TokenRecord, TokenStored, TokenUse, User, UserQuery,
    UserStore, normalize_email,
};

/// A user of [`InMemoryUsers`].
///
/// ```
/// use axum_users_core::{EmailAddress, InMemoryUsers, Inserted, NewUser, Timestamp, UserStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let new = NewUser::new(EmailAddress::parse("arthur@camelot.bt")?, None, (), Timestamp::from_secs(0));
/// let Inserted::Created(user) = InMemoryUsers::new().insert(new, &|_| Vec::new()).await? else { panic!() };
/// assert!(user.is_active && !user.is_verified);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUser {
    /// The key.
    pub id: Uuid,
    /// The address.
    pub email: String,
    /// The hash of the password.
    pub hashed_password: Option<String>,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the address is confirmed.
    pub is_verified: bool,
    /// Whether the user may manage other users.
    pub is_superuser: bool,
}

impl User for MemoryUser {
    type Id = Uuid;

    fn id(&self) -> Uuid {
        self.id
    }
    fn email(&self) -> &str {
        &self.email
    }
    fn hashed_password(&self) -> Option<&str> {
        self.hashed_password.as_deref()
    }
    fn is_active(&self) -> bool {
        self.is_active
    }
    fn is_verified(&self) -> bool {
        self.is_verified
    }
    fn is_superuser(&self) -> bool {
        self.is_superuser
    }
}

/// Users, sessions and mails in memory: all that a store can be asked for, gone when the process ends.
///
/// Clones share their contents.
///
/// ```
/// use axum_users_core::{EmailAddress, InMemoryUsers, NewUser, Timestamp, UserStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let users = InMemoryUsers::new();
/// let email = EmailAddress::parse("Arthur@Camelot.bt")?;
/// users.insert(NewUser::new(email.clone(), None, (), Timestamp::from_secs(0)), &|_| Vec::new()).await?;
/// assert!(users.find_by_email(email.key()).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct InMemoryUsers {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
struct Tables {
    users: BTreeMap<EmailKey, MemoryUser>,
    epochs: BTreeMap<Uuid, Epoch>,
    tokens: BTreeMap<i64, Token>,
    personal_tokens: BTreeMap<i64, PersonalToken>,
    revoked: BTreeMap<String, Timestamp>,
    email_changes: BTreeMap<i64, StoredChange>,
    outbox: BTreeMap<i64, Row>,
    last_id: i64,
}

struct Token {
    new: NewToken<Uuid>,
    name: Option<String>,
    last_seen_at: Option<Timestamp>,
}

impl Token {
    fn is_of(&self, user_id: &Uuid, backend: &str) -> bool {
        self.new.user_id == *user_id && self.new.backend == backend
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.new.expires_at.is_some_and(|end| end <= now)
    }
}

struct PersonalToken {
    new: NewPersonalToken<Uuid>,
    last_seen_at: Option<Timestamp>,
}

impl PersonalToken {
    fn is_over(&self, now: Timestamp) -> bool {
        self.new.expires_at.is_some_and(|end| end <= now)
    }
}

struct StoredChange {
    new: NewEmailChange,
    user_id: Uuid,
    old_email: String,
    old_key: EmailKey,
    old_verified: bool,
    confirmed_at: Option<Timestamp>,
}

struct Row {
    message: Message,
    attempts: u32,
    due_at: Timestamp,
    done: bool,
}

impl Tables {
    fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    fn user(&self, id: &Uuid) -> Option<&MemoryUser> {
        self.users.values().find(|user| user.id == *id)
    }

    fn stored(&self, user: &MemoryUser) -> Stored<MemoryUser> {
        Stored::new(user.clone()).at_epoch(self.epoch(user.id))
    }

    fn epoch(&self, id: Uuid) -> Epoch {
        self.epochs.get(&id).copied().unwrap_or_default()
    }

    fn enqueue(&mut self, messages: Vec<Message>, at: Timestamp) {
        for message in messages {
            let id = self.next_id();
            self.outbox.insert(
                id,
                Row {
                    message,
                    attempts: 0,
                    due_at: at,
                    done: false,
                },
            );
        }
    }

    /// Whether somebody else can still come back to this address.
    fn is_kept(&self, key: &EmailKey, user_id: Option<Uuid>, at: Timestamp) -> bool {
        self.email_changes.values().any(|change| {
            change.old_key == *key
                && Some(change.user_id) != user_id
                && change.confirmed_at.is_some()
                && change.new.expires_at > at
        })
    }

    /// Whether what a change expects of changes of address holds.
    fn is_expected(&self, id: Uuid, command: &EmailChange) -> bool {
        let (row, confirmed) = match command {
            EmailChange::Confirm { id, .. } => (id, false),
            EmailChange::Undo { id, confirmed } => (id, *confirmed),
            _ => return true,
        };
        let change = self.email_changes.get(row);
        change.is_some_and(|change| change.user_id == id && change.confirmed_at.is_some() == confirmed)
    }

    fn drop_changes(&mut self, id: Uuid, which: impl Fn(i64, &StoredChange) -> bool) {
        self.email_changes
            .retain(|row, change| change.user_id != id || !which(*row, change));
    }

    fn change_email(&mut self, user: &MemoryUser, key: &EmailKey, command: EmailChange, at: Timestamp) {
        match command {
            EmailChange::Keep => {}
            EmailChange::Cancel => self.drop_changes(user.id, |_, change| change.confirmed_at.is_none()),
            EmailChange::Forget => self.drop_changes(user.id, |_, _| true),
            EmailChange::Ask(new) => {
                self.drop_changes(user.id, |_, change| change.confirmed_at.is_none());
                let id = self.next_id();
                let change = StoredChange {
                    new,
                    user_id: user.id,
                    old_email: user.email.clone(),
                    old_key: key.clone(),
                    old_verified: user.is_verified,
                    confirmed_at: None,
                };
                self.email_changes.insert(id, change);
            }
            EmailChange::Confirm { id, undo_until } => {
                if let Some(change) = self.email_changes.get_mut(&id) {
                    change.confirmed_at = Some(at);
                    change.new.expires_at = undo_until;
                }
            }
            EmailChange::Undo { id, .. } => self.drop_changes(user.id, |row, _| row >= id),
        }
    }

    fn end_sessions(&mut self, id: Uuid, which: EndSessions) {
        let spared = match which {
            EndSessions::None => return,
            EndSessions::All | EndSessions::Everything => None,
            EndSessions::AllExcept(digest) => Some(digest),
        };
        if which == EndSessions::Everything {
            self.personal_tokens.retain(|_, token| token.new.user_id != id);
        }
        self.drop_changes(id, |_, change| change.confirmed_at.is_none());
        let before = self.epoch(id);
        let epoch = Epoch(before.0 + 1);
        self.epochs.insert(id, epoch);
        let lives = |token: &Token| Some(token.new.digest) == spared && token.new.epoch == before;
        self.tokens
            .retain(|_, token| token.new.user_id != id || lives(token));
        for token in self.tokens.values_mut().filter(|token| token.new.user_id == id) {
            token.new.epoch = epoch;
        }
    }

    /// The tokens of a user of `backend` that are good at `now`, the oldest first.
    fn live(&self, user_id: &Uuid, backend: &str, now: Timestamp) -> Vec<i64> {
        let epoch = self.epoch(*user_id);
        let live = self
            .tokens
            .iter()
            .filter(|(_, token)| token.is_of(user_id, backend))
            .filter(|(_, token)| token.new.epoch == epoch && !token.is_over(now));
        let mut ids: Vec<_> = live.map(|(id, token)| (token.new.created_at, *id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    fn session(&self, opaque: &OpaqueClaim, now: Timestamp) -> Option<SignedIn<MemoryUser>> {
        let (id, token) = self
            .tokens
            .iter()
            .find(|(_, token)| token.new.digest == opaque.digest)?;
        let new = &token.new;
        let good =
            new.backend == opaque.backend && !token.is_over(now) && new.epoch == self.epoch(new.user_id);
        let user = self.user(&new.user_id).filter(|_| good)?;
        let mut session = Session::new(new.backend.clone(), id.to_string(), new.epoch)
            .since(new.created_at)
            .until(new.expires_at);
        session.digest = Some(new.digest);
        session.last_seen_at = token.last_seen_at;
        Some(SignedIn::new(user.clone(), session))
    }

    fn personal_session(&self, opaque: &OpaqueClaim, now: Timestamp) -> Option<SignedIn<MemoryUser>> {
        let (id, token) = self
            .personal_tokens
            .iter()
            .find(|(_, token)| token.new.digest == opaque.digest)?;
        let user = self.user(&token.new.user_id).filter(|_| !token.is_over(now))?;
        let mut session = Session::new(opaque.backend.clone(), id.to_string(), self.epoch(user.id))
            .since(token.new.created_at)
            .until(token.new.expires_at);
        session.kind = SessionKind::Personal;
        session.digest = Some(token.new.digest);
        session.last_seen_at = token.last_seen_at;
        session.scopes.clone_from(&token.new.scopes);
        Some(SignedIn::new(user.clone(), session))
    }

    fn finish(&mut self, id: i64) {
        if let Some(row) = self.outbox.get_mut(&id) {
            row.done = true;
            row.message = Message::new(row.message.kind, "", "", "");
        }
    }
}

impl InMemoryUsers {
    /// A store without users.
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for InMemoryUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryUsers")
            .field("users", &self.tables().users.len())
            .finish()
    }
}

impl UserStore for InMemoryUsers {
    type User = MemoryUser;
    type Columns = ();

    async fn find(&self, id: &Uuid) -> Result<Option<Stored<MemoryUser>>, StoreError> {
        let tables = self.tables();
        Ok(tables.user(id).map(|user| tables.stored(user)))
    }

    async fn find_by_email(&self, email: &EmailKey) -> Result<Option<Stored<MemoryUser>>, StoreError> {
        let tables = self.tables();
        Ok(tables.users.get(email).map(|user| tables.stored(user)))
    }

    async fn insert(
        &self,
        new: NewUser<()>,
        compose: Compose<'_, MemoryUser>,
    ) -> Result<Inserted<MemoryUser>, StoreError> {
        let user = MemoryUser {
            id: Uuid::new_v4(),
            email: new.email.as_str().to_owned(),
            hashed_password: new.hashed_password.map(|hash| hash.as_str().to_owned()),
            is_active: new.is_active,
            is_verified: new.is_verified,
            is_superuser: new.is_superuser,
        };
        let mut tables = self.tables();
        if tables.users.contains_key(new.email.key()) || tables.is_kept(new.email.key(), None, new.at) {
            return Ok(Inserted::EmailTaken);
        }
        tables.enqueue(compose(&user), new.at);
        tables.users.insert(new.email.key().clone(), user.clone());
        Ok(Inserted::Created(user))
    }

    async fn update(&self, id: &Uuid, change: Change<()>) -> Result<Applied<MemoryUser>, StoreError> {
        let mut tables = self.tables();
        let Some(mut user) = tables.user(id).cloned() else {
            return Ok(Applied::Missing);
        };
        if !change.expect.holds_for(&tables.stored(&user)) {
            return Ok(Applied::Stale);
        }
        if !tables.is_expected(*id, &change.email_change) {
            return Ok(Applied::Stale);
        }
        let before = user.clone();
        let old_key = normalize_email(&user.email).map_err(StoreError::fault)?;
        let mut key = old_key.clone();
        if let Some(email) = change.set.email {
            let is_taken = *email.key() != old_key && tables.users.contains_key(email.key());
            if is_taken || tables.is_kept(email.key(), Some(*id), change.at) {
                return Ok(Applied::EmailTaken);
            }
            key = email.key().clone();
            email.as_str().clone_into(&mut user.email);
        }
        if let Some(hash) = change.set.hashed_password {
            user.hashed_password = Some(hash.as_str().to_owned());
        }
        user.is_active = change.set.is_active.unwrap_or(user.is_active);
        user.is_verified = change.set.is_verified.unwrap_or(user.is_verified);
        user.is_superuser = change.set.is_superuser.unwrap_or(user.is_superuser);
        tables.users.remove(&old_key);
        tables.users.insert(key, user.clone());
        if let EmailChange::Ask(_) = change.email_change {
            tables.end_sessions(*id, change.end_sessions);
            tables.change_email(&before, &old_key, change.email_change, change.at);
        } else {
            tables.change_email(&before, &old_key, change.email_change, change.at);
            tables.end_sessions(*id, change.end_sessions);
        }
        tables.enqueue(change.messages, change.at);
        Ok(Applied::Applied(tables.stored(&user)))
    }

    async fn delete(&self, id: &Uuid, expect: Expected) -> Result<Removed, StoreError> {
        let mut tables = self.tables();
        if let Some(user) = tables.user(id)
            && !expect.holds_for(&tables.stored(user))
        {
            return Ok(Removed::Stale);
        }
        let before = tables.users.len();
        tables.users.retain(|_, user| user.id != *id);
        tables.tokens.retain(|_, token| token.new.user_id != *id);
        tables.personal_tokens.retain(|_, token| token.new.user_id != *id);
        tables.epochs.remove(id);
        tables.drop_changes(*id, |_, _| true);
        Ok(if tables.users.len() < before {
            Removed::Removed
        } else {
            Removed::Missing
        })
    }

    async fn resolve(
        &self,
        claim: &Claim<Uuid>,
        now: Timestamp,
    ) -> Result<Option<SignedIn<MemoryUser>>, StoreError> {
        let tables = self.tables();
        Ok(match claim {
            Claim::Subject(subject) | Claim::Stateless(subject) if subject.session.is_over(now) => None,
            Claim::Stateless(subject) => tables
                .user(&subject.user_id)
                .map(|user| SignedIn::stateless(tables.stored(user), subject)),
            Claim::Subject(subject) => tables
                .user(&subject.user_id)
                .filter(|user| tables.epoch(user.id) == subject.session.epoch)
                .filter(|_| !tables.revoked.contains_key(&subject.session.token_id))
                .map(|user| SignedIn::new(user.clone(), subject.session.clone())),
            Claim::Digest(opaque) => tables.session(opaque, now),
            Claim::Personal(opaque) => tables.personal_session(opaque, now),
        })
    }

    async fn enqueue(&self, messages: Vec<Message>, at: Timestamp) -> Result<(), StoreError> {
        self.tables().enqueue(messages, at);
        Ok(())
    }

    fn keeps_email_changes(&self) -> bool {
        true
    }
}

impl EmailChangeStore for InMemoryUsers {
    async fn find_email_change(
        &self,
        token: EmailChangeToken,
    ) -> Result<Option<EmailChangeRecord<Uuid>>, StoreError> {
        let tables = self.tables();
        let mut with_token = tables.email_changes.iter().filter(|(_, change)| match token {
            EmailChangeToken::Confirm(digest) => change.new.confirm == digest,
            EmailChangeToken::Undo(digest) => change.new.undo == digest,
        });
        Ok(with_token.next().map(|(id, change)| EmailChangeRecord {
            id: *id,
            user_id: change.user_id,
            old_email: change.old_email.clone(),
            old_verified: change.old_verified,
            email: change.new.email.as_str().to_owned(),
            expires_at: change.new.expires_at,
            confirmed_at: change.confirmed_at,
        }))
    }
}

impl Accepts<NoExtra> for InMemoryUsers {
    fn columns(_: NoExtra) {}
}

impl SessionStore for InMemoryUsers {
    async fn insert_token(&self, token: NewToken<Uuid>) -> Result<TokenStored, StoreError> {
        let mut tables = self.tables();
        if tables.user(&token.user_id).is_none() {
            return Ok(TokenStored::NoUser);
        }
        let mut ended = 0;
        if let Some(limit) = token.limit {
            if token.epoch != tables.epoch(token.user_id) {
                return Ok(TokenStored::Stale);
            }
            let live = tables.live(&token.user_id, &token.backend, token.created_at);
            let surplus = (live.len() + 1).saturating_sub(limit.most as usize);
            if surplus > 0 && (limit.policy == LimitPolicy::Refuse || limit.most == 0) {
                return Ok(TokenStored::LimitReached);
            }
            for id in live.iter().take(surplus) {
                tables.tokens.remove(id);
                ended += 1;
            }
        }
        let id = tables.next_id();
        let token = Token {
            new: token,
            name: None,
            last_seen_at: None,
        };
        tables.tokens.insert(id, token);
        Ok(TokenStored::Stored { id, ended })
    }

    async fn note_use(&self, noted: TokenUse) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let mut live = tables
            .tokens
            .values_mut()
            .filter(|token| token.new.digest == noted.digest && !token.is_over(noted.seen_at));
        let Some(token) = live.next() else {
            return Ok(false);
        };
        token.last_seen_at = token.last_seen_at.max(Some(noted.seen_at));
        if let (Some(end), Some(later)) = (token.new.expires_at, noted.expires_at) {
            token.new.expires_at = Some(end.max(later));
        }
        Ok(true)
    }

    async fn end_token(&self, digest: &TokenDigest, backend: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let before = tables.tokens.len();
        tables
            .tokens
            .retain(|_, token| token.new.digest != *digest || token.new.backend != backend);
        Ok(tables.tokens.len() < before)
    }

    async fn list_tokens(
        &self,
        user_id: &Uuid,
        backend: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        let tables = self.tables();
        let live = tables.live(user_id, backend, now);
        let latest = live.iter().rev().take(limit as usize);
        Ok(latest
            .filter_map(|id| {
                let token = tables.tokens.get(id)?;
                let mut record = TokenRecord::new(id.to_string(), backend, token.new.created_at);
                record.name.clone_from(&token.name);
                record.last_seen_at = token.last_seen_at;
                record.expires_at = token.new.expires_at;
                record.user_agent.clone_from(&token.new.user_agent);
                record.client_address = token.new.client_address;
                Some(record)
            })
            .collect())
    }

    async fn name_token(
        &self,
        user_id: &Uuid,
        backend: &str,
        id: &str,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let live = tables.live(user_id, backend, now);
        let token = row_id(id)
            .filter(|id| live.contains(id))
            .and_then(|id| tables.tokens.get_mut(&id));
        let found = token.is_some();
        if let Some(token) = token {
            token.name = name.map(str::to_owned);
        }
        Ok(found)
    }

    async fn end_token_by_id(&self, user_id: &Uuid, backend: &str, id: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let Some(id) = row_id(id) else {
            return Ok(false);
        };
        let is_theirs = tables
            .tokens
            .get(&id)
            .is_some_and(|token| token.is_of(user_id, backend));
        Ok(is_theirs && tables.tokens.remove(&id).is_some())
    }

    async fn revoke(&self, token_id: &str, until: Timestamp) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let kept = tables.revoked.entry(token_id.to_owned()).or_insert(until);
        *kept = until.max(*kept);
        Ok(())
    }

    async fn purge(&self, now: Timestamp, batch: u32) -> Result<Purged, StoreError> {
        let mut tables = self.tables();
        let batch = batch as usize;
        let expired = tables.tokens.iter().filter(|(_, token)| token.is_over(now));
        let tokens: Vec<_> = expired.map(|(id, _)| *id).take(batch).collect();
        let left = batch - tokens.len();
        let expired = tables
            .personal_tokens
            .iter()
            .filter(|(_, token)| token.is_over(now));
        let personal: Vec<_> = expired.map(|(id, _)| *id).take(left).collect();
        let left = left - personal.len();
        let over = tables.revoked.iter().filter(|(_, until)| **until <= now);
        let marks: Vec<_> = over.map(|(id, _)| id.clone()).take(left).collect();
        let left = left - marks.len();
        let over = tables
            .email_changes
            .iter()
            .filter(|(_, change)| change.new.expires_at <= now);
        let changes: Vec<_> = over.map(|(id, _)| *id).take(left).collect();
        tables.tokens.retain(|id, _| !tokens.contains(id));
        tables.personal_tokens.retain(|id, _| !personal.contains(id));
        tables.revoked.retain(|id, _| !marks.contains(id));
        tables.email_changes.retain(|id, _| !changes.contains(id));
        Ok(Purged::new(
            (tokens.len() + personal.len()) as u64,
            (marks.len() + changes.len()) as u64,
        ))
    }
}

/// The key of a row, as lists show it.
fn row_id(id: &str) -> Option<i64> {
    id.parse().ok()
}

impl PersonalTokenStore for InMemoryUsers {
    async fn insert_personal_token(&self, token: NewPersonalToken<Uuid>) -> Result<TokenStored, StoreError> {
        let mut tables = self.tables();
        if tables.user(&token.user_id).is_none() {
            return Ok(TokenStored::NoUser);
        }
        if token.epoch != tables.epoch(token.user_id) {
            return Ok(TokenStored::Stale);
        }
        let theirs = tables.personal_tokens.values();
        let theirs = theirs.filter(|other| other.new.user_id == token.user_id);
        let live = theirs.filter(|other| !other.is_over(token.created_at)).count();
        if live >= token.most as usize {
            return Ok(TokenStored::LimitReached);
        }
        let id = tables.next_id();
        let token = PersonalToken {
            new: token,
            last_seen_at: None,
        };
        tables.personal_tokens.insert(id, token);
        Ok(TokenStored::Stored { id, ended: 0 })
    }

    async fn note_personal_use(&self, noted: TokenUse) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let mut live = tables
            .personal_tokens
            .values_mut()
            .filter(|token| token.new.digest == noted.digest && !token.is_over(noted.seen_at));
        let Some(token) = live.next() else {
            return Ok(false);
        };
        token.last_seen_at = token.last_seen_at.max(Some(noted.seen_at));
        Ok(true)
    }

    async fn list_personal_tokens(
        &self,
        user_id: &Uuid,
        now: Timestamp,
    ) -> Result<Vec<PersonalTokenRecord>, StoreError> {
        let tables = self.tables();
        let theirs = tables
            .personal_tokens
            .iter()
            .filter(|(_, token)| token.new.user_id == *user_id && !token.is_over(now));
        let mut latest: Vec<_> = theirs.collect();
        latest.sort_by_key(|(id, token)| Reverse((token.new.created_at, **id)));
        Ok(latest
            .into_iter()
            .map(|(id, token)| {
                let new = &token.new;
                let mut record = PersonalTokenRecord::new(id.to_string(), new.name.clone(), new.created_at);
                record.scopes.clone_from(&new.scopes);
                record.last_seen_at = token.last_seen_at;
                record.expires_at = new.expires_at;
                record
            })
            .collect())
    }

    async fn end_personal_token(&self, user_id: &Uuid, id: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let Some(id) = row_id(id) else {
            return Ok(false);
        };
        let token = tables.personal_tokens.get(&id);
        let is_theirs = token.is_some_and(|token| token.new.user_id == *user_id);
        Ok(is_theirs && tables.personal_tokens.remove(&id).is_some())
    }
}

impl ListUsers for InMemoryUsers {
    async fn list(&self, query: &UserQuery) -> Result<Vec<MemoryUser>, StoreError> {
        let tables = self.tables();
        let prefix = query.email_prefix.as_deref().unwrap_or_default();
        Ok(tables
            .users
            .iter()
            .filter(|(key, _)| query.after.as_ref().is_none_or(|after| *key > after))
            .filter(|(key, _)| query.email.as_ref().is_none_or(|email| *key == email))
            .filter(|(key, _)| key.as_str().starts_with(prefix))
            .take(query.limit as usize)
            .map(|(_, user)| user.clone())
            .collect())
    }
}

impl Outbox for InMemoryUsers {
    async fn lease(&self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<Leased>, StoreError> {
        let mut tables = self.tables();
        let due = tables
            .outbox
            .iter_mut()
            .filter(|(_, row)| !row.done && row.due_at <= now);
        Ok(due
            .take(limit as usize)
            .map(|(id, row)| {
                row.due_at = now.plus(lease);
                row.attempts += 1;
                Leased::new(*id, row.attempts - 1, row.message.clone())
            })
            .collect())
    }

    async fn sent(&self, id: i64, _: Timestamp) -> Result<(), StoreError> {
        self.tables().finish(id);
        Ok(())
    }

    async fn retry(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.tables().outbox.get_mut(&id) {
            row.due_at = at;
        }
        Ok(())
    }

    async fn release(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.tables().outbox.get_mut(&id) {
            row.due_at = at;
            row.attempts = row.attempts.saturating_sub(1);
        }
        Ok(())
    }

    async fn give_up(&self, id: i64, _: Timestamp) -> Result<(), StoreError> {
        self.tables().finish(id);
        Ok(())
    }
}
