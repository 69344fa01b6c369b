//! What every strategy of opaque tokens must be able to do, as tests: the same wherever the tokens are kept.
//!
//! Write a [`StrategyFixture`] and let [`strategy_contract!`](crate::strategy_contract!) make the tests:
//!
//! ```
//! use axum_users_auth::strategy::{DatabaseStrategy, TokenOptions};
//! use axum_users_core::InMemoryUsers;
//! use axum_users_testing::{Skipped, strategy_contract::StrategyFixture};
//!
//! struct InMemory;
//!
//! impl StrategyFixture for InMemory {
//!     type Users = InMemoryUsers;
//!     type Tokens = ();
//!     type Strategy = DatabaseStrategy<InMemoryUsers>;
//!
//!     async fn open(&self) -> Result<(InMemoryUsers, ()), Skipped> {
//!         Ok((InMemoryUsers::new(), ()))
//!     }
//!
//!     fn strategy(&self, users: &InMemoryUsers, (): &(), options: TokenOptions) -> Self::Strategy {
//!         DatabaseStrategy::new(users.clone(), options)
//!     }
//! }
//!
//! mod in_memory {
//!     axum_users_testing::strategy_contract!(super::InMemory);
//! }
//! ```

mod life;
mod limits;
mod lists;
mod stage;
mod uses;

use std::future::Future;

use axum_users_auth::strategy::{Strategy, TokenOptions};
use axum_users_core::{IdOf, UserStore};

pub use self::{life::*, limits::*, lists::*, uses::*};
pub use crate::{Skipped, store_contract::run};

/// Makes strategies for the properties to try.
///
/// The [module](self) shows a whole one.
///
/// ```
/// use axum_users_testing::strategy_contract::{StrategyFixture, logout_wins_against_use, run};
///
/// /// Tries one property alone.
/// fn logout_wins(fixture: &impl StrategyFixture) {
///     run(logout_wins_against_use(fixture));
/// }
/// ```
pub trait StrategyFixture: Send + Sync {
    /// The store of the users whom the tokens sign in.
    type Users: UserStore;
    /// Where the tokens are, if not with the users.
    type Tokens: Send + Sync + 'static;
    /// The strategy that is tried; it keeps a list of sessions.
    type Strategy: Strategy<IdOf<Self::Users>>;

    /// Users and tokens, both fresh and empty. Called once for every property, at the same time from several threads.
    fn open(&self) -> impl Future<Output = Result<(Self::Users, Self::Tokens), Skipped>> + Send;

    /// A strategy over these tokens that live as `options` say.
    fn strategy(&self, users: &Self::Users, tokens: &Self::Tokens, options: TokenOptions) -> Self::Strategy;

    /// Values for the own columns of a new user; called once for each.
    fn columns(&self) -> <Self::Users as UserStore>::Columns {
        Default::default()
    }

    /// Removes what was opened, after the property held; the others stay to be looked at.
    fn discard(&self, users: Self::Users, tokens: Self::Tokens) -> impl Future<Output = ()> + Send {
        drop((users, tokens));
        async {}
    }
}

/// Makes one `#[test]` for every property of the [strategy contract](mod@crate::strategy_contract).
///
/// The argument is an expression for a [`StrategyFixture`](crate::strategy_contract::StrategyFixture); it is evaluated once
/// for each test. Put each use into a module of its own.
#[macro_export]
macro_rules! strategy_contract {
    ($fixture:expr) => {
        $crate::strategy_contract! { @tests $fixture;
            issued_tokens_sign_in_their_user
            nothing_else_signs_anybody_in
            issued_tokens_are_good_for_their_own_backend_only
            issued_tokens_end_exactly_at_their_expiry
            issued_tokens_without_lifetime_do_not_end
            a_longest_lifetime_caps_the_first_one
            logged_out_tokens_are_dead_and_stay_dead
            tokens_of_an_earlier_prefix_stay_good
            ending_all_sessions_ends_issued_tokens
            tokens_issued_after_the_end_of_their_epoch_sign_nobody_in
            the_session_that_asks_for_it_lives_on_alone
            issued_tokens_of_deleted_users_are_dead
            logout_wins_against_use

            one_token_too_many_is_refused
            one_token_too_many_ends_the_oldest
            tokens_that_are_over_take_no_place
            limits_are_for_each_user_and_backend_alone
            racing_logins_are_refused_beyond_the_limit
            racing_logins_end_the_oldest_beyond_the_limit

            uses_are_due_once_a_minute
            uses_move_the_end_of_tokens_that_slide
            the_end_never_slides_past_the_longest_lifetime
            late_notes_move_nothing_back
            late_notes_revive_nothing

            lists_show_live_sessions_with_their_facts
            sessions_get_and_lose_their_name
            sessions_are_ended_by_their_owner_only
        }
    };
    (@tests $fixture:expr; $($property:ident)+) => {
        $(
            #[test]
            fn $property() {
                $crate::strategy_contract::run($crate::strategy_contract::$property(&$fixture));
            }
        )+
    };
}
