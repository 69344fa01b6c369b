#![doc = include_str!("../README.md")]

mod failure;
mod limits;
mod revocations;
mod scripts;
mod server;
mod sessions;
mod strategy;
mod token;

pub use self::{limits::RedisLimits, sessions::RedisSessions, strategy::RedisStrategy};
