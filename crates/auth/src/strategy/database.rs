//! Opaque tokens with a row each.

use std::{fmt, time::Duration};

use axum_users_core::{
    Claim, Failure, IdOf, NewToken, OpaqueClaim, Session, SessionStore, SetupError, StoreError, Timestamp,
    TokenDigest, TokenStored,
};

use crate::strategy::{BoxFuture, Grant, IssuedToken, OpaqueTokens, Strategy};

/// Opaque tokens: 256 random bits at the client, a hash and the facts in the store.
///
/// Logout deletes the row, and whatever ends the user's sessions ends them here at once.
///
/// # Security
/// Only the SHA-256 of a token is stored (ASVS 5.0, 6.5.2): who reads the table can sign in as nobody.
pub struct DatabaseStrategy<S> {
    store: S,
    tokens: OpaqueTokens,
    lifetime: Duration,
    keep_address: bool,
}

impl<S: SessionStore> DatabaseStrategy<S> {
    /// Tokens in `store` that are good for `lifetime`.
    pub fn new(store: S, lifetime: Duration) -> Self {
        Self {
            store,
            tokens: OpaqueTokens::default(),
            lifetime,
            keep_address: false,
        }
    }

    /// Begins new tokens with `prefix`, so that secret scanners know them; tokens without it stay good.
    ///
    /// # Errors
    /// [`SetupError`] for a prefix of more than 16 characters, or with others than ASCII letters, digits and `_`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, SetupError> {
        self.tokens = OpaqueTokens::with_prefix(prefix)?;
        Ok(self)
    }

    /// Keeps the client's address with the token; off by default, since it is personal data.
    #[must_use]
    pub fn keep_client_address(mut self) -> Self {
        self.keep_address = true;
        self
    }
}

impl<S> fmt::Debug for DatabaseStrategy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseStrategy")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl<S: SessionStore> Strategy<IdOf<S>> for DatabaseStrategy<S> {
    fn issue<'a>(&'a self, grant: Grant<'a, IdOf<S>>) -> BoxFuture<'a, Result<Option<IssuedToken>, Failure>> {
        Box::pin(async move {
            let text = self.tokens.generate().map_err(StoreError::unavailable)?;
            let now = grant.context.now;
            let digest = TokenDigest::of(&text);
            let mut token = NewToken::new(grant.user_id.clone(), grant.backend, digest, grant.epoch, now);
            token.expires_at = Some(now.plus(self.lifetime));
            token.user_agent.clone_from(&grant.context.user_agent);
            token.address = grant.context.client_address.filter(|_| self.keep_address);
            Ok(match self.store.insert_token(token).await? {
                TokenStored::Stored(_) => Some(IssuedToken::new(text, Some(self.lifetime))),
                _ => None,
            })
        })
    }

    fn read<'a>(
        &'a self,
        token: &'a str,
        backend: &'a str,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim<IdOf<S>>>, Failure>> {
        let claim =
            OpaqueTokens::digest(token).map(|digest| Claim::Digest(OpaqueClaim::new(digest, backend)));
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
}
