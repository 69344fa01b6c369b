#![doc = include_str!("../README.md")]

pub mod account;
mod bodies;

use std::{error::Error, time::Duration};

use axum::Router;
use axum_users::{
    AdminUpdate, AxumUsers, Backend, BearerTransport, CurrentUser, JwtStrategy, SeaOrmUsers, Secret, Secrets,
    UserApi, UserCreate, UserManager, UserUpdate, auth_router, register_router, sea_orm::DatabaseConnection,
    users_router,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::bodies::{AccountRead, NewProfile, Profile, ProfilePatch, StaffPatch, StaffProfile, StaffRead};

/// Accounts with columns of our own.
#[derive(Debug)]
pub struct Api;

impl UserApi for Api {
    type Store = SeaOrmUsers<account::Entity>;
    type Hooks = ();
    type Read = AccountRead;
    type Create = UserCreate<NewProfile>;
    type Update = UserUpdate<ProfilePatch>;
    type AdminRead = StaffRead;
    type AdminUpdate = AdminUpdate<StaffPatch>;
}

/// Greets by the first name
#[utoipa::path(get, path = "/hello", responses((status = OK, body = String)))]
#[axum::debug_handler(state = AxumUsers<Api>)]
async fn hello(user: CurrentUser<Api>) -> String {
    format!("Hello {}", user.first_name)
}

/// The accounts in a database, whose tables are made where they are missing.
pub async fn users(db: DatabaseConnection, root: &Secret) -> Result<AxumUsers<Api>, Box<dyn Error>> {
    account::migrate(&db).await?;
    let store = SeaOrmUsers::new(db);
    let secrets = Secrets::from_root(root, "users")?;
    let jwt = JwtStrategy::new(secrets.access(), Duration::from_hours(1), store.clone());
    let manager = UserManager::new(store, (), &secrets)?;
    let users = AxumUsers::new(manager, [Backend::new("jwt", BearerTransport::new(), jwt)])?;
    users.check().await?; // is the table as the library needs it?
    Ok(users)
}

/// The routes of the library, whose bodies have our columns, and one of our own.
pub fn router(users: &AxumUsers<Api>) -> Result<Router, Box<dyn Error>> {
    let mut app = OpenApiRouter::default()
        .nest("/auth", register_router(users))
        .nest("/users", users_router(users))
        .routes(routes!(hello));
    for backend in users.backends() {
        app = app.nest("/auth/jwt", auth_router(users, backend));
    }
    let (router, api) = app.with_state(users.clone()).split_for_parts();
    let api = users.finish(api)?;
    Ok(router.route("/openapi.json", axum::routing::get(async || axum::Json(api))))
}
