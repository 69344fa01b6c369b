//! The store in memory keeps the contract, and the macro leaves no property out.

use axum_users_auth::strategy::{DatabaseStrategy, TokenOptions};
use axum_users_core::InMemoryUsers;
use axum_users_testing::{
    store_contract::{self, Skipped, StoreFixture},
    strategy_contract::StrategyFixture,
};

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
    axum_users_testing::email_change_contract!(super::InMemory);
}

impl StrategyFixture for InMemory {
    type Users = InMemoryUsers;
    type Tokens = ();
    type Strategy = DatabaseStrategy<InMemoryUsers>;

    async fn open(&self) -> Result<(InMemoryUsers, ()), Skipped> {
        Ok((InMemoryUsers::new(), ()))
    }

    fn strategy(&self, users: &InMemoryUsers, (): &(), options: TokenOptions) -> Self::Strategy {
        DatabaseStrategy::new(users.clone(), options)
    }
}

mod strategy {
    axum_users_testing::strategy_contract!(super::InMemory);
}

#[test]
fn every_property_is_made_a_test() {
    let store = include_str!("../src/store_contract.rs");
    let of_stores = [
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
    let strategy = include_str!("../src/strategy_contract.rs");
    let of_strategies = [
        include_str!("../src/strategy_contract/life.rs"),
        include_str!("../src/strategy_contract/limits.rs"),
        include_str!("../src/strategy_contract/uses.rs"),
        include_str!("../src/strategy_contract/lists.rs"),
    ];
    assert_eq!(listed(store), written(&of_stores));
    assert_eq!(listed(strategy), written(&of_strategies));
}

/// The properties of which a macro makes tests.
fn listed(root: &str) -> Vec<&str> {
    let lists = root.split("@tests $fixture;").skip(1);
    let lists = lists.filter_map(|list| list.split_once('}'));
    let mut listed: Vec<_> = lists.flat_map(|(list, _)| list.split_whitespace()).collect();
    listed.sort_unstable();
    listed
}

/// The properties there are.
fn written<'a>(sources: &[&'a str]) -> Vec<&'a str> {
    let mut written: Vec<_> = sources
        .iter()
        .flat_map(|source| source.split("\npub async fn ").skip(1))
        .filter_map(|rest| rest.split('<').next())
        .collect();
    written.sort_unstable();
    written
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
