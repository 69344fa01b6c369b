//! What every store must be able to do, as tests.
//!
//! An implementation of [`UserStore`], [`SessionStore`], [`PersonalTokenStore`], [`ListUsers`] and [`Outbox`] is right if it
//! passes. Write a [`StoreFixture`] for it and let [`store_contract!`](crate::store_contract!) make the tests:
//!
//! ```
//! use axum_users_core::InMemoryUsers;
//! use axum_users_testing::store_contract::{Skipped, StoreFixture};
//!
//! struct InMemory;
//!
//! impl StoreFixture for InMemory {
//!     type Store = InMemoryUsers;
//!
//!     async fn store(&self) -> Result<InMemoryUsers, Skipped> {
//!         Ok(InMemoryUsers::new())
//!     }
//! }
//!
//! mod in_memory {
//!     axum_users_testing::store_contract!(super::InMemory);
//! }
//! ```
//!
//! Each property is a function as well, for a harness of another kind. It panics where the property does not hold:
//!
//! ```
//! # use axum_users_core::InMemoryUsers;
//! # use axum_users_testing::store_contract::{self, Skipped, StoreFixture};
//! # struct InMemory;
//! # impl StoreFixture for InMemory {
//! #     type Store = InMemoryUsers;
//! #     async fn store(&self) -> Result<InMemoryUsers, Skipped> {
//! #         Ok(InMemoryUsers::new())
//! #     }
//! # }
//! store_contract::run(store_contract::emails_are_unique_by_normal_form(&InMemory));
//! ```

mod changes;
mod email_changes;
mod lists;
mod outbox;
mod personal_tokens;
mod sessions;
mod stage;
mod token_limits;
mod token_lists;
mod token_uses;
mod users;

use std::future::Future;

use axum_users_core::{ListUsers, Outbox, PersonalTokenStore, SessionStore, UserStore};

pub use self::{
    changes::*, email_changes::*, lists::*, outbox::*, personal_tokens::*, sessions::*, token_limits::*,
    token_lists::*, token_uses::*, users::*,
};
pub use crate::Skipped;

/// Makes stores for the properties to try.
///
/// ```
/// use axum_users_core::InMemoryUsers;
/// use axum_users_testing::store_contract::{Skipped, StoreFixture};
///
/// struct InMemory;
///
/// impl StoreFixture for InMemory {
///     type Store = InMemoryUsers;
///
///     async fn store(&self) -> Result<InMemoryUsers, Skipped> {
///         Ok(InMemoryUsers::new())
///     }
/// }
/// // In the tests: `axum_users_testing::store_contract!(InMemory);`
/// ```
pub trait StoreFixture: Send + Sync {
    /// The store that is tried.
    type Store: UserStore + SessionStore + PersonalTokenStore + ListUsers + Outbox;

    /// A fresh, empty store, over a pool of at least four connections where it has connections. Called once for every
    /// property, at the same time from several threads: no two stores may see each other's users.
    fn store(&self) -> impl Future<Output = Result<Self::Store, Skipped>> + Send;

    /// Values for the own columns of a new user; called once for each.
    fn columns(&self) -> <Self::Store as UserStore>::Columns {
        Default::default()
    }

    /// All text that the rows of the outbox hold, done or not, if the fixture can look; it must not hold an address or a
    /// link once a message is sent or given up.
    fn outbox_text(&self, store: &Self::Store) -> impl Future<Output = Option<String>> + Send {
        let _ = store;
        async { None }
    }

    /// Removes a store whose property held; the others stay to be looked at.
    fn discard(&self, store: Self::Store) -> impl Future<Output = ()> + Send {
        drop(store);
        async {}
    }
}

/// Runs one property on threads of its own.
///
/// # Panics
/// Where the property does not hold.
pub fn run(property: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("the system has threads to give")
        .block_on(property);
}

/// Makes one `#[test]` for every property of the [store contract](mod@crate::store_contract).
///
/// The argument is an expression for a [`StoreFixture`](crate::store_contract::StoreFixture); it is evaluated once for each
/// test. Put each use into a module of its own.
#[macro_export]
macro_rules! store_contract {
    ($fixture:expr) => {
        $crate::store_contract! { @tests $fixture;
            new_users_are_stored_as_they_are_given
            users_without_password_are_stored
            unknown_users_are_none
            users_are_found_by_any_spelling_of_their_address
            emails_are_unique_by_normal_form
            emails_of_different_normal_form_are_different_users
            racing_registrations_of_one_address_make_one_user
            racing_registrations_of_many_addresses_lose_none
            mails_of_a_new_user_are_composed_for_the_stored_user
            mails_of_a_refused_registration_are_not_kept
            rehearsals_keep_their_mails_and_store_nobody
            deleted_users_are_gone_with_their_sessions
            deleting_a_user_leaves_the_others
            users_are_deleted_only_as_they_are_expected
            keys_of_deleted_users_are_not_given_out_again
            racing_deletions_delete_once

            changes_write_what_they_name_and_nothing_else
            changes_of_nothing_change_nothing
            changes_of_unknown_users_are_missing
            changes_that_expect_what_is_there_are_applied
            changes_that_expect_something_else_write_nothing
            changes_are_stale_where_one_of_many_expectations_fails
            changes_that_expect_no_password_are_applied_once
            racing_changes_that_expect_one_hash_are_applied_once
            racing_changes_of_different_columns_lose_none
            changes_to_a_taken_address_write_nothing
            changed_addresses_are_found_and_old_ones_are_free
            changes_of_spelling_keep_the_user
            racing_changes_to_one_address_have_one_winner
            registration_and_change_that_race_for_one_address_have_one_winner
            upgraded_hashes_never_undo_a_new_password
            mails_of_a_change_are_kept_with_it

            tokens_sign_in_the_user_they_were_issued_to
            tokens_that_were_never_stored_are_nobodys
            tokens_are_good_for_their_own_backend_only
            tokens_end_exactly_at_their_expiry
            tokens_without_expiry_do_not_end
            tokens_of_unknown_users_are_not_stored
            ended_tokens_are_dead
            inactive_users_are_resolved_for_guards_to_judge
            ending_all_sessions_kills_tokens_of_every_kind
            ending_all_sessions_of_one_user_leaves_the_others
            spared_tokens_live_on
            sparing_a_dead_token_does_not_revive_it
            sparing_a_token_of_somebody_else_spares_none
            tokens_of_an_earlier_epoch_are_dead_on_arrival
            self_contained_tokens_live_at_the_present_epoch_only
            self_contained_tokens_end_exactly_at_their_expiry
            revoked_tokens_are_dead
            revoked_ids_are_compared_byte_by_byte
            stateless_tokens_outlive_all_but_their_user
            purging_removes_only_what_has_expired
            purging_works_in_batches
            racing_purges_take_each_row_once
            racing_ends_of_sessions_raise_the_epoch_each
            tokens_stored_while_sessions_end_are_dead
            tokens_stored_while_their_user_is_deleted_are_dead
            tokens_looked_at_together_are_told_apart

            limits_refuse_one_token_too_many
            limits_end_the_oldest_tokens
            limits_of_no_token_refuse_all
            expired_tokens_do_not_count_to_a_limit
            tokens_of_an_earlier_epoch_do_not_count_to_a_limit
            tokens_of_an_earlier_epoch_take_no_place
            limits_count_each_user_and_backend_alone
            racing_tokens_are_refused_beyond_the_limit
            racing_tokens_end_the_oldest_beyond_the_limit
            limited_tokens_stored_while_their_user_ends_are_dead

            noted_uses_are_kept
            noted_uses_never_go_back
            renewed_tokens_end_later_and_never_earlier
            renewed_tokens_without_expiry_stay_without
            uses_of_expired_tokens_are_not_noted
            uses_of_ended_tokens_are_not_noted
            racing_uses_keep_the_latest
            uses_noted_while_a_token_ends_bring_nothing_back

            listed_tokens_have_all_their_facts
            lists_of_tokens_hold_live_ones_alone
            tokens_are_listed_the_latest_first
            tokens_get_and_lose_their_name
            names_are_for_own_live_tokens
            tokens_are_ended_by_id_for_their_user_and_backend_only

            personal_tokens_sign_in_their_user
            scopes_are_kept_as_they_were_given
            personal_tokens_end_exactly_at_their_expiry
            personal_tokens_outlive_the_end_of_sessions
            ending_everything_ends_personal_tokens_too
            deleted_users_are_gone_with_their_personal_tokens
            personal_tokens_and_sessions_are_told_apart
            personal_tokens_are_refused_beyond_the_limit
            racing_personal_tokens_keep_the_limit
            personal_tokens_stored_while_their_user_ends_are_dead
            uses_of_personal_tokens_are_noted
            personal_tokens_are_listed_the_latest_first
            personal_tokens_are_ended_by_their_user_only

            lists_are_in_byte_order
            pages_are_complete_without_gaps_and_repeats
            lists_of_one_address_have_one_user
            prefixes_are_plain_text

            mails_are_given_out_as_they_were_kept
            leased_mails_belong_to_one_worker_until_the_lease_ends
            leases_take_no_more_than_their_limit
            parallel_workers_get_each_mail_once
            retried_mails_wait_for_their_time
            released_mails_lose_no_try
            finished_mails_never_come_back_and_are_erased
            decoys_are_kept_like_mails
            outcomes_of_unknown_mails_are_no_error
        }
    };
    (@tests $fixture:expr; $($property:ident)+) => {
        $(
            #[test]
            fn $property() {
                $crate::store_contract::run($crate::store_contract::$property(&$fixture));
            }
        )+
    };
}

/// Makes one `#[test]` for every property of stores that keep changes of address, beside
/// [`store_contract!`](crate::store_contract!): for a fixture whose store is a
/// [`EmailChangeStore`](axum_users_core::EmailChangeStore).
#[macro_export]
macro_rules! email_change_contract {
    ($fixture:expr) => {
        $crate::store_contract! { @tests $fixture;
            changes_of_address_wait_with_what_they_were_asked_with
            later_changes_of_address_replace_those_that_wait
            waiting_changes_of_address_end_with_sessions
            changes_of_address_are_confirmed_and_undone_once
            addresses_that_can_be_come_back_to_are_taken
            changes_to_taken_addresses_are_refused_when_confirmed
            racing_confirmations_and_undoings_count_once
            purging_removes_changes_of_address_that_are_over
        }
    };
}
