//! The tests of axum-users over HTTP live in `http/`; this library compiles the guides.
