#![doc = include_str!("../README.md")]

pub mod member;

use std::{error::Error, time::Duration};

use axum::Router;
use axum_users::{
    AdminUpdate, AxumUsers, Backend, BearerTransport, CurrentUser, DatabaseStrategy, SeaOrmUsers, Secret,
    Secrets, Superuser, UserApi, UserCreate, UserManager, UserRead, UserUpdate, auth_router,
    migrations::up,
    register_router,
    sea_orm::{self, DatabaseConnection, DeriveIntoActiveModel},
    users_router,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use validator::Validate;

/// The members of a club.
#[derive(Debug)]
pub struct Api;

impl UserApi for Api {
    type Store = SeaOrmUsers<member::Entity>;
    type Hooks = ();
    type Read = UserRead<i64, Card>;
    type Create = UserCreate<NewCard>;
    type Update = UserUpdate;
    type AdminRead = UserRead<i64, Card>;
    type AdminUpdate = AdminUpdate;
}

/// What a new member says.
#[derive(Debug, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "member::ActiveModel")]
pub struct NewCard {
    /// The name on the card.
    #[validate(length(min = 1, max = 80, message = "1 to 80 characters"))]
    pub name: String,
}

/// What is shown of a member.
#[derive(Debug, Serialize, ToSchema)]
pub struct Card {
    name: String,
}

impl From<member::Model> for Card {
    fn from(member: member::Model) -> Self {
        Self { name: member.name }
    }
}

/// Says which number you have
#[utoipa::path(get, path = "/card", responses((status = OK, body = String)))]
#[axum::debug_handler(state = AxumUsers<Api>)]
async fn card(member: CurrentUser<Api>) -> String {
    format!("{}, No. {}", member.name, member.id)
}

/// Opens the till
#[utoipa::path(get, path = "/till", responses((status = OK, body = String)))]
#[axum::debug_handler(state = AxumUsers<Api>)]
async fn till(member: CurrentUser<Api, Superuser>) -> String {
    format!("opened by No. {}", member.id)
}

/// The members of a database that has their table already. The tables of the library are made beside it.
pub async fn users(db: DatabaseConnection, root: &Secret) -> Result<AxumUsers<Api>, Box<dyn Error>> {
    member::adopt(&db).await?;
    up::<member::Entity>(&db).await?;
    let store = SeaOrmUsers::new(db);
    let secrets = Secrets::from_root(root, "users")?;
    let opaque = DatabaseStrategy::new(store.clone(), Duration::from_hours(24 * 14));
    let manager = UserManager::new(store, (), &secrets)?;
    let users = AxumUsers::new(manager, [Backend::new("token", BearerTransport::new(), opaque)])?;
    users.check().await?; // does the table fit? The error says what to do
    Ok(users)
}

/// The routes of the library, and two of the club.
pub fn router(users: &AxumUsers<Api>) -> Result<Router, Box<dyn Error>> {
    let mut app = OpenApiRouter::default()
        .nest("/auth", register_router(users))
        .nest("/members", users_router(users))
        .routes(routes!(card))
        .routes(users.guarded(Superuser, routes!(till)));
    for backend in users.backends() {
        app = app.nest("/auth/token", auth_router(users, backend));
    }
    let (router, api) = app.with_state(users.clone()).split_for_parts();
    let api = users.finish(api)?;
    Ok(router.route("/openapi.json", axum::routing::get(async || axum::Json(api))))
}
