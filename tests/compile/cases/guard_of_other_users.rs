//! A guard that looks at a column which these users do not have.

use axum_users::{CurrentUser, Refusal, SignedIn, UsersApi, guard::Guard};

struct Paying;

struct Customer {
    paid: bool,
}

impl Guard<Customer> for Paying {
    fn check(signed_in: &SignedIn<Customer>) -> Result<(), Refusal> {
        if signed_in.user.paid { Ok(()) } else { Err(Refusal::forbidden()) }
    }
}

#[axum::debug_handler(state = axum_users::AxumUsers<UsersApi>)]
async fn paid_for(user: CurrentUser<UsersApi, Paying>) -> String {
    user.email.clone()
}

fn main() {}
