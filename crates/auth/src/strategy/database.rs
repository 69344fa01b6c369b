//! Opaque tokens with a row each.

use std::fmt;

use axum_users_core::{
    Claim, Failure, IdOf, NewToken, OpaqueClaim, Session, SessionStore, StoreError, Timestamp, TokenDigest,
    TokenRecord, TokenStored, TokenUse,
};

use crate::strategy::{
    BoxFuture, Grant, Issue, IssuedToken, OpaqueTokens, SessionList, SessionOwner, Strategy, TokenOptions,
};

/// How many sessions a list shows at most.
const MOST_LISTED: u32 = 200;

/// Opaque tokens: 256 random bits at the client, a hash and the facts in the store.
///
/// Logout deletes the row, and whatever ends the user's sessions ends them here at once.
///
/// ```
/// use std::time::Duration;
/// use axum_users_auth::strategy::{DatabaseStrategy, TokenOptions};
/// use axum_users_core::{LimitPolicy, SessionStore};
///
/// fn sessions<S: SessionStore>(store: S) -> DatabaseStrategy<S> {
///     let options = TokenOptions::new(Duration::from_hours(24)).limit_per_user(5, LimitPolicy::EndOldest);
///     DatabaseStrategy::new(store, options)
/// }
/// ```
///
/// # Security
/// Only the SHA-256 of a token is stored (ASVS 5.0, 6.5.2): who reads the table can sign in as nobody.
pub struct DatabaseStrategy<S> {
    store: S,
    options: TokenOptions,
}

impl<S: SessionStore> DatabaseStrategy<S> {
    /// Tokens in `store` that live as `options` say; a `Duration` is enough.
    pub fn new(store: S, options: impl Into<TokenOptions>) -> Self {
        Self {
            store,
            options: options.into(),
        }
    }
}

impl<S> fmt::Debug for DatabaseStrategy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseStrategy")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<S: SessionStore> Strategy<IdOf<S>> for DatabaseStrategy<S> {
    fn issue<'a>(&'a self, grant: Grant<'a, IdOf<S>>) -> BoxFuture<'a, Result<Issue, Failure>> {
        Box::pin(async move {
            let text = self
                .options
                .generate(grant.backend)
                .map_err(StoreError::unavailable)?;
            let now = grant.context.now;
            let digest = TokenDigest::of(&text);
            let mut token = NewToken::new(grant.user_id.clone(), grant.backend, digest, grant.epoch, now);
            token.expires_at = self.options.end_of(now);
            token.user_agent.clone_from(&grant.context.user_agent);
            let address = grant.context.client_address;
            token.client_address = address.filter(|_| self.options.keeps_client_address());
            token.limit = self.options.limit();
            let expires_at = token.expires_at;
            Ok(match self.store.insert_token(token).await? {
                TokenStored::Stored { id, ended } => {
                    let mut session = Session::new(grant.backend, id.to_string(), grant.epoch)
                        .since(now)
                        .until(expires_at);
                    session.digest = Some(digest);
                    let mut issued = IssuedToken::new(text, session);
                    issued.keep = self.options.keep();
                    issued.ended = ended;
                    Issue::Issued(issued)
                }
                TokenStored::LimitReached => Issue::LimitReached,
                TokenStored::NoUser | TokenStored::Stale => Issue::NoUser,
                _ => {
                    return Err(Failure::internal(
                        "the store answers what this version does not know",
                    ));
                }
            })
        })
    }

    fn read<'a>(
        &'a self,
        token: &'a str,
        backend: &'a str,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim<IdOf<S>>>, Failure>> {
        let claim = OpaqueTokens::digest(token, backend)
            .map(|digest| Claim::Digest(OpaqueClaim::new(digest, backend)));
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn end<'a>(&'a self, token: &'a str, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.store
                .end_token(&TokenDigest::of(token), &session.backend)
                .await?;
            Ok(())
        })
    }

    fn due(&self, session: &Session, now: Timestamp) -> Option<TokenUse> {
        self.options.due(session, now)
    }

    fn note_use<'a>(&'a self, _: &'a Session, noted: TokenUse) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move { Ok(self.store.note_use(noted).await?) })
    }

    fn refuses_at_limit(&self) -> bool {
        self.options.refuses_at_limit()
    }

    fn sessions(&self) -> Option<&dyn SessionList<IdOf<S>>> {
        Some(self)
    }

    fn check(&self) -> Result<(), String> {
        self.options.check()
    }
}

impl<S: SessionStore> SessionList<IdOf<S>> for DatabaseStrategy<S> {
    fn list<'a>(
        &'a self,
        owner: SessionOwner<'a, IdOf<S>>,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, Failure>> {
        Box::pin(async move {
            let listed = self
                .store
                .list_tokens(owner.user_id, owner.backend, owner.now, MOST_LISTED);
            Ok(listed.await?)
        })
    }

    fn rename<'a>(
        &'a self,
        owner: SessionOwner<'a, IdOf<S>>,
        id: &'a str,
        name: Option<&'a str>,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let named = self
                .store
                .name_token(owner.user_id, owner.backend, id, name, owner.now);
            Ok(named.await?)
        })
    }

    fn end<'a>(
        &'a self,
        owner: SessionOwner<'a, IdOf<S>>,
        id: &'a str,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            Ok(self
                .store
                .end_token_by_id(owner.user_id, owner.backend, id)
                .await?)
        })
    }
}
