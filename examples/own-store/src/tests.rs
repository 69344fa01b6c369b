//! The store by the contract, and the application over it by HTTP.

mod contract;
mod smoke;
