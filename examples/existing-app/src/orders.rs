//! What the shop is about, now behind guards.

use std::sync::PoisonError;

use axum::{Json, extract::State, http::StatusCode};
use axum_users::{Active, Superuser, sea_orm::prelude::Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{AppState, CurrentUser, Problem, Users};

pub(crate) fn router(users: &Users) -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(users.guarded(Active, routes!(place)))
        .routes(users.guarded(Active, routes!(mine)))
        .routes(users.guarded(Superuser, routes!(all)))
}

/// What somebody wants.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Order {
    /// Whose it is.
    buyer: Uuid,
    /// What it is about.
    item: String,
}

#[derive(Deserialize, ToSchema)]
struct NewOrder {
    item: String,
}

/// Order something
#[utoipa::path(
    post,
    path = "/",
    tag = "orders",
    responses(
        (status = CREATED, body = Order),
        (status = CONFLICT, description = "`OUT_OF_STOCK`", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[axum::debug_handler(state = AppState)]
async fn place(
    user: CurrentUser,
    State(state): State<AppState>,
    Json(order): Json<NewOrder>,
) -> Result<(StatusCode, Json<Order>), Problem> {
    if order.item == "grail" {
        return Err(Problem::new(StatusCode::CONFLICT, "OUT_OF_STOCK"));
    }
    let order = Order {
        buyer: user.id,
        item: order.item,
    };
    state.orders().push(order.clone());
    Ok((StatusCode::CREATED, Json(order)))
}

/// My orders
#[utoipa::path(get, path = "/", tag = "orders", responses((status = OK, body = Vec<Order>)))]
#[axum::debug_handler(state = AppState)]
async fn mine(user: CurrentUser, State(state): State<AppState>) -> Json<Vec<Order>> {
    let orders = state.orders();
    Json(
        orders
            .iter()
            .filter(|order| order.buyer == user.id)
            .cloned()
            .collect(),
    )
}

/// Everybody's orders
#[utoipa::path(get, path = "/all", tag = "orders", responses((status = OK, body = Vec<Order>)))]
#[axum::debug_handler(state = AppState)]
async fn all(State(state): State<AppState>) -> Json<Vec<Order>> {
    Json(state.orders().clone())
}

impl AppState {
    fn orders(&self) -> std::sync::MutexGuard<'_, Vec<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
