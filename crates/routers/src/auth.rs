//! `POST /login`, `POST /logout`.

use axum::{
    extract::{Extension, FromRequestParts, Request, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use axum_users_auth::{
    AxumUsers, Backend, Refusal, RequestContext,
    guard::{Active, Guard, Verified},
    login_form::LoginForm,
    openapi::Route,
    refusal::FieldError,
    transport::{BearerResponse, LoginAnswer},
};
use axum_users_core::{LoginError, Password, UserApi, UserOf};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{cross_origin, ready, route},
    refused::Refused,
};

/// Login and logout of one backend, to be mounted under a path of its own: `/auth/jwt`, say.
///
/// Login takes the form of OAuth 2 (and JSON after [`AxumUsers::json_login`]). It answers as the transport does: 200 with the
/// token, or 204 with a cookie. After [`AxumUsers::verified_only`] it lets in only users whose address is confirmed.
///
/// Logout ends the token of this backend that was presented, or else the one of another backend, and clears the cookie.
pub fn auth_router<A: UserApi, S>(users: &AxumUsers<A>, backend: &Backend<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let logout = if users.is_verified_only() {
        logout_route::<A, Verified>
    } else {
        logout_route::<A, Active>
    };
    let router = OpenApiRouter::default()
        .routes(login_route(users, backend).into())
        .routes(logout(users, backend).into())
        .layer(Extension(backend.clone()));
    ready(users, router)
}

fn login_route<A: UserApi>(users: &AxumUsers<A>, backend: &Backend<A>) -> Route<AxumUsers<A>> {
    let id = format!("auth:{}.login", backend.name());
    let mut login = route(users, Route::post("/login", login::<A>), &id)
        .tag("auth")
        .summary(format!("Log in ({})", backend.name()))
        .description("Signs a user in by e-mail address and password. Whatever is wrong with them, the answer is the same.")
        .accepts_form::<LoginForm>()
        .validates()
        .fails_with(if users.is_verified_only() { LoginError::DOCS } else { NOT_VERIFIED_ASIDE })
        .signs_in_to(users.scheme_name(backend));
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

const NOT_VERIFIED_ASIDE: &[axum_users_auth::openapi::ErrorDoc] = &[LoginError::DOCS[0]];

fn logout_route<A: UserApi, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
    backend: &Backend<A>,
) -> Route<AxumUsers<A>> {
    let id = format!("auth:{}.logout", backend.name());
    let logout = Route::post("/logout", logout::<A, G>);
    let logout = crate::mount::guarded_route(users, logout, &id, G::FORBIDS)
        .tag("auth")
        .summary(format!("Log out ({})", backend.name()))
        .description("Ends the session of the token that is presented.")
        .returns_empty(StatusCode::NO_CONTENT, "The session has ended.");
    crate::mount::unsafe_route(users, logout)
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
        .login(&backend, &form.username, password, &context)
        .await
        .map_err(Refused::refusal)?;
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
