#![doc = include_str!("../README.md")]

use std::{error::Error, time::Duration};

use axum::Router;
use axum_users::{
    AxumUsers, Backend, BearerTransport, CurrentUser, JwtStrategy, SeaOrmUsers, Secret, Secrets, UserManager,
    UsersApi, auth_router, migrations::migrate, register_router, sea_orm::DatabaseConnection, users_router,
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Greets whoever is signed in
#[utoipa::path(get, path = "/hello", responses((status = OK, body = String)))]
#[axum::debug_handler(state = AxumUsers<UsersApi>)]
async fn hello(user: CurrentUser<UsersApi>) -> String {
    format!("Hello {}", user.email)
}

/// The users in a database, signed in by a bearer token of one hour.
pub async fn users(db: DatabaseConnection, root: &Secret) -> Result<AxumUsers<UsersApi>, Box<dyn Error>> {
    migrate(&db).await?;
    let store = SeaOrmUsers::new(db);
    let secrets = Secrets::from_root(root, "users")?;
    let jwt = JwtStrategy::new(secrets.access(), Duration::from_hours(1), store.clone());
    let manager = UserManager::new(store, (), &secrets)?;
    Ok(AxumUsers::new(
        manager,
        [Backend::new("jwt", BearerTransport::new(), jwt)],
    )?)
}

/// The routes of the library, and one of our own.
pub fn router(users: &AxumUsers<UsersApi>) -> Result<Router, Box<dyn Error>> {
    let mut app = OpenApiRouter::default()
        .nest("/auth", register_router(users))
        .nest("/users", users_router(users))
        .routes(routes!(hello));
    for backend in users.backends() {
        app = app.nest("/auth/jwt", auth_router(users, backend));
    }
    let (router, api) = app.with_state(users.clone()).split_for_parts();
    users.finish(api)?; // finds what is wired wrongly; serve it if you like
    Ok(router)
}
