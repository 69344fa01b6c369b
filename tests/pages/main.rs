//! The pages say what the source says: nothing is missing in the book, no link is dead, every setting, every code and every public
//! type is where it belongs.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "where something is not as it must be, the test is to fail"
)]

mod book;
mod dependencies;
mod errors;
mod examples;
mod security;
mod settings;
mod source;
