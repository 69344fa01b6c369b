#![doc = include_str!("../README.md")]

pub mod customers;
pub mod staff;

use axum::{Json, Router, extract::FromRef, routing::get};
use axum_users::{
    Active, AxumUsers, UserApi, auth_router, openapi::FinishError, register_router, user_list_router,
    users_router,
};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    customers::{Customer, Customers},
    staff::{Clerk, Staff},
};

/// Both families.
#[derive(Debug, Clone, FromRef)]
pub struct AppState {
    /// Who works here.
    pub staff: AxumUsers<Staff>,
    /// Who buys here.
    pub customers: AxumUsers<Customers>,
}

/// Opens a drawer
#[utoipa::path(get, path = "/staff/drawer", responses((status = OK, body = String)))]
#[axum::debug_handler(state = AppState)]
async fn drawer(clerk: Clerk) -> String {
    drawer_of(&clerk)
}

/// Takes who works here; a customer does not fit.
///
/// ```compile_fail,E0308
/// use example_two_kinds::{customers::Customer, drawer_of};
///
/// fn a_customer_at_the_drawer(customer: &Customer) -> String {
///     drawer_of(customer)
/// }
/// ```
///
/// With `staff::Clerk` in the place of `customers::Customer` it compiles:
///
/// ```
/// use example_two_kinds::{drawer_of, staff::Clerk};
///
/// fn a_clerk_at_the_drawer(clerk: &Clerk) -> String {
///     drawer_of(clerk)
/// }
/// ```
pub fn drawer_of(clerk: &Clerk) -> String {
    format!("the drawer at {}", clerk.desk)
}

/// Looks into the basket
#[utoipa::path(get, path = "/shop/basket", responses((status = OK, body = String)))]
#[axum::debug_handler(state = AppState)]
async fn basket(customer: Customer) -> String {
    format!("the basket of {}", customer.email)
}

/// Who may be asked for help
#[utoipa::path(get, path = "/shop/help", responses((status = OK, body = String)))]
#[axum::debug_handler(state = AppState)]
async fn help(customer: Option<Customer>, clerk: Option<Clerk>) -> &'static str {
    match (clerk, customer) {
        (Some(_), _) => "You, I hope",
        (None, Some(_)) => "Anybody at a desk",
        (None, None) => "Sign in to ask",
    }
}

/// One application, one document, two families.
pub fn router(state: &AppState) -> Result<Router, FinishError> {
    let AppState { staff, customers } = state;
    let (router, api) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(logins("/staff", staff))
        .nest("/staff/users", users_router(staff))
        .nest("/staff/users", user_list_router(staff))
        .merge(logins("/shop", customers))
        .nest("/shop/auth", register_router(customers))
        .nest("/shop/users", users_router(customers))
        .routes(staff.guarded(Active, routes!(drawer)))
        .routes(customers.guarded(Active, routes!(basket)))
        .routes(routes!(help))
        .with_state(state.clone())
        .split_for_parts();
    let api = customers.finish(staff.finish(api)?)?;
    Ok(router.route("/openapi.json", get(async || Json(api))))
}

fn logins<A: UserApi>(prefix: &str, users: &AxumUsers<A>) -> OpenApiRouter<AppState> {
    users
        .backends()
        .iter()
        .fold(OpenApiRouter::default(), |app, backend| {
            app.nest(
                &format!("{prefix}/auth/{}", backend.name()),
                auth_router(users, backend),
            )
        })
}

#[derive(utoipa::OpenApi)]
#[openapi(info(title = "A shop and its staff"))]
struct Document;
