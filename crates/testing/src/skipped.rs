//! Tests of what is not there.

use std::{
    env,
    ffi::OsStr,
    fmt,
    io::{self, Write as _},
};

/// Something is not there that a test needs, a database server say, so the test cannot be run.
///
/// The test says so on standard error and passes, so that a developer needs no server; in CI it fails.
///
/// ```
/// use axum_users_testing::Skipped;
///
/// fn runs_on_a_server() {
///     let Ok(url) = std::env::var("DATABASE_URL") else {
///         return Skipped::because("DATABASE_URL is not set").report();
///     };
///     println!("the test itself, on {url}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    reason: String,
}

impl Skipped {
    /// Skips, and says why: `DATABASE_URL is not set`.
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }

    /// Says on standard error that the test was skipped; [`store_contract!`](crate::store_contract!) does it by itself.
    ///
    /// # Panics
    /// [In CI](in_ci), where everything must be there.
    pub fn report(&self) {
        assert!(!in_ci(), "a test cannot be run: {self}");
        // Not `eprintln!`: the test harness keeps what that prints to itself.
        let _ = writeln!(io::stderr(), "SKIPPED: {self}");
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Whether the tests run in CI: the environment variable `CI` is set to anything but an empty text, `false` or `0`.
pub fn in_ci() -> bool {
    means_ci(env::var_os("CI").as_deref())
}

fn means_ci(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !["", "false", "0"].iter().any(|off| value == *off))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_on_unless_it_is_absent_empty_false_or_zero() {
        for off in [None, Some(""), Some("false"), Some("0")] {
            assert!(!means_ci(off.map(OsStr::new)), "{off:?}");
        }
        for on in ["true", "1", "yes", "woodpecker"] {
            assert!(means_ci(Some(OsStr::new(on))), "{on}");
        }
    }
}
