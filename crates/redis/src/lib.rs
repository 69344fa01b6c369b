#![doc = include_str!("../README.md")]

mod failure;
mod revocations;
mod scripts;
mod server;
mod sessions;
mod strategy;
mod token;

pub use self::{sessions::RedisSessions, strategy::RedisStrategy};
