//! What a key is: an entry of the configuration.

use std::collections::HashMap;

use axum_users::{
    Claim, EmailAddress, Epoch, Failure, Session, SessionKind, SetupError, Subject, Timestamp, TokenDigest,
    UserStore,
    strategy::{BoxFuture, Grant, Issue, Strategy},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::app::Store;

/// A key as the configuration has it.
#[derive(Deserialize)]
pub(crate) struct Entry {
    /// What the key is called in logs and sessions; unique.
    pub(crate) name: String,
    /// The key itself: 32 characters of chance or more.
    key: String,
    /// The address of the user it acts as.
    user: String,
    /// What it may be used for; all that its user may do, where there are none.
    scopes: Option<Vec<String>>,
}

/// The keys of the configuration, by their digest.
///
/// A key ends when its entry goes and the process starts again, or when its user is deactivated; a new password does not
/// end it.
pub(crate) struct ConfiguredKeys(HashMap<TokenDigest, Key>);

struct Key {
    name: String,
    user_id: Uuid,
    scopes: Option<Vec<String>>,
}

impl ConfiguredKeys {
    /// Finds the users of the keys.
    pub(crate) async fn new(entries: Vec<Entry>, store: &Store) -> Result<Self, SetupError> {
        let mut keys: HashMap<_, Key> = HashMap::new();
        for Entry {
            name,
            key,
            user,
            scopes,
        } in entries
        {
            let wrong = |what: &str| SetupError::Invalid(format!("key `{name}`: {what}"));
            if key.len() < 32 {
                return Err(wrong(
                    "take 32 characters of chance or more: openssl rand -hex 32",
                ));
            }
            let email = EmailAddress::parse(&user).map_err(|_| wrong("`user` is no e-mail address"))?;
            let found = store.find_by_email(email.key()).await?;
            let user_id = found.ok_or_else(|| wrong("there is no such user"))?.id;
            if keys.values().any(|other| other.name == name) {
                return Err(wrong("another one has this name"));
            }
            let digest = TokenDigest::of(&key);
            if keys.contains_key(&digest) {
                return Err(wrong("another one is the same"));
            }
            keys.insert(
                digest,
                Key {
                    name,
                    user_id,
                    scopes,
                },
            );
        }
        Ok(Self(keys))
    }

    /// What a key claims. `Claim::Stateless`, because no session is kept of which an end could be noted.
    fn claim(&self, token: &str, backend: &str) -> Option<Claim<Uuid>> {
        let key = self.0.get(&TokenDigest::of(token))?;
        let mut session = Session::new(backend, key.name.as_str(), Epoch::default());
        // In the hands of a machine: the routes that decide over an account refuse it.
        session.kind = SessionKind::Personal;
        session.scopes.clone_from(&key.scopes);
        Some(Claim::Stateless(Subject::new(key.user_id, session)))
    }
}

impl Strategy<Uuid> for ConfiguredKeys {
    /// Nobody gets a key by logging in: `auth_router` is not mounted for this backend.
    fn issue<'a>(&'a self, _: Grant<'a, Uuid>) -> BoxFuture<'a, Result<Issue, Failure>> {
        Box::pin(async { Err(Failure::internal("keys are issued by the configuration")) })
    }

    fn read<'a>(
        &'a self,
        token: &'a str,
        backend: &'a str,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim<Uuid>>, Failure>> {
        Box::pin(async move { Ok(self.claim(token, backend)) })
    }

    /// Logout refuses machines before it comes here.
    fn end<'a>(&'a self, _: &'a str, _: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Err(Failure::internal("keys are ended by the configuration")) })
    }

    fn is_stateless(&self) -> bool {
        true
    }
}

/// Without the keys.
impl std::fmt::Debug for ConfiguredKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.values().map(|key| &key.name);
        f.debug_list().entries(names).finish()
    }
}
