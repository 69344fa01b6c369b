//! How long to wait before a mail is tried again.

use std::time::Duration;

use axum_users_core::Random;

const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_hours(1);

/// 30 seconds, doubled with every failed try up to an hour, and up to a fifth more by chance, so that mails which failed
/// together are not all tried again together.
pub(crate) fn delay(failed: u32, random: &dyn Random) -> Duration {
    let doublings = failed.saturating_sub(1).min(16);
    let wait = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let mut byte = [0];
    let chance = match random.fill(&mut byte) {
        Ok(()) => u32::from(u8::from_ne_bytes(byte)),
        Err(_) => 0,
    };
    wait + wait * chance / (5 * 255)
}

#[cfg(test)]
mod tests {
    use axum_users_core::RandomError;

    use super::*;

    #[derive(Debug)]
    struct Always(u8);
    impl Random for Always {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    #[derive(Debug)]
    struct Never;
    impl Random for Never {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError)
        }
    }

    #[test]
    fn doubles_from_half_a_minute_to_an_hour() {
        let seconds: Vec<u64> = (1..=9).map(|n| delay(n, &Always(0)).as_secs()).collect();
        assert_eq!(seconds, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(delay(u32::MAX, &Always(0)), LONGEST);
    }

    #[test]
    fn chance_adds_a_fifth_at_most() {
        assert_eq!(delay(1, &Always(255)), Duration::from_secs(36));
        assert_eq!(delay(20, &Always(255)), Duration::from_mins(72));
        assert_eq!(delay(1, &Never), FIRST);
    }
}
