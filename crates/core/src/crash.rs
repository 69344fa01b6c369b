//! Places where tests of the library kill a process.

#[cfg(not(feature = "crash-points"))]
use std::future::Future;

/// A place where a test may kill the process; nothing without the feature `crash-points`, which is for tests of this library alone.
///
/// With it a process whose variable `AXUM_USERS_CRASH_AT` names the place says on standard error that it got there, and goes no
/// further. The test reads that line and kills the process.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn crash_point(_: &'static str) -> impl Future<Output = ()> + Send {
    std::future::ready(())
}

/// The place itself.
#[cfg(feature = "crash-points")]
pub async fn crash_point(place: &'static str) {
    use std::io::{Write as _, stderr};

    if std::env::var_os("AXUM_USERS_CRASH_AT").is_some_and(|named| named == place) {
        // Whoever waits for the line is a test, which fails without it.
        let _ = writeln!(stderr(), "crash point: {place}");
        std::future::pending::<()>().await;
    }
}
