#![doc = include_str!("../README.md")]

mod clock;
mod secret;

pub use self::{
    clock::{Clock, Random, RandomError, SystemClock, SystemRandom, Timestamp},
    secret::Secret,
};
