#![doc = include_str!("../README.md")]

mod document;
mod orders;
mod problem;
mod session;

use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router, extract::FromRef, http::HeaderValue, middleware::map_response, response::Response,
    routing::get,
};
use axum_users::{
    Active, AxumUsers, Backend, CookieTransport, DatabaseStrategy, SeaOrmUsers, Secret, Secrets, UserManager,
    UsersApi, migrations::migrate, openapi::FinishError, register_router, sea_orm::DatabaseConnection,
    users_router,
};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

pub use self::{orders::Order, problem::Problem};

/// The users of the shop.
pub type Users = AxumUsers<UsersApi>;
type CurrentUser<G = Active> = axum_users::CurrentUser<UsersApi, G>;

/// The state that the shop had before; `users` is new.
#[derive(Debug, Clone)]
pub struct AppState {
    users: Users,
    orders: Arc<Mutex<Vec<Order>>>,
}

impl AppState {
    /// A shop without orders.
    pub fn new(users: Users) -> Self {
        Self {
            users,
            orders: Arc::default(),
        }
    }
}

impl FromRef<AppState> for Users {
    fn from_ref(state: &AppState) -> Self {
        state.users.clone()
    }
}

/// The users in a database, signed in by a cookie.
pub async fn users(db: DatabaseConnection, root: &Secret) -> Result<Users, Box<dyn Error>> {
    migrate(&db).await?;
    let store = SeaOrmUsers::new(db);
    let secrets = Secrets::from_root(root, "users")?;
    let opaque = DatabaseStrategy::new(store.clone(), Duration::from_hours(24));
    // The login is the shop's own.
    let cookie = Backend::new("cookie", CookieTransport::new("shop"), opaque).without_login();
    let users = AxumUsers::new(UserManager::new(store, (), &secrets)?, [cookie])?;
    Ok(users.error_schema::<Problem>(problem::MEDIA_TYPE))
}

/// The shop.
pub fn router(users: &Users) -> Result<Router, FinishError> {
    let state = AppState::new(users.clone());
    let (router, api) = OpenApiRouter::with_openapi(document::Shop::openapi())
        .nest("/api/v1/accounts", register_router(users))
        .nest("/api/v1/accounts", users_router(users))
        .nest("/api/v1/session", session::router())
        .nest("/api/v1/orders", orders::router(users))
        .with_state(state)
        .split_for_parts();
    let api = users.finish(api)?;
    Ok(router
        .route("/api/v1/openapi.json", get(async || Json(api)))
        .fallback(async || Problem::not_found())
        .layer(map_response(problem::in_our_format))
        .layer(map_response(version)))
}

/// Says which version answers: a layer of before, which goes around everything.
async fn version(mut response: Response) -> Response {
    let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
    response.headers_mut().insert("x-shop-version", version);
    response
}
