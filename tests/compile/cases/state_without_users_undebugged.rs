//! The same without `#[axum::debug_handler]`: axum says no more than that this is no handler.

use axum::{Router, routing::get};
use axum_users::{CurrentUser, UsersApi};

#[derive(Clone)]
struct AppState;

async fn hello(user: CurrentUser<UsersApi>) -> String {
    user.email.clone()
}

fn main() {
    let _: Router = Router::new().route("/hello", get(hello)).with_state(AppState);
}
