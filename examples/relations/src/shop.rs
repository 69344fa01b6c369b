//! What customers see and do.

use axum::{Json, extract::State, http::StatusCode};
use axum_users::{Failure, Refusal};
use sea_orm::{DbErr, EntityLoaderTrait as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::{CurrentUser, Shop},
    entities::{customer, order, wallet},
};

/// The account of a customer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    email: String,
    currency: String,
    cents: i64,
    orders: Vec<Order>,
}

/// An order.
#[derive(Serialize, ToSchema)]
pub(crate) struct Order {
    id: i64,
    item: String,
    cents: i64,
}

impl From<order::ModelEx> for Order {
    fn from(order: order::ModelEx) -> Self {
        let order::ModelEx { id, item, cents, .. } = order;
        Self { id, item, cents }
    }
}

/// What a customer wants.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewOrder {
    item: String,
    /// What it costs.
    cents: u32,
}

/// The customer with wallet and orders
#[utoipa::path(get, path = "/account", tag = "shop", responses((status = OK, body = Account)))]
#[axum::debug_handler(state = Shop)]
pub(crate) async fn account(user: CurrentUser, State(shop): State<Shop>) -> Result<Json<Account>, Refusal> {
    // Two statements: one joins the wallet, which every customer has once, the other gets the orders.
    let customer = customer::Entity::load()
        .filter_by_id(user.id)
        .with(wallet::Entity)
        .with(order::Entity)
        .one(&shop.db);
    // `None`: removed since the guard let them in.
    let customer = customer.await.map_err(broken)?.ok_or_else(Refusal::not_found)?;
    let wallet = customer.wallet.into_option().ok_or_else(Refusal::internal)?;
    Ok(Json(Account {
        email: customer.email,
        currency: wallet.currency,
        cents: wallet.cents,
        orders: customer.orders.into_iter().map(Order::from).collect(),
    }))
}

/// Order something, and pay out of the wallet
#[utoipa::path(
    post,
    path = "/orders",
    tag = "shop",
    responses((status = CREATED, body = Order), (status = CONFLICT, description = "`WALLET_TOO_EMPTY`")),
)]
#[axum::debug_handler(state = Shop)]
pub(crate) async fn order(
    user: CurrentUser,
    State(shop): State<Shop>,
    Json(new): Json<NewOrder>,
) -> Result<(StatusCode, Json<Order>), Refusal> {
    let order = order::place(&shop.db, user.id, new.item, new.cents.into()).await;
    let Some(order) = order.map_err(broken)? else {
        return Err(Refusal::coded(StatusCode::CONFLICT, "WALLET_TOO_EMPTY"));
    };
    let order::Model { id, item, cents, .. } = order;
    Ok((StatusCode::CREATED, Json(Order { id, item, cents })))
}

/// 500, with the cause in the log alone.
fn broken(error: DbErr) -> Refusal {
    Failure::internal(error).into()
}
