#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test support: where something is not as it must be, the test is to fail"
)]

mod app;
mod call;
mod clock;
mod events;
mod hasher;
#[doc(hidden)]
pub mod leaks;
mod outbox;
mod race;
mod random;
mod skipped;
#[cfg(feature = "sqlite")]
mod sqlite;
pub mod store_contract;
pub mod strategy_contract;
mod token;
mod user;

#[cfg(feature = "sqlite")]
pub use self::sqlite::in_memory_sqlite;
pub use self::{
    app::{TestApp, for_tests},
    call::{Answer, Call},
    clock::TestClock,
    events::{CapturedEvent, CapturedEvents, captured_events},
    hasher::{fast_hasher, fast_hasher_settings},
    outbox::{OutboxReader, token_in},
    random::TestRandom,
    skipped::{Skipped, in_ci},
    token::Token,
    user::{InMemoryApi, PASSWORD, UserFactory},
};
