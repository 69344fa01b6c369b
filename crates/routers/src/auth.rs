//! `POST /login`, `POST /logout`.

use axum::{
    extract::{Extension, FromRequestParts, Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use axum_users_auth::{
    AxumUsers, Backend, CurrentUser, Refusal, RequestContext,
    guard::{Active, Guard, Interactive, Verified},
    login_form::LoginForm,
    openapi::Route,
    refusal::FieldError,
    transport::{BearerResponse, LoginAnswer},
};
use axum_users_core::{LoginError, Password, UserApi, UserOf};
use serde::Deserialize;
use utoipa::openapi::{ObjectBuilder, Type};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{cross_origin, guarded_route, invalid_query, limited, ready, route, to_the_end, unsafe_route},
    refused::{NOT_VERIFIED, Refused, TOO_MANY_SESSIONS},
};

/// Login and logout of one backend, to be mounted under a path of its own: `/auth/jwt`, say.
///
/// Login takes the form of OAuth 2 (and JSON after [`AxumUsers::json_login`]). It answers as the transport does: 200 with the
/// token, or 204 with a cookie. After [`AxumUsers::verified_only`] it lets in only users whose address is confirmed.
///
/// Logout ends the token of this backend that was presented, or else the one of another backend, and clears the cookie.
/// `POST /logout-all` ends all sessions of the user, of every backend; it is left out where the tokens of the backend are
/// stateless, since it could not end them. Personal access tokens are ended with `?personal_tokens=true` only.
pub fn auth_router<A: UserApi, S>(users: &AxumUsers<A>, backend: &Backend<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let router = if users.is_verified_only() {
        routes::<A, Verified>(users, backend)
    } else {
        routes::<A, Active>(users, backend)
    };
    ready(users, router.layer(Extension(backend.clone())))
}

fn routes<A: UserApi, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
    backend: &Backend<A>,
) -> OpenApiRouter<AxumUsers<A>> {
    let mut logouts = OpenApiRouter::default().routes(logout_route::<A, G>(users, backend).into());
    if !backend.strategy().is_stateless() {
        logouts = logouts.routes(logout_all_route::<A, G>(users, backend).into());
    }
    OpenApiRouter::default()
        .routes(login_route(users, backend).into())
        .merge(to_the_end(logouts))
}

fn login_route<A: UserApi>(users: &AxumUsers<A>, backend: &Backend<A>) -> Route<AxumUsers<A>> {
    let id = format!("auth:{}.login", backend.name());
    let mut login = route(users, Route::post("/login", login::<A>), &id)
        .tag("auth")
        .summary(format!("Log in ({})", backend.name()))
        .description("Signs a user in by e-mail address and password. Whatever is wrong with them, the answer is the same.")
        .accepts_form::<LoginForm>()
        .validates()
        .fails_with(LoginError::DOCS)
        .signs_in_to(users.scheme_name(backend));
    login = limited(users, login);
    if users.is_verified_only() {
        login = login.fails_with(&[NOT_VERIFIED]);
    }
    if backend.strategy().refuses_at_limit() {
        login = login.fails_with(&[TOO_MANY_SESSIONS]);
    }
    if users.takes_json_login() {
        login = login.accepts_fields::<LoginForm>();
    }
    if backend.transport().is_ambient() {
        login = cross_origin(login);
    }
    match backend.transport().login_answer() {
        LoginAnswer::Cookie => {
            let login = login.returns_empty(StatusCode::NO_CONTENT, "Signed in; the cookie is set.");
            login.sends_header(StatusCode::NO_CONTENT, "Set-Cookie", "The session.")
        }
        _ => login.returns_shared::<BearerResponse>(StatusCode::OK, "Signed in."),
    }
}

fn logout_route<A: UserApi, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
    backend: &Backend<A>,
) -> Route<AxumUsers<A>> {
    let id = format!("auth:{}.logout", backend.name());
    let logout = Route::post("/logout", logout::<A, G>);
    let logout = guarded_route::<A, (Interactive, G)>(users, logout, &id)
        .tag("auth")
        .summary(format!("Log out ({})", backend.name()))
        .description("Ends the session of the token that is presented.")
        .returns_empty(StatusCode::NO_CONTENT, "The session has ended.");
    unsafe_route(users, logout)
}

fn logout_all_route<A: UserApi, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
    backend: &Backend<A>,
) -> Route<AxumUsers<A>> {
    let id = format!("auth:{}.logout_all", backend.name());
    let logout = Route::post("/logout-all", logout_all::<A, G>);
    let mut logout = guarded_route::<A, (Interactive, G)>(users, logout, &id)
        .tag("auth")
        .summary(format!("Log out everywhere ({})", backend.name()))
        .description("Ends all sessions of the user, on every device and of every backend.")
        .returns_empty(StatusCode::NO_CONTENT, "All sessions have ended.");
    if users.backends().iter().any(Backend::is_personal) {
        let flag = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .default(Some(false.into()));
        logout = logout.validates().query_param(
            "personal_tokens",
            flag,
            "Whether the personal access tokens end too.",
        );
    }
    unsafe_route(users, logout)
}

/// Signs a user in.
async fn login<A: UserApi>(
    State(users): State<AxumUsers<A>>,
    Extension(backend): Extension<Backend<A>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let Ok(RequestContext(context)) = RequestContext::from_request_parts(&mut parts, &users).await;
    users.check_origin(&backend, &parts, &context)?;
    let headers = parts.headers.clone();
    let form =
        LoginForm::from_request_with(Request::from_parts(parts, body), users.takes_json_login()).await?;
    let password = Password::parse(&form.password).map_err(|_| {
        Refusal::invalid(vec![FieldError::in_body(
            "password",
            "too_long",
            "A password has at most 1024 bytes",
        )])
    })?;
    let token = users
        .login_from(&headers, &backend, &form.username, password, &context)
        .await?;
    Ok(backend.transport().sign_in(&token).into_response())
}

/// Ends a session.
async fn logout<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    Extension(backend): Extension<Backend<A>>,
    parts: Parts,
) -> Result<Response, Refusal> {
    users.logout::<G>(&backend, &parts).await
}

#[derive(Debug, Deserialize)]
struct Everything {
    #[serde(default)]
    personal_tokens: bool,
}

/// Ends all sessions.
async fn logout_all<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    Extension(backend): Extension<Backend<A>>,
    everything: Result<Query<Everything>, QueryRejection>,
    mut parts: Parts,
) -> Result<Response, Refusal> {
    let personal_tokens = everything.map(|Query(everything)| everything.personal_tokens);
    // Who is not signed in learns that first.
    let current = CurrentUser::<A, (Interactive, G)>::from_request_parts(&mut parts, &users).await?;
    drop(current);
    let personal_tokens = personal_tokens.map_err(|_| invalid_query("personal_tokens"))?;
    users.logout_all::<G>(&backend, &mut parts, personal_tokens).await
}
