//! How opaque tokens live, wherever they are kept.

use std::{sync::Arc, time::Duration};

use axum_users_core::{
    LimitPolicy, Random, RandomError, Session, SetupError, Timestamp, TokenLimit, TokenUse,
};

use crate::strategy::OpaqueTokens;

/// How exactly the last use of a token is known; it is written no more often.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// How opaque tokens live: how long, how many, and what they look like.
///
/// A [`Duration`] is such options too, with the rest as it is by default.
///
/// ```
/// use std::time::Duration;
/// use axum_users_auth::strategy::TokenOptions;
/// use axum_users_core::LimitPolicy;
///
/// let options = TokenOptions::new(Duration::from_hours(1))
///     .prefix("shop_")?
///     .auto_refresh(Duration::from_mins(5)) // an hour after the last use, not after the login
///     .max_lifetime(Duration::from_hours(24 * 30))
///     .limit_per_user(5, LimitPolicy::EndOldest);
/// # Ok::<_, axum_users_core::SetupError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TokenOptions {
    tokens: OpaqueTokens,
    lifetime: Option<Duration>,
    refresh_interval: Option<Duration>,
    max_lifetime: Option<Duration>,
    limit: Option<TokenLimit>,
    keep_address: bool,
}

impl From<Duration> for TokenOptions {
    fn from(lifetime: Duration) -> Self {
        Self::new(lifetime)
    }
}

impl TokenOptions {
    /// Tokens that are good for `lifetime`, as many as there are logins.
    pub fn new(lifetime: Duration) -> Self {
        Self {
            tokens: OpaqueTokens::default(),
            lifetime: Some(lifetime),
            refresh_interval: None,
            max_lifetime: None,
            limit: None,
            keep_address: false,
        }
    }

    /// Tokens that only a logout, or what ends the sessions of their user, ends.
    ///
    /// # Security
    /// A token that leaks is good until somebody notices (ASVS 5.0, 7.3.2). [`max_lifetime`](Self::max_lifetime) still holds.
    pub fn insecure_without_end() -> Self {
        Self {
            lifetime: None,
            ..Self::new(Duration::MAX)
        }
    }

    /// Begins new tokens with `prefix`, so that secret scanners know them; tokens of an earlier prefix stay good.
    ///
    /// # Errors
    /// [`SetupError`] for a prefix of more than 16 characters, or with others than ASCII letters, digits and `_`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, SetupError> {
        self.tokens = self.tokens.prefixed(prefix)?;
        Ok(self)
    }

    /// Takes chance from `random`.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.tokens = self.tokens.with_random(random);
        self
    }

    /// Lets a token that is in use live on: each use moves its end to a lifetime from then, as soon as that is later by
    /// `min_interval`. The write happens off the path of the request.
    #[must_use]
    pub fn auto_refresh(mut self, min_interval: Duration) -> Self {
        self.refresh_interval = Some(min_interval);
        self
    }

    /// How long a token lives at the most, from its login on, however much it is used.
    #[must_use]
    pub fn max_lifetime(mut self, longest: Duration) -> Self {
        self.max_lifetime = Some(longest);
        self
    }

    /// How many tokens of the backend a user may have at once, and what happens to one more. Holds exactly, also for logins
    /// at the same time.
    #[must_use]
    pub fn limit_per_user(mut self, most: u32, policy: LimitPolicy) -> Self {
        self.limit = Some(TokenLimit { most, policy });
        self
    }

    /// Keeps the client's address with the token; off by default, since it is personal data.
    #[must_use]
    pub fn keep_client_address(mut self) -> Self {
        self.keep_address = true;
        self
    }

    /// The text of a new token of `backend`.
    ///
    /// # Errors
    /// [`RandomError`] where there is no chance to be had.
    pub fn generate(&self, backend: &str) -> Result<String, RandomError> {
        self.tokens.generate(backend)
    }

    /// When a token ends that begins at `now`; `None` for never.
    pub fn end_of(&self, now: Timestamp) -> Option<Timestamp> {
        self.first_lifetime().map(|lifetime| now.plus(lifetime))
    }

    /// How long a token is good before it is used for the first time.
    fn first_lifetime(&self) -> Option<Duration> {
        [self.lifetime, self.max_lifetime].into_iter().flatten().min()
    }

    /// How long a client is to keep a token; `None` for as long as it likes.
    pub fn keep(&self) -> Option<Duration> {
        if self.refresh_interval.is_some() {
            self.max_lifetime
        } else {
            self.first_lifetime()
        }
    }

    /// How many tokens a user may have.
    pub fn limit(&self) -> Option<TokenLimit> {
        self.limit
    }

    /// Whether a login may be refused because the user has as many tokens as may be.
    pub fn refuses_at_limit(&self) -> bool {
        self.limit
            .is_some_and(|limit| limit.policy == LimitPolicy::Refuse)
    }

    /// Whether the client's address is kept.
    pub fn keeps_client_address(&self) -> bool {
        self.keep_address
    }

    /// What is to be written now that the token of `session` was used, if anything is.
    pub fn due(&self, session: &Session, now: Timestamp) -> Option<TokenUse> {
        let noted = TokenUse::new(session.digest?, now);
        if let Some(later) = self.renewed_end(session, now) {
            return Some(noted.renewed_until(later));
        }
        // A login is a use: the first minute of a session is not written twice.
        let seen = session.last_seen_at.or(session.created_at);
        seen.is_none_or(|seen| now.since(seen) >= SEEN_EVERY)
            .then_some(noted)
    }

    fn renewed_end(&self, session: &Session, now: Timestamp) -> Option<Timestamp> {
        let (interval, lifetime, end) = (self.refresh_interval?, self.lifetime?, session.expires_at?);
        let mut later = now.plus(lifetime);
        let cap = match (self.max_lifetime, session.created_at) {
            (Some(longest), Some(created_at)) => Some(created_at.plus(longest)),
            _ => None,
        };
        if let Some(cap) = cap {
            later = later.min(cap);
        }
        // The last step up to the cap is taken however short it is, since none comes after it.
        let worth_it =
            later.since(end) >= interval.max(Duration::from_millis(1)) || (cap == Some(later) && later > end);
        worth_it.then_some(later)
    }

    /// What is wrong with the options, if anything is.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.lifetime.is_some_and(|lifetime| lifetime.is_zero())
            || self.max_lifetime.is_some_and(|longest| longest.is_zero())
        {
            return Err(
                "a token needs a lifetime; `insecure_without_end` makes ones that do not expire".to_owned(),
            );
        }
        if self.limit.is_some_and(|limit| limit.most == 0) {
            return Err(
                "a limit of no tokens lets nobody log in; leave it out, or allow one at least".to_owned(),
            );
        }
        match (self.refresh_interval, self.lifetime) {
            (Some(_), None) => Err("tokens without end cannot be refreshed; give them a lifetime".to_owned()),
            (Some(interval), Some(lifetime)) if interval >= lifetime => Err(
                "with an interval as long as the lifetime no token is ever refreshed; make it shorter"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum_users_core::{Epoch, TokenDigest};

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_700_000_000);
    const MINUTE: Duration = Duration::from_mins(1);

    fn sliding() -> TokenOptions {
        TokenOptions::new(MINUTE * 60).auto_refresh(MINUTE * 5)
    }

    fn session(options: &TokenOptions) -> Session {
        let mut session = Session::new("db", "1", Epoch(0))
            .since(START)
            .until(options.end_of(START));
        session.digest = Some(TokenDigest::of("token"));
        session
    }

    #[test]
    fn the_last_use_is_noted_once_a_minute() {
        let options = TokenOptions::new(MINUTE * 60);
        let session = session(&options);
        assert_eq!(
            options.due(&session, START.plus(Duration::from_millis(59_999))),
            None
        );
        let noted = options.due(&session, START.plus(MINUTE)).unwrap();
        assert_eq!((noted.seen_at, noted.expires_at), (START.plus(MINUTE), None));
    }

    #[test]
    fn the_end_moves_only_where_it_moves_by_the_interval() {
        let options = sliding();
        let end = |after: Duration| {
            options
                .due(&session(&options), START.plus(after))
                .and_then(|noted| noted.expires_at)
        };
        assert_eq!(end(Duration::from_millis(299_999)), None);
        assert_eq!(end(MINUTE * 5), Some(START.plus(MINUTE * 65)));
    }

    #[test]
    fn the_longest_lifetime_caps_the_first_end_and_every_later_one() {
        let options = sliding().max_lifetime(MINUTE * 62);
        assert_eq!(options.end_of(START), Some(START.plus(MINUTE * 60)));
        let noted = options.due(&session(&options), START.plus(MINUTE * 3)).unwrap();
        assert_eq!(noted.expires_at, Some(START.plus(MINUTE * 62)));
        let mut last = session(&options);
        last.expires_at = noted.expires_at;
        let noted = options.due(&last, START.plus(MINUTE * 30)).unwrap();
        assert_eq!(noted.expires_at, None);
        assert_eq!(
            sliding().max_lifetime(MINUTE).end_of(START),
            Some(START.plus(MINUTE))
        );
    }

    #[test]
    fn a_client_keeps_a_token_as_long_as_it_may_be_renewed() {
        assert_eq!(TokenOptions::new(MINUTE).keep(), Some(MINUTE));
        assert_eq!(sliding().keep(), None);
        assert_eq!(sliding().max_lifetime(MINUTE * 90).keep(), Some(MINUTE * 90));
    }

    #[test]
    fn options_that_contradict_themselves_are_told() {
        assert!(sliding().check().is_ok());
        assert!(TokenOptions::insecure_without_end().check().is_ok());
        for wrong in [
            TokenOptions::new(Duration::ZERO),
            TokenOptions::new(MINUTE).limit_per_user(0, LimitPolicy::Refuse),
            TokenOptions::new(MINUTE).auto_refresh(MINUTE),
            TokenOptions::insecure_without_end().auto_refresh(MINUTE),
        ] {
            assert!(wrong.check().is_err());
        }
    }
}
