//! The users, and what is mounted where.

use std::{error::Error, time::Duration};

use axum::{Json, Router, routing::get};
use axum_users::{
    Active, AdminUpdate, AxumUsers, Backend, BearerTransport, DatabaseStrategy, SeaOrmUsers, Secret, Secrets,
    UserApi, UserCreate, UserManager, UserRead, UserUpdate, auth_router,
    openapi::FinishError,
    register_router,
    sea_orm::{ActiveValue, DatabaseConnection, IntoActiveModel},
    users_router,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;
use validator::Validate;

use crate::{account, username};

pub(crate) type Failed = Box<dyn Error + Send + Sync>;
pub(crate) type Users = AxumUsers<Api>;
pub(crate) type CurrentUser<G = Active> = axum_users::CurrentUser<Api, G>;

/// The users of this application.
pub(crate) struct Api;

impl UserApi for Api {
    type Store = SeaOrmUsers<account::Entity>;
    type Hooks = ();
    type Read = UserRead<Uuid, Named>;
    type Create = UserCreate<Named>;
    type Update = UserUpdate<Renamed>;
    type AdminRead = UserRead<Uuid, Named>;
    type AdminUpdate = AdminUpdate<Renamed>;
}

/// The user name, as it is shown and as it is given at registration.
#[derive(Serialize, Deserialize, ToSchema, Validate)]
pub(crate) struct Named {
    /// 3 to 30 letters of a to z, digits, dots, hyphens and underscores; upper case is lower case.
    #[validate(custom(function = username::validate))]
    #[schema(min_length = 3, max_length = 30, example = "king.arthur")]
    pub(crate) username: String,
}

/// The user name in a change; absent, it stays.
#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct Renamed {
    /// The new user name.
    #[validate(custom(function = username::validate))]
    #[schema(min_length = 3, max_length = 30, example = "king.arthur")]
    username: Option<String>,
}

impl From<account::Model> for Named {
    fn from(account: account::Model) -> Self {
        Self {
            username: account.username,
        }
    }
}

// Not derived: what is stored is the normal form.
impl IntoActiveModel<account::ActiveModel> for Named {
    fn into_active_model(self) -> account::ActiveModel {
        let username = Some(self.username);
        Renamed { username }.into_active_model()
    }
}

impl IntoActiveModel<account::ActiveModel> for Renamed {
    fn into_active_model(self) -> account::ActiveModel {
        let username = self.username.as_deref().and_then(username::normal);
        account::ActiveModel {
            username: username.map_or(ActiveValue::NotSet, ActiveValue::Set),
            ..account::ActiveModel::default()
        }
    }
}

/// Who is signed in
#[utoipa::path(get, path = "/hello", responses((status = OK, body = String)))]
#[axum::debug_handler(state = Users)]
async fn hello(user: CurrentUser) -> String {
    format!("Hello {}", user.username)
}

/// The users in `db`, who log in by e-mail address or by user name.
pub(crate) fn users(db: DatabaseConnection, root: &Secret) -> Result<Users, Failed> {
    let store = SeaOrmUsers::new(db).with_login(account::Column::Username, username::normal);
    let secrets = Secrets::from_root(root, "users")?;
    let session = DatabaseStrategy::new(store.clone(), Duration::from_hours(24));
    let session = Backend::new("session", BearerTransport::new(), session);
    let manager = UserManager::new(store, (), &secrets)?;
    Ok(AxumUsers::new(manager, [session])?)
}

/// The routers of the library, and a greeting.
pub(crate) fn router(users: &Users) -> Result<Router, FinishError> {
    let mut router = OpenApiRouter::<Users>::default();
    for backend in users.backends() {
        router = router.nest(&format!("/auth/{}", backend.name()), auth_router(users, backend));
    }
    let (router, document) = router
        .nest("/auth", register_router(users))
        .nest("/users", users_router(users))
        .routes(users.guarded(Active, routes!(hello)))
        .split_for_parts();
    let document = users.finish(document)?;
    Ok(router
        .route("/openapi.json", get(async || Json(document)))
        .with_state(users.clone()))
}
