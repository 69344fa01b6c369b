//! The kit itself: whoever is signed in is, and what is not as it must be fails the test.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use std::{borrow::Cow, time::Duration};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use axum_users_auth::{
    AxumUsers, Backend, CurrentUser,
    guard::{Any, Superuser},
    refusal::Challenge,
    strategy::{DatabaseStrategy, IssuedToken, JwtStrategy, PersonalTokens},
    transport::{BearerTransport, CookieTransport, LoginAnswer, Transport},
};
use axum_users_core::{
    EndSessions, Failure, InMemoryUsers, LoginError, Password, RateLimits, RevocationReason, Secret, Secrets,
    SessionStore, TokenRecord, UserManager,
};
use axum_users_testing::{InMemoryApi, PASSWORD, TestApp, Token};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

type Api = InMemoryApi;

#[derive(Debug)]
struct HeaderTransport {
    documented: &'static str,
}

impl Transport for HeaderTransport {
    fn read<'h>(&self, headers: &'h HeaderMap) -> Option<Cow<'h, str>> {
        headers.get("x-api-key")?.to_str().ok().map(Cow::Borrowed)
    }
    fn sign_in(&self, token: &IssuedToken) -> Response {
        token.expose().to_owned().into_response()
    }
    fn sign_out(&self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
    fn login_answer(&self) -> LoginAnswer {
        LoginAnswer::Body
    }
    fn scheme(&self) -> SecurityScheme {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(self.documented)))
    }
    fn challenge(&self) -> Option<Challenge> {
        None
    }
}

async fn by<G>(user: CurrentUser<Api, G>) -> String {
    user.session().backend.clone()
}

fn router(users: &AxumUsers<Api>) -> Router {
    Router::new()
        .route("/", get(by::<axum_users_auth::guard::Active>).post(by::<Any>))
        .route("/any", get(by::<Any>))
        .route("/superuser", get(by::<Superuser>))
        .route("/echo", post(async |body: String| body))
        .with_state(users.clone())
}

fn users() -> AxumUsers<Api> {
    let root = Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx");
    let secrets = Secrets::from_root(&root, "users").expect("the root is a secret");
    let store = InMemoryUsers::new();
    let jwt = JwtStrategy::new(secrets.access(), Duration::from_hours(1), store.clone());
    let opaque = || DatabaseStrategy::new(store.clone(), Duration::from_hours(24));
    let documented = "X-Api-Key";
    let backends = [
        Backend::personal(&PersonalTokens::new(store.clone())),
        Backend::new("cookie", CookieTransport::new("session"), opaque()),
        Backend::new("jwt", BearerTransport::new(), jwt),
        Backend::new("key", HeaderTransport { documented }, opaque()),
    ];
    let manager = UserManager::new(store.clone(), (), &secrets).expect("threads can be started");
    AxumUsers::new(manager, backends).expect("the backends are sound")
}

fn app() -> TestApp<Api> {
    TestApp::new(users(), router)
}

#[tokio::test]
async fn the_first_backend_with_a_login_signs_in() {
    let app = app();
    let arthur = app.user("arthur@camelot.bt").await;
    assert_eq!(app.get("/").as_user(&arthur).await.is(200).text(), "cookie");
    assert_eq!(app.post("/").as_user(&arthur).await.is(200).text(), "cookie");
}

#[tokio::test]
async fn a_token_travels_as_its_backend_wants_it() {
    let app = app();
    let arthur = app.user("arthur@camelot.bt").await;
    for backend in ["cookie", "jwt", "key"] {
        let token = app.token(backend, &arthur).await;
        assert_eq!(app.get("/").by(&token).await.is(200).text(), backend);
    }
    let token = app.token("cookie", &arthur).await;
    let same = Token::cookie("__Host-session", token.text());
    app.get("/").by(&same).await.is(200);
}

#[tokio::test]
async fn a_token_is_good_at_the_epoch_that_its_user_has_now() {
    let app = app();
    let arthur = app.user("arthur@camelot.bt").await;
    let before = app.token("jwt", &arthur).await;
    let manager = app.users().manager();
    let context = manager.context();
    let ended = manager.end_sessions(&arthur.id, EndSessions::All, RevocationReason::Logout, &context);
    ended.await.expect("the store is up");
    app.get("/").by(&before).await.refused(401, "UNAUTHORIZED");
    app.get("/").as_user(&arthur).await.is(200);
}

#[tokio::test]
async fn time_passes_only_where_a_test_lets_it() {
    let app = app();
    let arthur = app.user("arthur@camelot.bt").await;
    let token = app.token("jwt", &arthur).await;
    app.clock().advance(Duration::from_secs(3599));
    app.get("/").by(&token).await.is(200);
    app.clock().advance(Duration::from_secs(1));
    app.get("/").by(&token).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn users_are_as_they_were_ordered() {
    let app = app();
    let arthur = app.user("Arthur@Camelot.bt").verified().superuser().await;
    assert_eq!(arthur.email, "Arthur@camelot.bt");
    assert!(arthur.is_active && arthur.is_verified && arthur.is_superuser);
    app.get("/superuser").as_user(&arthur).await.is(200);

    let mordred = app.user("mordred@camelot.bt").inactive().await;
    assert!(!mordred.is_active && !mordred.is_verified && !mordred.is_superuser);
    app.get("/any").as_user(&mordred).await.is(200);
    app.get("/").as_user(&mordred).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn users_log_in_by_their_passwords() {
    let app = app();
    app.user("arthur@camelot.bt").await;
    app.user("kay@camelot.bt").password("holy hand grenade").await;
    app.user("merlin@camelot.bt").without_password().await;
    let users = app.users();
    let context = users.manager().context();
    let logs_in = async |email: &str, password: &str| {
        let password = Password::parse(password).expect("a password");
        let login = users.login(&users.backends()[2], email, password, &context);
        login.await.is_ok()
    };
    assert!(logs_in("arthur@camelot.bt", PASSWORD).await);
    assert!(logs_in("kay@camelot.bt", "holy hand grenade").await);
    assert!(!logs_in("kay@camelot.bt", PASSWORD).await);
    assert!(!logs_in("merlin@camelot.bt", PASSWORD).await);
}

#[tokio::test]
async fn what_is_written_beside_a_request_is_there_with_the_answer() {
    let app = app();
    let arthur = app.user("arthur@camelot.bt").await;
    let token = app.token("cookie", &arthur).await;
    app.clock().advance(Duration::from_mins(10));
    app.get("/").by(&token).await.is(200);
    let now = app.users().manager().clock().now();
    let store = app.users().manager().store();
    let sessions: Vec<TokenRecord> = store
        .list_tokens(&arthur.id, "cookie", now, 10)
        .await
        .expect("the store is up");
    assert_eq!(sessions[0].last_seen_at, Some(now));
}

#[tokio::test]
#[should_panic(expected = "GET /nowhere")]
async fn another_status_fails_the_test() {
    app().get("/nowhere").await.is(200);
}

#[tokio::test]
#[should_panic(expected = "UNAUTHORIZED")]
async fn another_code_fails_the_test() {
    app().get("/").await.refused(401, "LOGIN_BAD_CREDENTIALS");
}

#[tokio::test]
#[should_panic(expected = "there is a user arthur@camelot.bt already")]
async fn the_same_user_twice_fails_the_test() {
    let app = app();
    app.user("arthur@camelot.bt").await;
    app.user("arthur@camelot.bt").await;
}

#[tokio::test]
#[should_panic(expected = "there is no backend `session`")]
async fn an_unknown_backend_fails_the_test() {
    let app = app();
    let arthur = app.user("arthur@camelot.bt").await;
    app.token("session", &arthur).await;
}

#[tokio::test]
#[should_panic(expected = "does not read tokens where its security scheme says")]
async fn a_transport_that_is_documented_wrongly_fails_the_test() {
    let store = InMemoryUsers::new();
    let opaque = DatabaseStrategy::new(store.clone(), Duration::from_hours(1));
    let documented = "X-Key";
    let key = Backend::new("key", HeaderTransport { documented }, opaque);
    let root = Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx");
    let secrets = Secrets::from_root(&root, "users").expect("the root is a secret");
    let manager = UserManager::new(store, (), &secrets).expect("threads can be started");
    let users = AxumUsers::new(manager, [key]).expect("the backend is sound");
    let app = TestApp::new(users, router);
    let arthur = app.user("arthur@camelot.bt").await;
    app.get("/").as_user(&arthur).await.is(200);
}

#[tokio::test]
async fn bodies_arrive_as_they_are_sent() {
    let app = app();
    let echo = app.post("/echo").body("text/plain", "ni!").await.is(200);
    assert_eq!(echo.text(), "ni!");
    let echo = app.post("/echo").form(&[("a b", "ü&")]).await.is(200);
    assert_eq!(echo.text(), "%61%20%62=%C3%BC%26");
}

#[tokio::test]
async fn tests_try_as_often_as_they_like_unless_they_ask_for_limits() {
    let app = TestApp::<Api>::over(InMemoryUsers::new(), (), |_| Router::new());
    let last = async |manager: &UserManager<Api>| {
        let mut last = None;
        for _ in 0..101 {
            let guess = Password::parse("wrong wrong").expect("a password");
            let context = manager.context();
            last = manager
                .authenticate("arthur@camelot.bt", guess, &context)
                .await
                .err();
        }
        last
    };
    let manager = app.users().manager();
    assert!(matches!(last(manager).await, Some(LoginError::BadCredentials)));
    let limited = manager.clone().with_limits(RateLimits::new());
    let refused = last(&limited).await;
    assert!(matches!(
        refused,
        Some(LoginError::Failed(Failure::TooManyRequests { .. }))
    ));
}
