//! Moments in JSON.

use axum_users_core::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment as RFC 3339 has it, in UTC; `None` for one that has no year of four digits.
pub(crate) fn rfc3339(moment: Timestamp) -> Option<String> {
    let nanos = i128::from(moment.as_millis()) * 1_000_000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    moment.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc_to_the_millisecond() {
        let moment = Timestamp::from_millis(1_700_000_000_120);
        assert_eq!(rfc3339(moment).as_deref(), Some("2023-11-14T22:13:20.12Z"));
        assert_eq!(rfc3339(Timestamp::from_millis(i64::MAX)), None);
    }
}
