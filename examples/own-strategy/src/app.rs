//! The users, the backends, and what is mounted where.

use std::{error::Error, time::Duration};

use axum::{Json, Router, http::StatusCode, routing::get};
use axum_users::{
    Active, AxumUsers, Backend, CookieTransport, DatabaseStrategy, Scope, SeaOrmUsers, Secret, Secrets,
    UserManager, UsersApi, Via, auth_router,
    guard::{BackendNames, ScopeNames},
    openapi::FinishError,
    register_router,
    sea_orm::DatabaseConnection,
    sea_orm_store::users,
    users_router,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    strategy::{ConfiguredKeys, Entry},
    transport::HeaderTransport,
};

pub(crate) type Failed = Box<dyn Error + Send + Sync>;
pub(crate) type Api = UsersApi;
pub(crate) type Store = SeaOrmUsers<users::Entity>;
pub(crate) type Users = AxumUsers<Api>;
pub(crate) type CurrentUser<G = Active> = axum_users::CurrentUser<Api, G>;

/// The backend of the keys.
pub(crate) struct ByKey;

impl BackendNames for ByKey {
    const NAMES: &'static [&'static str] = &["api-key"];
}

/// The scope of a key that may look.
pub(crate) struct ReadStock;

impl ScopeNames for ReadStock {
    const NAMES: &'static [&'static str] = &["stock:read"];
}

/// The scope of a key that may count.
pub(crate) struct WriteStock;

impl ScopeNames for WriteStock {
    const NAMES: &'static [&'static str] = &["stock:write"];
}

/// People, and keys that may look.
type MayLook = (Active, Scope<ReadStock>);

/// Keys that may count, and nobody else.
type MayCount = (Active, Scope<WriteStock>, Via<ByKey>);

/// The stock
#[utoipa::path(get, path = "/stock", tag = "stock", responses((status = OK, body = String)))]
#[axum::debug_handler(state = Users)]
async fn stock(user: CurrentUser<MayLook>) -> String {
    format!("12 shrubberies, as {} is told", user.email)
}

/// Counts the stock
#[utoipa::path(post, path = "/stock/count", tag = "stock", responses((status = NO_CONTENT)))]
#[axum::debug_handler(state = Users)]
async fn count(_: CurrentUser<MayCount>) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The users in `db`, and the keys by which machines act as some of them.
pub(crate) async fn users(db: DatabaseConnection, root: &Secret, keys: Vec<Entry>) -> Result<Users, Failed> {
    let store = Store::new(db);
    let secrets = Secrets::from_root(root, "users")?;
    let keys = ConfiguredKeys::new(keys, &store).await?;
    let session = DatabaseStrategy::new(store.clone(), Duration::from_hours(24));
    let backends = [
        Backend::new("api-key", HeaderTransport, keys).for_machines(),
        Backend::new("cookie", CookieTransport::new("session"), session),
    ];
    Ok(AxumUsers::new(UserManager::new(store, (), &secrets)?, backends)?)
}

/// The routers of the library, and the stock.
pub(crate) fn router(users: &Users) -> Result<Router, FinishError> {
    let mut router = OpenApiRouter::<Users>::default();
    for backend in users.backends().iter().filter(|backend| !backend.is_personal()) {
        router = router.nest(&format!("/auth/{}", backend.name()), auth_router(users, backend));
    }
    let (router, document) = router
        .nest("/auth", register_router(users))
        .nest("/users", users_router(users))
        .routes(users.guarded(MayLook::default(), routes!(stock)))
        .routes(users.guarded(MayCount::default(), routes!(count)))
        .split_for_parts();
    let document = users.finish(document)?;
    Ok(router
        .route("/openapi.json", get(async || Json(document)))
        .with_state(users.clone()))
}
