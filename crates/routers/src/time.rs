//! Moments in JSON.

use axum_users_core::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The last millisecond with a year of four digits, as RFC 3339 wants it.
const LAST: i64 = 253_402_300_799_999;

/// A moment as RFC 3339 has it, in UTC; one outside the years 1970 to 9999 as the nearest of them.
pub(crate) fn rfc3339(moment: Timestamp) -> String {
    let nanos = i128::from(moment.as_millis().clamp(0, LAST)) * 1_000_000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc_to_the_millisecond() {
        let moment = Timestamp::from_millis(1_700_000_000_120);
        assert_eq!(rfc3339(moment), "2023-11-14T22:13:20.12Z");
        assert_eq!(
            rfc3339(Timestamp::from_millis(i64::MAX)),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(rfc3339(Timestamp::from_millis(-1)), "1970-01-01T00:00:00Z");
    }
}
