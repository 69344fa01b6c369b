#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test support: where something is not as it must be, the test is to fail"
)]

mod clock;
mod events;
mod hasher;
mod outbox;
mod random;
mod skipped;
pub mod store_contract;

pub use self::{
    clock::TestClock,
    events::{CapturedEvent, CapturedEvents, captured_events},
    hasher::{fast_hasher, fast_hasher_settings},
    outbox::{OutboxReader, token_in},
    random::TestRandom,
    skipped::{Skipped, in_ci},
};
