//! Mails from the hook that writes them to the server that receives them.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test where they fail")]

mod files;
mod hooks;
mod kit;
mod smtp;
mod store;
mod tls;
mod worker;
