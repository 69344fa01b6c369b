//! Each setting of the cookie, as a browser sees it.

use axum::Router;
use axum_users::{AxumUsers, Backend, CookieTransport, JwtStrategy, auth_router};
use axum_users_testing::{TestClock, fast_hasher};
use utoipa_axum::router::OpenApiRouter;

use crate::harness::{
    Api, App, Call, HouseRules, LIFETIME, PASSWORD, SqliteInMemory, Watched, app, manager, secrets,
};

const EMAIL: &str = "arthur@camelot.bt";

/// Login and logout by this cookie alone, for the users of `app`.
fn mounted(app: &App<SqliteInMemory>, cookie: CookieTransport) -> Router {
    let store = Watched::new(crate::harness::Database::store(&*app.db));
    let backend = Backend::new(
        "cookie",
        cookie,
        JwtStrategy::new(secrets().access(), LIFETIME, store.clone()),
    );
    let manager = manager::<SqliteInMemory>(
        &store,
        &TestClock::default(),
        fast_hasher(),
        HouseRules::default(),
    );
    let users = AxumUsers::<Api<SqliteInMemory>>::new(manager, [backend]).unwrap();
    let routes = auth_router(&users, &users.backends()[0]);
    OpenApiRouter::new().nest("/auth", routes).split_for_parts().0
}

/// Name and attributes of the cookie of a login and of a logout; the attributes in alphabetical order.
async fn cookies(app: &App<SqliteInMemory>, cookie: CookieTransport) -> [(String, String); 2] {
    let router = mounted(app, cookie);
    let login =
        Call::new(&router, "POST", "/auth/login").form(&[("username", EMAIL), ("password", PASSWORD)]);
    let login = login.await;
    let logout = Call::new(&router, "POST", "/auth/logout")
        .by(&login.token())
        .await
        .is(204);
    [login, logout].map(|answer| {
        let [cookie] = answer.set_cookies()[..] else {
            panic!("one cookie in {:?}", answer.set_cookies());
        };
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        let mut attributes: Vec<_> = attributes.split("; ").collect();
        attributes.sort_unstable();
        let (name, _) = pair.split_once('=').unwrap();
        (name.to_owned(), attributes.join("; "))
    })
}

#[tokio::test]
async fn each_setting_shows_in_the_cookie_of_login_and_logout() {
    use axum_users::transport::SameSite;

    let app = app().await;
    app.register(EMAIL).await;
    let session = || CookieTransport::new("session");
    let cases = [
        (
            session(),
            "__Host-session",
            "HttpOnly; Max-Age=AGE; Path=/; SameSite=Lax; Secure",
        ),
        (
            session().domain("camelot.bt"),
            "__Secure-session",
            "Domain=camelot.bt; HttpOnly; Max-Age=AGE; Path=/; SameSite=Lax; Secure",
        ),
        (
            session().path("/auth"),
            "__Secure-session",
            "HttpOnly; Max-Age=AGE; Path=/auth; SameSite=Lax; Secure",
        ),
        (
            session().same_site(SameSite::Strict),
            "__Host-session",
            "HttpOnly; Max-Age=AGE; Path=/; SameSite=Strict; Secure",
        ),
        (
            session().same_site(SameSite::None),
            "__Host-session",
            "HttpOnly; Max-Age=AGE; Path=/; SameSite=None; Secure",
        ),
        (
            session().until_browser_closes(),
            "__Host-session",
            "HttpOnly; Path=/; SameSite=Lax; Secure",
        ),
        (
            session().insecure_exact_name(),
            "session",
            "HttpOnly; Max-Age=AGE; Path=/; SameSite=Lax; Secure",
        ),
        (
            session().insecure_plain_http(),
            "session",
            "HttpOnly; Max-Age=AGE; Path=/; SameSite=Lax",
        ),
        (
            session().insecure_readable_by_scripts(),
            "__Host-session",
            "Max-Age=AGE; Path=/; SameSite=Lax; Secure",
        ),
    ];
    for (transport, name, attributes) in cases {
        let text = format!("{transport:?}");
        let [login, logout] = cookies(&app, transport).await;
        let age = LIFETIME.as_secs().to_string();
        assert_eq!(
            login,
            (name.to_owned(), attributes.replace("AGE", &age)),
            "{text}"
        );
        // What is to be forgotten must be the same cookie, and over at once.
        let mut gone: Vec<_> = attributes
            .split("; ")
            .filter(|part| *part != "Max-Age=AGE")
            .collect();
        gone.push("Max-Age=0");
        gone.sort_unstable();
        assert_eq!(logout, (name.to_owned(), gone.join("; ")), "{text}");
    }
}

#[tokio::test]
async fn a_login_takes_the_place_of_the_session_in_the_same_browser_and_of_no_other() {
    let app = app().await;
    app.register(EMAIL).await;
    app.register("kay@camelot.bt").await;
    for backend in ["cookie", "cookie-jwt"] {
        let before = app.login(backend, EMAIL).await;
        let elsewhere = app.login(backend, EMAIL).await;
        let kays = app.login(backend, "kay@camelot.bt").await;
        app.tokens.take();
        let now = app.try_login(backend, EMAIL, PASSWORD).by(&before).await.token();
        assert!(
            app.tokens
                .take()
                .contains(&format!("revoked one {backend}: replaced"))
        );
        assert_eq!(app.me(&before).await, 401, "{backend}");
        assert_eq!(app.me(&now).await, 200, "{backend}");
        assert_eq!(app.me(&elsewhere).await, 200, "{backend}");
        // A cookie of somebody else is left alone, and one that is dead spoils nothing.
        app.try_login(backend, EMAIL, PASSWORD).by(&kays).await.is(204);
        assert_eq!(app.me(&kays).await, 200, "{backend}");
        app.try_login(backend, EMAIL, PASSWORD).by(&before).await.is(204);
        // A wrong password ends nothing.
        app.try_login(backend, EMAIL, "not excalibur")
            .by(&now)
            .await
            .is(400);
        assert_eq!(app.me(&now).await, 200, "{backend}");
    }
}
