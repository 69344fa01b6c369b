//! So much at once, and one more after each interval.

use std::time::Duration;

use crate::Timestamp;

/// So much at once, and one more after each interval: 60 an hour are 60 at once and then one a minute.
///
/// A counter of it is one moment, when it will be empty again (the generic cell rate algorithm), so it needs no window that
/// begins anew, and heals by itself.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{Quota, Timestamp};
///
/// let quota = Quota::new(2, Duration::from_secs(10));
/// let now = Timestamp::from_secs(0);
/// let once = quota.take(None, now).unwrap();
/// let twice = quota.take(Some(once), now).unwrap();
/// assert_eq!(quota.take(Some(twice), now), Err(Duration::from_secs(5)));
/// assert!(quota.take(Some(twice), now.plus(Duration::from_secs(5))).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    most: u32,
    interval: Duration,
}

const LEAST: Duration = Duration::from_millis(1);
/// About a century.
const LONGEST: Duration = Duration::from_hours(24 * 36_525);

impl Quota {
    /// At most `most` at once, at least 1; all of them come back in the course of `within`.
    pub const fn new(most: u32, within: Duration) -> Self {
        let most = if most == 0 { 1 } else { most };
        let millis = within.as_millis() / most as u128;
        let interval = if millis < LEAST.as_millis() {
            LEAST
        } else if millis > LONGEST.as_millis() {
            LONGEST
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "it was just compared")]
            Duration::from_millis(millis as u64)
        };
        Self { most, interval }
    }

    /// So many a minute.
    pub const fn per_minute(most: u32) -> Self {
        Self::new(most, Duration::from_mins(1))
    }

    /// So many an hour.
    pub const fn per_hour(most: u32) -> Self {
        Self::new(most, Duration::from_hours(1))
    }

    /// How many at once.
    pub const fn most(self) -> u32 {
        self.most
    }

    /// After how long one more comes back.
    pub const fn interval(self) -> Duration {
        self.interval
    }

    /// After how long all have come back.
    pub fn window(self) -> Duration {
        self.interval.saturating_mul(self.most)
    }

    /// What allows as much as this and as `other`.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        Self {
            most: self.most.max(other.most),
            interval: self.interval.min(other.interval),
        }
    }

    /// Takes one at `now` from a counter that is empty at `empty_at`, or now; answers when it is empty then.
    ///
    /// # Errors
    /// After how long there is one to take, if there is none.
    pub fn take(self, empty_at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Duration> {
        let full = now.plus(self.window());
        // A clock that was set back, or a quota that was larger, keeps nobody out for longer than this one.
        let start = empty_at.unwrap_or(now).clamp(now, full);
        let next = start.plus(self.interval);
        if next <= full {
            Ok(next)
        } else {
            Err(next.since(full))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn taken(quota: Quota, mut empty_at: Option<Timestamp>, now: Timestamp) -> u32 {
        let mut count = 0;
        while let Ok(next) = quota.take(empty_at, now) {
            empty_at = Some(next);
            count += 1;
        }
        count
    }

    #[test]
    fn so_many_pass_at_once_and_one_more_after_each_interval() {
        let quota = Quota::per_hour(60);
        assert_eq!(taken(quota, None, NOW), 60);
        let full = NOW.plus(quota.window());
        for (later, more) in [(59, 0), (60, 1), (119, 1), (600, 10), (3600, 60), (9999, 60)] {
            let now = NOW.plus(Duration::from_secs(later));
            assert_eq!(taken(quota, Some(full), now), more, "{later}");
        }
        assert_eq!(quota.take(Some(full), NOW), Err(Duration::from_mins(1)));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_out_for_longer() {
        let quota = Quota::per_minute(6);
        let far = NOW.plus(Duration::from_hours(99));
        assert_eq!(quota.take(Some(far), NOW), Err(Duration::from_secs(10)));
    }

    #[test]
    fn what_allows_nothing_or_everything_is_brought_into_bounds() {
        assert_eq!(Quota::per_minute(0), Quota::per_minute(1));
        assert_eq!(
            Quota::new(10, Duration::ZERO).interval(),
            Duration::from_millis(1)
        );
        let never = Quota::new(2, Duration::MAX);
        assert_eq!(taken(never, None, NOW), 2);
        let later = NOW.plus(Duration::from_hours(24 * 36_524));
        assert_eq!(taken(never, Some(NOW.plus(never.window())), later), 0);
    }

    #[test]
    fn raising_a_quota_never_lowers_it() {
        let quota = Quota::new(100, Duration::from_hours(1));
        let raised = quota.at_least(Quota::per_minute(10));
        assert_eq!((raised.most(), raised.interval()), (100, Duration::from_secs(6)));
    }
}
