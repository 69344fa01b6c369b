//! The tests of axum-users over HTTP live in `http/`; this library compiles the guides.
#![cfg(doctest)]

#[doc = include_str!("../../README.md")]
mod readme {}

#[doc = include_str!("../../docs/quick-start.md")]
mod quick_start {}

#[doc = include_str!("../../docs/user-model.md")]
mod user_model {}

#[doc = include_str!("../../docs/backends.md")]
mod backends {}

#[doc = include_str!("../../docs/sessions.md")]
mod sessions {}

#[doc = include_str!("../../docs/personal-tokens.md")]
mod personal_tokens {}

#[doc = include_str!("../../docs/routers.md")]
mod routers {}

#[doc = include_str!("../../docs/current-user.md")]
mod current_user {}

#[doc = include_str!("../../docs/hooks.md")]
mod hooks {}

#[doc = include_str!("../../docs/passwords.md")]
mod passwords {}

#[doc = include_str!("../../docs/mail.md")]
mod mail {}

#[doc = include_str!("../../docs/openapi-and-clients.md")]
mod openapi_and_clients {}

#[doc = include_str!("../../docs/errors.md")]
mod errors {}

#[doc = include_str!("../../docs/migrations.md")]
mod migrations {}

#[doc = include_str!("../../docs/testing.md")]
mod testing {}

#[doc = include_str!("../../docs/deployment.md")]
mod deployment {}

#[doc = include_str!("../../docs/rate-limits.md")]
mod rate_limits {}

#[doc = include_str!("../../docs/security.md")]
mod security {}

#[doc = include_str!("../../docs/design.md")]
mod design {}

#[doc = include_str!("../../docs/example-minimal.md")]
mod example_minimal {}

#[doc = include_str!("../../docs/example-own-columns.md")]
mod example_own_columns {}

#[doc = include_str!("../../docs/example-existing-app.md")]
mod example_existing_app {}

#[doc = include_str!("../../docs/example-integer-ids.md")]
mod example_integer_ids {}

#[doc = include_str!("../../docs/example-two-kinds.md")]
mod example_two_kinds {}

#[doc = include_str!("../../docs/example-relations.md")]
mod example_relations {}

#[doc = include_str!("../../docs/example-own-store.md")]
mod example_own_store {}

#[doc = include_str!("../../docs/example-own-strategy.md")]
mod example_own_strategy {}

#[doc = include_str!("../../docs/example-username-login.md")]
mod example_username_login {}

#[doc = include_str!("../../docs/cors.md")]
mod cors {}
