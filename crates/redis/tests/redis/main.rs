//! Sessions in a real Redis server, seen through the extractor of an axum router.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

mod counters;
mod harness;
mod life;
mod limits;
mod lists;
mod outage;
mod renewal;
mod revocations;
mod secrecy;
mod tls;
