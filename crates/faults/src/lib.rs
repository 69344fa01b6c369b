//! Faults for the tests of axum-users: a [proxy](Proxy) that breaks the way to a server, and a [mail server](smtp::Server) that does as
//! it is told. A test says when, and sees that it happened.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "test support: where something is not as it must be, the test is to fail"
)]

mod proxy;
pub mod smtp;

pub use self::proxy::{At, Fault, Proxy};
