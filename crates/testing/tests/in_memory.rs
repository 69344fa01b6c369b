//! The store in memory keeps the contract, and the macro leaves no property out.

use axum_users_core::InMemoryUsers;
use axum_users_testing::store_contract::{self, Skipped, StoreFixture};

struct InMemory;

impl StoreFixture for InMemory {
    type Store = InMemoryUsers;

    async fn store(&self) -> Result<InMemoryUsers, Skipped> {
        Ok(InMemoryUsers::new())
    }
}

mod contract {
    axum_users_testing::store_contract!(super::InMemory);
}
mod email_changes {
    axum_users_testing::pending_email_contract!(super::InMemory);
}

#[test]
fn every_property_is_made_a_test() {
    let root = include_str!("../src/store_contract.rs");
    let lists = root.split("@tests $fixture;").skip(1);
    let lists = lists
        .filter_map(|list| list.split_once('}'))
        .map(|(list, _)| list);
    let mut listed: Vec<_> = lists.flat_map(str::split_whitespace).collect();
    let sources = [
        include_str!("../src/store_contract/users.rs"),
        include_str!("../src/store_contract/changes.rs"),
        include_str!("../src/store_contract/email_changes.rs"),
        include_str!("../src/store_contract/sessions.rs"),
        include_str!("../src/store_contract/token_limits.rs"),
        include_str!("../src/store_contract/token_uses.rs"),
        include_str!("../src/store_contract/token_lists.rs"),
        include_str!("../src/store_contract/personal_tokens.rs"),
        include_str!("../src/store_contract/lists.rs"),
        include_str!("../src/store_contract/outbox.rs"),
    ];
    let mut written: Vec<_> = sources
        .iter()
        .flat_map(|source| source.split("\npub async fn ").skip(1))
        .filter_map(|rest| rest.split('<').next())
        .collect();
    listed.sort_unstable();
    written.sort_unstable();
    assert_eq!(listed, written);
}

struct Absent;

impl StoreFixture for Absent {
    type Store = InMemoryUsers;

    async fn store(&self) -> Result<InMemoryUsers, Skipped> {
        Err(Skipped::because("there is no server in this test, on purpose"))
    }
}

#[test]
fn missing_server_skips_for_a_developer_and_fails_in_ci() {
    let passed = std::panic::catch_unwind(|| {
        store_contract::run(store_contract::unknown_users_are_none(&Absent));
    });
    assert_eq!(passed.is_err(), axum_users_testing::in_ci());
}
