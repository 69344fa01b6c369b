//! The users, the backends, and what is mounted where.

use std::{error::Error, time::Duration};

use axum::{Json, Router, routing::get};
use axum_users::{
    Active, AdminUpdate, AxumUsers, Backend, BearerTransport, DatabaseStrategy, PersonalTokens, Secret,
    Secrets, UserApi, UserCreate, UserManager, UserRead, UserUpdate, auth_router, openapi::FinishError,
    personal_tokens_router, register_router, sessions_router, user_list_router, users_router,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{customer::Profile, store::SqliteUsers};

pub(crate) type Failed = Box<dyn Error + Send + Sync>;
pub(crate) type Users = AxumUsers<Api>;
pub(crate) type CurrentUser<G = Active> = axum_users::CurrentUser<Api, G>;

/// The users of this application.
pub(crate) struct Api;

impl UserApi for Api {
    type Store = SqliteUsers;
    type Hooks = ();
    type Read = UserRead<i64, Profile>;
    type Create = UserCreate<Profile>;
    type Update = UserUpdate<Profile>;
    type AdminRead = UserRead<i64, Profile>;
    type AdminUpdate = AdminUpdate<Profile>;
}

/// What a customer is called, or else the address.
#[utoipa::path(get, path = "/hello", responses((status = OK, body = String)))]
#[axum::debug_handler(state = Users)]
async fn hello(user: CurrentUser) -> String {
    format!("Hello {}", user.full_name.as_ref().unwrap_or(&user.email))
}

/// The users, and the tokens that they make for machines.
pub(crate) struct Wired {
    pub(crate) users: Users,
    pub(crate) personal: PersonalTokens<SqliteUsers>,
}

/// The users in `store`.
pub(crate) fn users(store: &SqliteUsers, root: &Secret) -> Result<Wired, Failed> {
    let secrets = Secrets::from_root(root, "users")?;
    let personal = PersonalTokens::new(store.clone());
    let session = DatabaseStrategy::new(store.clone(), Duration::from_hours(24));
    let backends = [
        Backend::personal(&personal),
        Backend::new("session", BearerTransport::new(), session),
    ];
    let users = AxumUsers::new(UserManager::new(store.clone(), (), &secrets)?, backends)?;
    Ok(Wired { users, personal })
}

/// All routers that a store with all abilities can serve.
pub(crate) fn router(users: &Users, personal: &PersonalTokens<SqliteUsers>) -> Result<Router, FinishError> {
    let mut router = OpenApiRouter::<Users>::default();
    for backend in users.backends().iter().filter(|backend| !backend.is_personal()) {
        router = router.nest(&format!("/auth/{}", backend.name()), auth_router(users, backend));
    }
    let (router, document) = router
        .nest("/auth", register_router(users))
        .nest("/auth/sessions", sessions_router(users))
        .nest("/auth/tokens", personal_tokens_router(users, personal))
        .nest("/users", users_router(users))
        .nest("/users", user_list_router(users))
        .routes(users.guarded(Active, routes!(hello)))
        .split_for_parts();
    let document = users.finish(document)?;
    Ok(router
        .route("/openapi.json", get(async || Json(document)))
        .with_state(users.clone()))
}
