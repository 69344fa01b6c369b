//! The example application as processes.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "where something is not as it must be, the test is to fail"
)]

mod command_line;
mod crashes;
mod harness;
mod processes;
mod shutdown;
