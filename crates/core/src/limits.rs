//! How often something may be tried, as data; and who counts.

mod limiter;
mod memory;
mod quota;
mod store;

use std::{sync::Arc, time::Duration};

pub(crate) use self::limiter::{Attempt, Limiter};
pub use self::{
    memory::InMemoryLimits,
    quota::Quota,
    store::{KnownClient, LimitChange, LimitCharge, LimitFuture, LimitKey, LimitStore, LimitVerdict},
};

/// How often clients may try something. On by default, with the numbers below.
///
/// Every limit is a [`Quota`]: so much at once, and one more after each interval. A request beyond a limit is answered with 429
/// before anything is hashed or looked up, and counts nowhere. Nothing is ever locked for good: a counter empties by itself.
///
/// A *client address* is an IPv4 address, or the first 64 bits of an IPv6 address. Where it is not known, limits of addresses do
/// not apply, and those of accounts do.
///
/// ```
/// use axum_users_core::{Quota, RateLimits};
///
/// let mut limits = RateLimits::new();
/// limits.logins_of_client = Quota::per_minute(1000);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RateLimits {
    /// Logins of a client address, right or wrong; 300 a minute.
    pub logins_of_client: Quota,
    /// Logins of a client address that fail; 100 an hour. A right one is given back, and clears nothing else. Accounts to which
    /// the address is known, see below, are not counted here, so that one person cannot keep out all who share it.
    pub failures_of_client: Quota,
    /// Wrong passwords for an account, from all clients that are not known to it; 30 in 30 minutes. What was typed as login
    /// is counted, in its normal form, whether there is such an account or not.
    ///
    /// A client address is known to an account once it has signed in, or reset the password, and then counts apart.
    /// Wrong present passwords of who is signed in count apart too, so that others cannot use up what the owner has.
    pub failures_of_account: Quota,
    /// The same over a long time; 50 a day. Both hold.
    pub failures_of_account_in_the_long_run: Quota,
    /// Mails to one address, each kind of mail by itself; 5 at once and one more an hour.
    ///
    /// # Security
    /// At least one an hour keeps who exhausts it from keeping the owner out: what they cause are mails to the owner, with a
    /// token that is good for as long.
    pub mails_to_target: Quota,
    /// Mails that a client address asks for, to whomever; 60 an hour.
    pub mails_of_client: Quota,
    /// Accounts that a client address tries to make; 60 an hour.
    pub registrations_of_client: Quota,
    /// Mailed tokens that a client address presents; 100 an hour.
    pub mailed_tokens_of_client: Quota,
    /// Personal access tokens that a client address tries to make; 60 an hour.
    pub personal_tokens_of_client: Quota,
    /// How long a client address that has signed in is known to the account; 90 days.
    pub known_for: Duration,
    pub(crate) on: bool,
    pub(crate) store: Option<Arc<dyn LimitStore>>,
}

const DAY: Duration = Duration::from_hours(24);

impl RateLimits {
    /// The default.
    pub fn new() -> Self {
        Self {
            logins_of_client: Quota::per_minute(300),
            failures_of_client: Quota::per_hour(100),
            failures_of_account: Quota::new(30, Duration::from_mins(30)),
            failures_of_account_in_the_long_run: Quota::new(50, DAY),
            mails_to_target: Quota::new(5, Duration::from_hours(5)),
            mails_of_client: Quota::per_hour(60),
            registrations_of_client: Quota::per_hour(60),
            mailed_tokens_of_client: Quota::per_hour(100),
            personal_tokens_of_client: Quota::per_hour(60),
            known_for: 90 * DAY,
            on: true,
            store: None,
        }
    }

    /// No limits at all.
    ///
    /// # Security
    /// Passwords can be guessed as fast as they are hashed, and anybody can have as many mails sent as they like (SP 800-63B-4,
    /// 3.2.2; ASVS 5.0, 6.3.1). For tests, and where something in front does all of this.
    pub fn insecure_off() -> Self {
        Self {
            on: false,
            ..Self::new()
        }
    }

    /// Lets each client address do everything that is limited by address at least so often a minute, where many people
    /// share one. Limits of accounts and of mails to one address stay.
    #[must_use]
    pub fn per_client(mut self, per_minute: u32) -> Self {
        for quota in [
            &mut self.logins_of_client,
            &mut self.failures_of_client,
            &mut self.mails_of_client,
            &mut self.registrations_of_client,
            &mut self.mailed_tokens_of_client,
            &mut self.personal_tokens_of_client,
        ] {
            *quota = quota.at_least(Quota::per_minute(per_minute));
        }
        self
    }

    /// Counts in `store`, which several processes may share, instead of in the memory of this one.
    ///
    /// While the store is down, this process counts by itself: nobody is refused for it, and nobody is let guess freely.
    #[must_use]
    pub fn counted_in(mut self, store: impl LimitStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Whether anything is limited.
    pub fn is_on(&self) -> bool {
        self.on
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self::new()
    }
}
