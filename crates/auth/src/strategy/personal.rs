//! Tokens that users make for machines.

use std::{fmt, sync::Arc, time::Duration};

use axum_users_core::{
    Claim, Failure, IdOf, OpaqueClaim, PersonalTokenRules, PersonalTokenStore, Random, RandomError, Session,
    SetupError, Timestamp, TokenUse,
};

use crate::strategy::{BoxFuture, Grant, Issue, OpaqueTokens, Strategy, TokenOptions};

/// The name of the backend, as sessions and the document have it.
const BACKEND: &str = "personal";

/// Personal access tokens: opaque tokens that users make for their machines, with a name, an end and scopes.
///
/// They begin with a prefix, `pat_` unless another is set, by which people and secret scanners tell them from other tokens.
/// They outlive logout and password changes; deactivation ends them. [`Backend::personal`](crate::Backend::personal) makes a
/// backend of them, and `personal_tokens_router` lets users make them.
///
/// # Security
/// A route takes them unless its guard says otherwise ([`Interactive`](crate::guard::Interactive)); one with scopes is taken
/// only where a guard names all that it needs ([`Scope`](crate::guard::Scope)). Only the SHA-256 of a token is stored.
///
/// ```
/// use std::time::Duration;
/// use axum_users_auth::strategy::PersonalTokens;
/// use axum_users_core::InMemoryUsers;
///
/// let tokens = PersonalTokens::new(InMemoryUsers::new())
///     .prefix("shop_pat_")?
///     .scopes(["orders:read", "orders:write"])
///     .max_lifetime(Duration::from_hours(24 * 90));
/// # Ok::<_, axum_users_core::SetupError>(())
/// ```
#[derive(Clone)]
pub struct PersonalTokens<S> {
    store: S,
    tokens: OpaqueTokens,
    rules: Arc<PersonalTokenRules>,
    /// Only the last use is noted: the end of a personal token does not move.
    uses: TokenOptions,
}

impl<S: PersonalTokenStore> PersonalTokens<S> {
    /// Tokens in `store`: at most 100 for each user, good for a year at most.
    pub fn new(store: S) -> Self {
        Self {
            store,
            tokens: OpaqueTokens::personal(),
            rules: Arc::new(PersonalTokenRules::new(BACKEND)),
            uses: TokenOptions::insecure_without_end(),
        }
    }

    /// Begins tokens with `prefix` instead of `pat_`.
    ///
    /// # Errors
    /// [`SetupError`] for an empty prefix, one of more than 16 characters, or with others than ASCII letters, digits and `_`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, SetupError> {
        let prefix = prefix.into();
        if prefix.is_empty() {
            let text = "personal access tokens need a prefix, by which they are told from others";
            return Err(SetupError::Invalid(text.to_owned()));
        }
        self.tokens = self.tokens.prefixed(prefix)?;
        Ok(self)
    }

    /// Takes chance from `random`.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.tokens = self.tokens.with_random(random);
        self
    }

    /// The scopes that tokens may have; none by default.
    #[must_use]
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Arc::make_mut(&mut self.rules).scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// How long a token may live; a year by default. It is also what a token gets for which no end is asked.
    #[must_use]
    pub fn max_lifetime(mut self, longest: Duration) -> Self {
        Arc::make_mut(&mut self.rules).longest = Some(longest);
        self
    }

    /// Lets tokens live until they are ended.
    ///
    /// # Security
    /// A token that leaks is good until somebody notices.
    #[must_use]
    pub fn insecure_without_end(mut self) -> Self {
        Arc::make_mut(&mut self.rules).longest = None;
        self
    }

    /// How many tokens a user may have; 100 by default.
    #[must_use]
    pub fn limit_per_user(mut self, most: u32) -> Self {
        Arc::make_mut(&mut self.rules).most = most;
        self
    }

    /// What tokens may be.
    pub fn rules(&self) -> &PersonalTokenRules {
        &self.rules
    }

    /// The text of a new token.
    ///
    /// # Errors
    /// [`RandomError`] where there is no chance to be had.
    pub fn generate(&self) -> Result<String, RandomError> {
        self.tokens.generate(BACKEND)
    }
}

impl<S> PersonalTokens<S> {
    pub(crate) const BACKEND: &'static str = BACKEND;
}

impl<S> fmt::Debug for PersonalTokens<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonalTokens")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl<S: PersonalTokenStore> Strategy<IdOf<S>> for PersonalTokens<S> {
    fn issue<'a>(&'a self, _: Grant<'a, IdOf<S>>) -> BoxFuture<'a, Result<Issue, Failure>> {
        let failure = Failure::internal(
            "personal access tokens are not issued by a login: mount no `auth_router` for them",
        );
        Box::pin(std::future::ready(Err(failure)))
    }

    fn read<'a>(
        &'a self,
        token: &'a str,
        backend: &'a str,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim<IdOf<S>>>, Failure>> {
        let digest = OpaqueTokens::digest(token, backend).filter(|_| self.tokens.begins(token));
        let claim = digest.map(|digest| Claim::Personal(OpaqueClaim::new(digest, backend)));
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn end<'a>(&'a self, _: &'a str, _: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        let failure = Failure::internal("personal access tokens are ended by their id, not by a logout");
        Box::pin(std::future::ready(Err(failure)))
    }

    fn due(&self, session: &Session, now: Timestamp) -> Option<TokenUse> {
        match session.last_seen_at {
            // Whether it was ever used is what its owner wants to know.
            None => Some(TokenUse::new(session.digest?, now)),
            Some(_) => self.uses.due(session, now),
        }
    }

    fn note_use<'a>(&'a self, _: &'a Session, noted: TokenUse) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move { Ok(self.store.note_personal_use(noted).await?) })
    }

    fn check(&self) -> Result<(), String> {
        let named = |scope: &String| {
            let token = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
            !scope.is_empty() && scope.len() <= 64 && scope.bytes().all(token)
        };
        if self.rules.most == 0 {
            return Err("a limit of no tokens lets nobody make one; allow one at least".to_owned());
        }
        // RFC 6749, section 3.3.
        if self.rules.scopes.iter().all(named) {
            Ok(())
        } else {
            Err("a scope has 1 to 64 ASCII characters, without blanks, quotes and backslashes".to_owned())
        }
    }
}
