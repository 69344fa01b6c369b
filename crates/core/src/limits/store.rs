//! Where limits are counted.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use crate::{Quota, StoreError, Timestamp};

/// What a [`LimitStore`] answers in time.
pub type LimitFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where limits are counted: [in memory](crate::InMemoryLimits) by default, in Redis, or wherever you like.
///
/// What it holds is worth little: losing all of it gives everybody a fresh start.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use axum_users_core::{
///     InMemoryLimits, LimitChange, LimitCharge, LimitFuture, LimitStore, LimitVerdict, RateLimits, Timestamp,
/// };
///
/// /// Counts in memory, and how often it was asked.
/// #[derive(Debug, Default)]
/// struct Metered {
///     limits: InMemoryLimits,
///     asked: AtomicU64,
/// }
///
/// impl LimitStore for Metered {
///     fn take<'a>(&'a self, charges: &'a [LimitCharge], now: Timestamp) -> LimitFuture<'a, LimitVerdict> {
///         self.asked.fetch_add(1, Ordering::Relaxed);
///         self.limits.take(charges, now)
///     }
///
///     fn settle<'a>(&'a self, changes: &'a [LimitChange], now: Timestamp) -> LimitFuture<'a, ()> {
///         self.limits.settle(changes, now)
///     }
/// }
///
/// let limits = RateLimits::new().counted_in(Metered::default());
/// # let _ = limits;
/// ```
///
/// # Security
/// Each method happens wholly or not at all, and concurrent ones as if one after the other, or guesses that are made at the same
/// time slip through. A store must not grow without end: it may forget a counter that is empty, and a mark that is over.
pub trait LimitStore: fmt::Debug + Send + Sync + 'static {
    /// Takes one from each of the counters, or nothing at all where one of them has none to give.
    fn take<'a>(&'a self, charges: &'a [LimitCharge], now: Timestamp) -> LimitFuture<'a, LimitVerdict>;

    /// Applies changes, in their order.
    fn settle<'a>(&'a self, changes: &'a [LimitChange], now: Timestamp) -> LimitFuture<'a, ()>;
}

/// The name of a counter or a mark: an HMAC, from which neither an address nor an account can be read or guessed.
///
/// ```
/// use axum_users_core::LimitKey;
///
/// let key = LimitKey::new([0xab; 16]);
/// assert_eq!(format!("limits:{key}"), "limits:abababababababababababababababab");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey([u8; 16]);

impl LimitKey {
    /// The key of these bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// As 32 hexadecimal digits.
impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One to be taken from a counter.
///
/// ```
/// use axum_users_core::{KnownClient, LimitCharge, LimitKey, Quota};
///
/// let [account, mark, own] = [1, 2, 3].map(|byte| LimitKey::new([byte; 16]));
/// let charge = LimitCharge::new(account, Quota::per_hour(30)).unless(KnownClient::new(mark, own));
/// assert_eq!(charge.charged(false), account);
/// assert_eq!(charge.charged(true), own);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitCharge {
    /// The counter.
    pub counter: LimitKey,
    /// How much it gives.
    pub quota: Quota,
    /// Where it is taken from instead, for a client that is known.
    pub known: Option<KnownClient>,
}

impl LimitCharge {
    /// One from `counter`, which gives as much as `quota` says.
    pub const fn new(counter: LimitKey, quota: Quota) -> Self {
        Self {
            counter,
            quota,
            known: None,
        }
    }

    /// The same, taken from another counter if the client is known.
    #[must_use]
    pub const fn unless(mut self, known: KnownClient) -> Self {
        self.known = Some(known);
        self
    }

    /// The counter that is charged, if the client is `known` or not.
    pub fn charged(&self, known: bool) -> LimitKey {
        match self.known {
            Some(client) if known => client.counter,
            _ => self.counter,
        }
    }
}

/// A client that may be known, by a mark.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{
///     InMemoryLimits, KnownClient, LimitChange, LimitCharge, LimitKey, LimitStore, LimitVerdict, Quota, Timestamp,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), axum_users_core::StoreError> {
/// let [account, mark, own] = [1, 2, 3].map(|byte| LimitKey::new([byte; 16]));
/// let (limits, now) = (InMemoryLimits::new(), Timestamp::from_secs(1_767_225_600));
/// let until = now.plus(Duration::from_hours(24));
/// limits.settle(&[LimitChange::Mark { mark, until }], now).await?;
///
/// let charge = LimitCharge::new(account, Quota::per_hour(30)).unless(KnownClient::new(mark, own));
/// assert_eq!(limits.take(&[charge], now).await?, LimitVerdict::Passed { known: true });
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownClient {
    /// The client is known as long as this mark is there and not over. Marks and counters never have the same key.
    pub mark: LimitKey,
    /// The counter of its own.
    pub counter: LimitKey,
}

impl KnownClient {
    /// A client that is known while `mark` is there, and then counted at `counter`.
    pub const fn new(mark: LimitKey, counter: LimitKey) -> Self {
        Self { mark, counter }
    }
}

/// Whether all counters had one to give.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::LimitVerdict;
///
/// /// What the header `Retry-After` says.
/// fn retry_after(verdict: LimitVerdict) -> Option<u64> {
///     match verdict {
///         LimitVerdict::Refused { retry_after, .. } => Some(retry_after.as_secs().max(1)),
///         _ => None,
///     }
/// }
/// let refused = LimitVerdict::Refused { charge: 0, retry_after: Duration::from_secs(5), first: true };
/// assert_eq!(retry_after(refused), Some(5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitVerdict {
    /// They had, and it was taken.
    Passed {
        /// Whether the client was known, and charged as such.
        known: bool,
    },
    /// One had not, and nothing was taken from any.
    Refused {
        /// Which charge has to wait longest, by its place.
        charge: usize,
        /// How long.
        retry_after: Duration,
        /// Whether this is the first refusal by this counter in a [window](Quota::window): one that goes to the log.
        first: bool,
    },
}

/// What becomes of counters and marks once the outcome is known.
///
/// ```
/// use axum_users_core::{LimitChange, LimitCharge};
///
/// /// What was taken is given back, since the password was right after all.
/// fn give_back(charges: &[LimitCharge], known: bool) -> Vec<LimitChange> {
///     let change = |charge: &LimitCharge| LimitChange::GiveBack {
///         counter: charge.charged(known),
///         quota: charge.quota,
///     };
///     charges.iter().map(change).collect()
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitChange {
    /// Gives one back that was taken.
    GiveBack {
        /// The counter.
        counter: LimitKey,
        /// How much it gives.
        quota: Quota,
    },
    /// Empties a counter.
    Clear {
        /// The counter.
        counter: LimitKey,
    },
    /// Knows a client.
    Mark {
        /// The mark.
        mark: LimitKey,
        /// Until when; later than an earlier one.
        until: Timestamp,
    },
}
