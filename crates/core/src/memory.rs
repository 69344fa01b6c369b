//! A store for tests and for documentation.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use crate::{
    Accepts, Applied, Change, Claim, Compose, EmailKey, EndSessions, Epoch, Inserted, Leased, ListUsers,
    Message, NewToken, NewUser, NoExtra, Outbox, Removed, Session, SessionStore, SignedIn, StoreError,
    Stored, Timestamp, TokenDigest, TokenStored, User, UserQuery, UserStore, normalize_email,
};

/// A user of [`InMemoryUsers`].
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
#[derive(Clone, Default)]
pub struct InMemoryUsers {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
struct Tables {
    users: BTreeMap<EmailKey, MemoryUser>,
    epochs: BTreeMap<Uuid, Epoch>,
    tokens: BTreeMap<i64, NewToken<Uuid>>,
    revoked: BTreeMap<String, Timestamp>,
    outbox: BTreeMap<i64, Row>,
    last_id: i64,
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

    fn end_sessions(&mut self, id: Uuid, which: EndSessions) {
        let spared = match which {
            EndSessions::None => return,
            EndSessions::All => None,
            EndSessions::AllExcept(digest) => Some(digest),
        };
        let before = self.epoch(id);
        let epoch = Epoch(before.0 + 1);
        self.epochs.insert(id, epoch);
        let lives = |token: &NewToken<Uuid>| Some(token.digest) == spared && token.epoch == before;
        self.tokens.retain(|_, token| token.user_id != id || lives(token));
        for token in self.tokens.values_mut().filter(|token| token.user_id == id) {
            token.epoch = epoch;
        }
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
        if tables.users.contains_key(new.email.key()) {
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
        let old_key = normalize_email(&user.email).map_err(StoreError::fault)?;
        let mut key = old_key.clone();
        if let Some(email) = change.set.email {
            if *email.key() != old_key && tables.users.contains_key(email.key()) {
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
        tables.end_sessions(*id, change.end_sessions);
        tables.enqueue(change.messages, change.at);
        Ok(Applied::Applied(tables.stored(&user)))
    }

    async fn delete(&self, id: &Uuid) -> Result<Removed, StoreError> {
        let mut tables = self.tables();
        let before = tables.users.len();
        tables.users.retain(|_, user| user.id != *id);
        tables.tokens.retain(|_, token| token.user_id != *id);
        tables.epochs.remove(id);
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
            Claim::Subject(subject) | Claim::Stateless(subject) if subject.expires_at <= now => None,
            Claim::Stateless(subject) => tables
                .user(&subject.user_id)
                .map(|user| SignedIn::by_subject(user.clone(), subject)),
            Claim::Subject(subject) => tables
                .user(&subject.user_id)
                .filter(|user| tables.epoch(user.id) == subject.epoch)
                .filter(|_| !tables.revoked.contains_key(&subject.token_id))
                .map(|user| SignedIn::by_subject(user.clone(), subject)),
            Claim::Digest(opaque) => {
                let token = tables
                    .tokens
                    .iter()
                    .find(|(_, token)| token.digest == opaque.digest);
                token
                    .filter(|(_, token)| token.backend == opaque.backend)
                    .filter(|(_, token)| token.expires_at.is_none_or(|end| end > now))
                    .filter(|(_, token)| token.epoch == tables.epoch(token.user_id))
                    .and_then(|(id, token)| {
                        let mut session = Session::new(token.backend.clone(), id.to_string());
                        session.digest = Some(token.digest);
                        session.created_at = Some(token.created_at);
                        session.expires_at = token.expires_at;
                        Some(SignedIn::new(tables.user(&token.user_id)?.clone(), session))
                    })
            }
        })
    }

    async fn enqueue(&self, messages: Vec<Message>, at: Timestamp) -> Result<(), StoreError> {
        self.tables().enqueue(messages, at);
        Ok(())
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
        let id = tables.next_id();
        tables.tokens.insert(id, token);
        Ok(TokenStored::Stored(id))
    }

    async fn end_token(&self, digest: &TokenDigest, backend: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let before = tables.tokens.len();
        tables
            .tokens
            .retain(|_, token| token.digest != *digest || token.backend != backend);
        Ok(tables.tokens.len() < before)
    }

    async fn revoke(&self, token_id: &str, until: Timestamp) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let kept = tables.revoked.entry(token_id.to_owned()).or_insert(until);
        *kept = until.max(*kept);
        Ok(())
    }

    async fn purge(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let batch = batch as usize;
        let tokens: Vec<_> = tables
            .tokens
            .iter()
            .filter(|(_, token)| token.expires_at.is_some_and(|end| end <= now))
            .map(|(id, _)| *id)
            .take(batch)
            .collect();
        let marks: Vec<_> = tables
            .revoked
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(id, _)| id.clone())
            .take(batch.saturating_sub(tokens.len()))
            .collect();
        for id in &tokens {
            tables.tokens.remove(id);
        }
        for id in &marks {
            tables.revoked.remove(id);
        }
        Ok((tokens.len() + marks.len()) as u64)
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
