//! What all routers share: how a body is read, and how a router is made ready to be mounted.

use std::{panic::resume_unwind, time::Duration};

use axum::{
    Extension,
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn, map_response},
    response::{IntoResponse, Response},
};
use axum_users_auth::{
    AxumUsers, CROSS_ORIGIN_REQUEST, Refusal,
    guard::Guard,
    json::{no_store, whole_body},
    openapi::{ErrorDoc, Route},
    refusal::{FieldError, Source, restyle},
};
use axum_users_core::{UserApi, UserOf};
use tracing::{Instrument, instrument::WithSubscriber};
use utoipa_axum::router::OpenApiRouter;

const CROSS_ORIGIN: ErrorDoc = ErrorDoc::coded(
    StatusCode::FORBIDDEN,
    CROSS_ORIGIN_REQUEST,
    "The request carries a cookie and was caused by a page of another origin.",
);

const TOO_MANY: ErrorDoc = ErrorDoc::plain(
    StatusCode::TOO_MANY_REQUESTS,
    "Too much was tried, by this client, for this account, or for this address of mail.",
);

/// Documents that a route is limited, where anything is.
pub(crate) fn limited<A: UserApi>(users: &AxumUsers<A>, route: Route<AxumUsers<A>>) -> Route<AxumUsers<A>> {
    if users.manager().limits().is_on() {
        route.fails_with(&[TOO_MANY])
    } else {
        route
    }
}

/// Refuses a parameter of the query that cannot be read.
pub(crate) fn invalid_query(field: &'static str) -> Refusal {
    let (code, message) = ("invalid", "This value has the wrong type or form");
    Refusal::invalid(vec![FieldError::new(Source::Query, [field], code, message)])
}

/// A route of this family: what the document says of all of them.
pub(crate) fn route<A: UserApi>(
    users: &AxumUsers<A>,
    route: Route<AxumUsers<A>>,
    id: &str,
) -> Route<AxumUsers<A>> {
    let route = route
        .id(users.operation_id(id))
        .style(users.style())
        .may_be_unavailable();
    match users.family() {
        Some(family) => route.named(family),
        None => route,
    }
}

/// The same for a route that the guard `G` keeps: security schemes, 401, and 403 where the guard forbids.
pub(crate) fn guarded_route<A: UserApi, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
    route: Route<AxumUsers<A>>,
    id: &str,
) -> Route<AxumUsers<A>> {
    self::route(users, route, id)
        .secured(&users.schemes_for::<G>())
        .fails_with(&users.refusals_of::<G>())
}

/// Documents that a route which changes something refuses cookies with requests of other origins.
pub(crate) fn unsafe_route<A: UserApi>(
    users: &AxumUsers<A>,
    route: Route<AxumUsers<A>>,
) -> Route<AxumUsers<A>> {
    if users
        .backends()
        .iter()
        .any(|backend| backend.transport().is_ambient())
    {
        cross_origin(route)
    } else {
        route
    }
}

pub(crate) fn cross_origin<S: Clone + Send + Sync + 'static>(route: Route<S>) -> Route<S> {
    route.fails_with(&[CROSS_ORIGIN])
}

/// Lets the handlers of a router run to their end although their clients go away: what was changed is then told, mailed and
/// counted as well. Not for logins, which hash for whoever asks.
pub(crate) fn to_the_end<S>(router: OpenApiRouter<S>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn(run_to_the_end))
}

async fn run_to_the_end(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let run = next.run(request).in_current_span().with_current_subscriber();
    match tokio::spawn(run).await {
        Ok(response) => response,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends.
            Err(_) => Refusal::unavailable(Duration::from_secs(1)).into_response(),
        },
    }
}

/// Gives a router its state, its limits and its way to refuse.
pub(crate) fn ready<A: UserApi, S>(
    users: &AxumUsers<A>,
    router: OpenApiRouter<AxumUsers<A>>,
) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    router
        .layer(from_fn(whole_body))
        .layer(map_response(restyle(users.style())))
        .layer(map_response(async |response| no_store(response)))
        .layer(Extension(users.limit()))
        .with_state(users.clone())
}
