//! The manager as plain functions over the store in memory: no HTTP, no database.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests fail like the tests themselves"
)]

mod events;
mod hooks;
mod login;
mod mail_tokens;
mod registration;
mod stage;
mod updates;
