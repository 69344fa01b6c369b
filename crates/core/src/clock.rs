//! Time and chance, as values that tests can set.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::Timestamp;
///
/// let start = Timestamp::from_millis(1_500);
/// assert_eq!(start.as_secs(), 1);
/// assert_eq!(start.plus(Duration::from_secs(2)), Timestamp::from_millis(3_500));
/// assert_eq!(start.plus(Duration::from_secs(2)).since(start), Duration::from_secs(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment so many seconds after the Unix epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `span` later; stops at the end of time instead of overflowing.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment `span` earlier; stops at the beginning of time instead of overflowing.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Tells the time.
///
/// ```
/// use axum_users_core::{Clock, Timestamp};
///
/// #[derive(Debug)]
/// struct Noon;
///
/// impl Clock for Noon {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_secs(1_767_268_800)
///     }
/// }
///
/// assert_eq!(Noon.now().as_secs() % 86_400, 12 * 60 * 60);
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
///
/// ```
/// use axum_users_core::{Clock, SystemClock, Timestamp};
///
/// assert!(SystemClock.now() > Timestamp::from_secs(1_700_000_000));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(millis(since))
    }
}

/// Gives unpredictable bytes.
///
/// ```
/// use axum_users_core::{Random, RandomError};
///
/// #[derive(Debug)]
/// struct Sevens; // for a test
///
/// impl Random for Sevens {
///     fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
///         bytes.fill(7);
///         Ok(())
///     }
/// }
///
/// let mut bytes = [0; 4];
/// Sevens.fill(&mut bytes)?;
/// assert_eq!(bytes, [7; 4]);
/// # Ok::<_, RandomError>(())
/// ```
///
/// # Security
/// Tokens, salts and keys come from here: an implementation for anything but tests must be a cryptographically secure
/// generator (ASVS 5.0, 11.5.1).
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`RandomError`] where the source has none to give.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// The source of randomness failed.
///
/// ```
/// use axum_users_core::{Random, RandomError};
///
/// #[derive(Debug)]
/// struct Dry; // a source that has nothing to give, for a test
///
/// impl Random for Dry {
///     fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
///         Err(RandomError)
///     }
/// }
/// assert!(Dry.fill(&mut [0; 4]).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct RandomError;

/// The generator of the operating system.
///
/// ```
/// use axum_users_core::{Random, SystemRandom};
///
/// let mut bytes = [0; 32];
/// SystemRandom.fill(&mut bytes)?;
/// assert_ne!(bytes, [0; 32]);
/// # Ok::<_, axum_users_core::RandomError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(bytes).map_err(|_| RandomError)
    }
}
