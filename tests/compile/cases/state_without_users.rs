//! The state of the router does not hold the users.

use axum::{Router, routing::get};
use axum_users::{CurrentUser, UsersApi};

#[derive(Clone)]
struct AppState;

#[axum::debug_handler(state = AppState)]
async fn hello(user: CurrentUser<UsersApi>) -> String {
    user.email.clone()
}

fn main() {
    let _: Router = Router::new().route("/hello", get(hello)).with_state(AppState);
}
