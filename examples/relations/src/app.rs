//! The users, and what is mounted where.

use std::{error::Error, time::Duration};

use axum::{Json, Router, extract::FromRef, routing::get};
use axum_users::{
    Active, AdminUpdate, AxumUsers, Backend, BearerTransport, DatabaseStrategy, NoExtra, SeaOrmUsers, Secret,
    Secrets, UserApi, UserCreate, UserManager, UserRead, UserUpdate, auth_router, openapi::FinishError,
    register_router, users_router,
};
use sea_orm::{DatabaseConnection, DeriveIntoActiveModel};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;
use validator::Validate;

use crate::{
    entities::{customer, wallet},
    shop,
};

pub(crate) type Failed = Box<dyn Error + Send + Sync>;
pub(crate) type Store = SeaOrmUsers<customer::Entity>;
pub(crate) type Users = AxumUsers<Api>;
pub(crate) type CurrentUser<G = Active> = axum_users::CurrentUser<Api, G>;

/// The users of this application.
pub(crate) struct Api;

impl UserApi for Api {
    type Store = Store;
    type Hooks = ();
    type Read = UserRead<Uuid, Profile>;
    type Create = UserCreate<NewCustomer>;
    type Update = UserUpdate;
    type AdminRead = UserRead<Uuid, Profile>;
    type AdminUpdate = AdminUpdate<NoExtra>;
}

/// What a new customer says beside address and password.
#[derive(Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "customer::ActiveModel")]
pub(crate) struct NewCustomer {
    /// What to pay in.
    #[validate(length(equal = 3))]
    #[schema(example = "EUR")]
    pub(crate) currency: String,
}

/// What is shown of a customer beside address and flags.
#[derive(Serialize, ToSchema)]
pub(crate) struct Profile {
    currency: String,
}

impl From<customer::Model> for Profile {
    fn from(customer: customer::Model) -> Self {
        Self {
            currency: customer.currency,
        }
    }
}

/// The state of the handlers: the users, and the database that the shop shares with them.
#[derive(Clone)]
pub(crate) struct Shop {
    users: Users,
    pub(crate) db: DatabaseConnection,
}

impl FromRef<Shop> for Users {
    fn from_ref(shop: &Shop) -> Self {
        shop.users.clone()
    }
}

/// The users in `db`, each of whom has a wallet.
pub(crate) fn users(db: DatabaseConnection, root: &Secret) -> Result<Users, Failed> {
    let secrets = Secrets::from_root(root, "users")?;
    let store = Store::new(db).with_companion(|tx, customer| Box::pin(wallet::open(tx, customer)));
    let session = DatabaseStrategy::new(store.clone(), Duration::from_hours(24));
    let session = Backend::new("session", BearerTransport::new(), session);
    let manager = UserManager::new(store, (), &secrets)?;
    Ok(AxumUsers::new(manager, [session])?)
}

/// The routers of the library, and the shop.
pub(crate) fn router(users: &Users) -> Result<Router, FinishError> {
    let shop = Shop {
        users: users.clone(),
        db: users.manager().store().connection().clone(),
    };
    let mut router = OpenApiRouter::<Shop>::default();
    for backend in users.backends() {
        router = router.nest(&format!("/auth/{}", backend.name()), auth_router(users, backend));
    }
    let (router, document) = router
        .nest("/auth", register_router(users))
        .nest("/users", users_router(users))
        .routes(users.guarded(Active, routes!(shop::account)))
        .routes(users.guarded(Active, routes!(shop::order)))
        .split_for_parts();
    let document = users.finish(document)?;
    Ok(router
        .route("/openapi.json", get(async || Json(document)))
        .with_state(shop))
}
