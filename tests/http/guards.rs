//! Handlers of the application's own, behind guards.

use std::sync::Arc;

use axum::{
    Json, Router, extract::FromRef, middleware::from_fn_with_state, response::IntoResponse, routing::get,
};
use axum_users::{
    Any, AxumUsers, CurrentUser, Refusal, SignedIn, Superuser, User, Verified,
    guard::{Active, BackendNames, Guard, Via},
};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::harness::{
    Answer, Api, App, BACKENDS, Call, Database, SqliteInMemory, Wiring, account::entity::Model, app,
    on_every_database, wired,
};

type Users = AxumUsers<Api<SqliteInMemory>>;
type Current<G = Active> = CurrentUser<Api<SqliteInMemory>, G>;

const EMAIL: &str = "arthur@camelot.bt";

on_every_database! {
    ;
    a_request_with_a_token_costs_one_statement,
}

/// Lets pass whose first name is Arthur: a guard on a column of the application's own.
struct Arthur;

impl Guard<Model> for Arthur {
    fn check(signed_in: &SignedIn<Model>) -> Result<(), Refusal> {
        match signed_in.user.first_name.as_str() {
            "Arthur" => Ok(()),
            "" => Err(Refusal::unauthorized([])),
            _ => Err(Refusal::coded(axum::http::StatusCode::FORBIDDEN, "ONLY_ARTHUR")),
        }
    }
}

struct Cookies;

impl BackendNames for Cookies {
    const NAMES: &'static [&'static str] = &["cookie", "cookie-jwt"];
}

async fn guarded<G>(user: Current<G>) -> String {
    format!("{} by {}", user.first_name, user.session().backend)
}

async fn maybe<G: Guard<Model>>(user: Option<Current<G>>) -> String {
    user.map_or("nobody".to_owned(), |user| user.email.clone())
}

async fn twice(
    first: Current,
    second: Current<(Verified, Superuser)>,
    third: Option<Current<Any>>,
) -> String {
    format!("{} {} {}", first.id, second.id, third.is_some())
}

fn own_routes(users: &Users) -> OpenApiRouter {
    OpenApiRouter::new()
        .route("/any", get(guarded::<Any>))
        .route("/active", get(guarded::<Active>))
        .route("/verified", get(guarded::<Verified>))
        .route("/superuser", get(guarded::<Superuser>))
        .route("/both", get(guarded::<(Verified, Superuser)>))
        .route("/arthur", get(guarded::<(Active, Arthur)>))
        .route("/cookies", get(guarded::<(Active, Via<Cookies>)>))
        .route("/maybe", get(maybe::<Active>))
        .route("/maybe-superuser", get(maybe::<Superuser>))
        .route("/twice", get(twice))
        .with_state(users.clone())
}

async fn guarded_app() -> App<SqliteInMemory> {
    wired(Wiring::usual().mount(own_routes)).await
}

impl App<SqliteInMemory> {
    async fn statuses(&self, token: &crate::harness::Token) -> [u16; 7] {
        let mut statuses = [0; 7];
        let paths = [
            "/any",
            "/active",
            "/verified",
            "/superuser",
            "/both",
            "/arthur",
            "/cookies",
        ];
        for (status, path) in statuses.iter_mut().zip(paths) {
            *status = self.get(path).by(token).await.status;
        }
        statuses
    }
}

#[tokio::test]
async fn each_guard_lets_pass_whom_it_names() {
    let app = guarded_app().await;
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    assert_eq!(app.statuses(&token).await, [200, 200, 403, 403, 403, 401, 401]);
    app.set_verified(EMAIL).await;
    assert_eq!(app.statuses(&token).await, [200, 200, 200, 403, 403, 401, 401]);
    app.change(EMAIL, |change| change.set.is_superuser = Some(true))
        .await;
    assert_eq!(app.statuses(&token).await, [200, 200, 200, 200, 200, 401, 401]);
    let name = async |name: &str| {
        let body = json!({ "first_name": name });
        app.patch("/users/me").by(&token).json(body).await.is(200);
    };
    name("Kay").await;
    app.get("/arthur").by(&token).await.refused(403, "ONLY_ARTHUR");
    name("Arthur").await;
    assert_eq!(
        app.get("/arthur").by(&token).await.is(200).body,
        "Arthur by token"
    );
    let cookie = app.login("cookie", EMAIL).await;
    assert_eq!(
        app.get("/cookies").by(&token).by(&cookie).await.is(200).body,
        "Arthur by cookie"
    );
    app.set_active(EMAIL, false).await;
    assert_eq!(app.statuses(&token).await, [200, 401, 401, 401, 401, 401, 401]);
}

#[tokio::test]
async fn a_401_says_how_to_sign_in() {
    let app = guarded_app().await;
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    let challenge = |answer: Answer| {
        let answer = answer.refused(401, "UNAUTHORIZED");
        let all = answer.headers.get_all("www-authenticate");
        assert_eq!(all.iter().count(), 1, "{all:?}");
        answer.header("www-authenticate").to_owned()
    };
    for path in ["/active", "/verified", "/users/me", "/cookies"] {
        assert_eq!(challenge(app.get(path).await), "Bearer", "{path}");
        // Another scheme is no token of ours.
        assert_eq!(
            challenge(app.get(path).header("authorization", "Basic YTpi").await),
            "Bearer"
        );
        let cookie = app.get(path).header("cookie", "__Host-session=x").await;
        assert_eq!(challenge(cookie), r#"Bearer error="invalid_token""#, "{path}");
    }
    for bad in ["x", "", "a b"] {
        let answer = app.get("/active").bearer(bad).await;
        assert_eq!(challenge(answer), r#"Bearer error="invalid_token""#);
    }
    // The guard of the application refuses without knowing the backends.
    assert_eq!(
        challenge(app.get("/arthur").by(&token).await),
        r#"Bearer error="invalid_token""#
    );
    for (path, status) in [("/superuser", 403), ("/active", 200)] {
        let answer = app.get(path).by(&token).await.is(status);
        assert_eq!(answer.header("www-authenticate"), "");
    }
}

#[tokio::test]
async fn nobody_is_none_where_the_user_is_optional() {
    let app = guarded_app().await;
    app.register(EMAIL).await;
    let token = app.login("jwt", EMAIL).await;
    for (path, expected) in [("/maybe", EMAIL), ("/maybe-superuser", "nobody")] {
        assert_eq!(app.get(path).await.is(200).body, "nobody");
        assert_eq!(app.get(path).bearer("bad").await.is(200).body, "nobody");
        assert_eq!(app.get(path).by(&token).await.is(200).body, expected);
    }
    app.set_active(EMAIL, false).await;
    assert_eq!(app.get("/maybe").by(&token).await.is(200).body, "nobody");
}

#[tokio::test]
async fn several_guards_in_one_request_cost_one_look_up() {
    let app = guarded_app().await;
    app.superuser(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    for path in ["/active", "/twice"] {
        let before = app.store.calls();
        app.db.statements().take();
        app.get(path).by(&token).await.is(200);
        assert_eq!(app.store.calls() - before, 1, "{path}");
        assert_eq!(app.db.statements().take().len(), 1, "{path}");
    }
}

async fn a_request_with_a_token_costs_one_statement<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    for (backend, token) in app.login_everywhere(EMAIL).await {
        app.db.statements().take();
        app.get("/users/me").by(&token).await.is(200);
        let sent = app.db.statements().take();
        assert_eq!(sent.len(), 1, "{backend}: {sent:?}");
        app.get("/users/me").await.is(401);
        assert_eq!(
            app.db.statements().take(),
            [""; 0],
            "without a token nobody is asked for"
        );
    }
    // What cannot be a token of ours is refused without asking.
    for junk in ["x", "eyJhbGciOiJub25lIn0.e30.", &"A".repeat(49)] {
        app.get("/users/me").bearer(junk).await.is(401);
        assert_eq!(app.db.statements().take(), [""; 0], "{junk}");
    }
}

#[tokio::test]
async fn a_whole_router_is_protected_at_once() {
    let app = wired(Wiring::usual().mount(|users| {
        let inner = Router::new()
            .route("/statistics", get(async |user: Current| user.email.clone()))
            .with_state(users.clone());
        OpenApiRouter::from(Router::new().nest("/admin", users.protect(Superuser, inner)))
    }))
    .await;
    app.register("kay@camelot.bt").await;
    app.superuser(EMAIL).await;
    let (user, admin) = (
        app.login("token", "kay@camelot.bt").await,
        app.login("token", EMAIL).await,
    );
    app.get("/admin/statistics").await.refused(401, "UNAUTHORIZED");
    app.get("/admin/statistics")
        .by(&user)
        .await
        .refused(403, "FORBIDDEN");
    let before = app.store.calls();
    assert_eq!(app.get("/admin/statistics").by(&admin).await.is(200).body, EMAIL);
    assert_eq!(
        app.store.calls() - before,
        1,
        "the handler takes what the guard has found"
    );
    app.get("/admin/nothing").await.is(404);
}

/// How many knights there are; the handler itself asks nobody who they are.
#[utoipa::path(get, path = "/knights", responses((status = OK, body = String)))]
async fn knights() -> &'static str {
    "150"
}

/// Sends them all away.
#[utoipa::path(post, path = "/knights", responses((status = OK, body = String)))]
async fn dismiss() -> &'static str {
    "0"
}

#[tokio::test]
async fn handlers_without_a_user_in_their_signature_are_guarded_all_the_same() {
    let app = wired(Wiring::usual().mount(|users| {
        let by_cookie = users.guarded((Verified, Via::<Cookies>::new()), routes!(knights));
        OpenApiRouter::new()
            .routes(users.guarded(Superuser, routes!(knights, dismiss)))
            .nest("/by-cookie", OpenApiRouter::new().routes(by_cookie))
    }))
    .await;
    app.register("kay@camelot.bt").await;
    app.set_verified("kay@camelot.bt").await;
    app.superuser(EMAIL).await;
    for (method, body) in [("GET", "150"), ("POST", "0")] {
        let call = || app.call(method, "/knights");
        call().await.refused(401, "UNAUTHORIZED").hides(body);
        call().bearer("x").await.refused(401, "UNAUTHORIZED").hides(body);
        for (backend, token) in app.login_everywhere("kay@camelot.bt").await {
            call().by(&token).await.refused(403, "FORBIDDEN").hides(body);
            let status = if backend.starts_with("cookie") { 200 } else { 401 };
            app.get("/by-cookie/knights").by(&token).await.is(status);
        }
        for (backend, token) in app.login_everywhere(EMAIL).await {
            let before = app.store.calls();
            assert_eq!(call().by(&token).await.is(200).body, body, "{backend}");
            assert_eq!(app.store.calls() - before, 1, "{backend}");
        }
    }
    let (cookie, bearer) = (app.login("cookie", EMAIL).await, app.login("token", EMAIL).await);
    let call = || app.post("/knights").cross_site();
    call().by(&cookie).await.refused(403, "CROSS_ORIGIN_REQUEST");
    call().by(&bearer).await.is(200);
    app.set_active(EMAIL, false).await;
    app.get("/knights").by(&bearer).await.refused(401, "UNAUTHORIZED");
}

#[derive(Clone)]
struct AppState {
    users: Users,
    name: &'static str,
}

impl FromRef<AppState> for Users {
    fn from_ref(state: &AppState) -> Self {
        state.users.clone()
    }
}

async fn of_the_app(
    axum::extract::State(state): axum::extract::State<AppState>,
    user: Current<Verified>,
) -> impl IntoResponse {
    Json(json!({"app": state.name, "user": user.email}))
}

async fn behind_an_arc(
    axum::extract::State(state): axum::extract::State<Arc<AppState>>,
    user: Current<Verified>,
) -> impl IntoResponse {
    Json(json!({"app": state.name, "user": user.email}))
}

#[tokio::test]
async fn the_users_may_be_a_part_of_the_applications_state() {
    let app = app().await;
    let state = AppState {
        users: app.users.clone(),
        name: "Camelot",
    };
    let shared = Router::new()
        .route("/castle", get(behind_an_arc))
        .with_state(Arc::new(state.clone()));
    let plain = Router::new().route("/castle", get(of_the_app)).with_state(state);
    app.register(EMAIL).await;
    app.set_verified(EMAIL).await;
    for router in [plain, shared] {
        let call = || Call::new(&router, "GET", "/castle");
        for backend in BACKENDS {
            let token = app.login(backend, EMAIL).await;
            let answer = call().by(&token).await.is(200);
            assert_eq!(answer.json(), json!({"app": "Camelot", "user": EMAIL}));
        }
        call().await.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn a_layer_of_the_application_may_look_first() {
    async fn note(
        user: Option<Current<Any>>,
        request: axum::extract::Request,
        next: axum::middleware::Next,
    ) -> axum::response::Response {
        let who = user.map_or("nobody".to_owned(), |user| user.id().to_string());
        let mut response = next.run(request).await;
        response
            .headers_mut()
            .insert("x-user", who.parse().expect("ASCII"));
        response
    }

    async fn active(user: Current) -> String {
        user.email.clone()
    }

    let app = app().await;
    let id = app.user(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    let state = app.users.clone();
    let router = Router::new()
        .route("/castle", get(active))
        .layer(from_fn_with_state(state.clone(), note))
        .with_state(state);
    let before = app.store.calls();
    let answer = Call::new(&router, "GET", "/castle").by(&token).await.is(200);
    assert_eq!(
        (answer.body.as_str(), answer.header("x-user")),
        (EMAIL, id.as_str())
    );
    assert_eq!(app.store.calls() - before, 1);
    let answer = Call::new(&router, "GET", "/castle").await.is(401);
    assert_eq!(answer.header("x-user"), "nobody");
}

#[tokio::test]
async fn a_store_that_is_down_is_no_missing_login() {
    let app = guarded_app().await;
    app.superuser(EMAIL).await;
    let (reset, id) = (app.reset_token(EMAIL).await, app.user("kay@camelot.bt").await);
    let verify = app.verify_token("kay@camelot.bt").await;
    for (backend, token) in app.login_everywhere(EMAIL).await {
        let by_id = format!("/users/{id}");
        let login = format!("/auth/{backend}/login");
        let logout = format!("/auth/{backend}/logout");
        let calls = || {
            [
                app.get("/any").by(&token),
                app.get("/active").by(&token),
                app.get("/maybe").by(&token),
                app.get("/maybe-superuser").by(&token),
                app.get("/users/me").by(&token),
                app.patch("/users/me").by(&token).json(json!({"first_name": "A"})),
                app.post("/users/me/delete").by(&token).json(json!({})),
                app.get("/users").by(&token),
                app.get(&by_id).by(&token),
                app.delete(&by_id).by(&token),
                app.post(&logout).by(&token),
                app.post(&login)
                    .form(&[("username", EMAIL), ("password", "wrong wrong")]),
                app.post("/auth/register")
                    .json(json!({"email": "x@y.bt", "password": "long enough"})),
                app.post("/auth/forgot-password").json(json!({"email": EMAIL})),
                app.post("/auth/forgot-password")
                    .json(json!({"email": "nobody@camelot.bt"})),
                app.post("/auth/request-verify-token")
                    .json(json!({"email": EMAIL})),
                app.reset(&reset, "long enough"),
                app.verify(&verify),
            ]
        };
        app.store.down(true);
        for call in calls() {
            let answer = call
                .await
                .refused(503, "SERVICE_UNAVAILABLE")
                .hides("db.internal");
            assert_eq!(answer.header("retry-after"), "1");
            answer.is_hardened();
        }
        app.get("/maybe").await.is(200);
        app.get("/users/me").await.is(401);
        app.store.down(false);
        for call in calls().into_iter().take(5) {
            assert_eq!(call.await.status, 200, "{backend} after recovery");
        }
    }
    app.reset(&reset, "long enough").await.is(200);
    app.verify(&verify).await.is(200);
}
