//! Handlers of the application's own refuse as the library's do, and are documented as the application says.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use axum_users::{
    AxumUsers, Backend, CompanionError, CookieTransport, Denied, JwtStrategy, Refusal, SeaOrmUsers, Secret,
    Secrets, SetupError, UserCreate, UsersApi, auth_router,
    json::{Body, Json},
    openapi::FinishError,
    register_router,
    sea_orm::ConnectionTrait,
    sea_orm_store::users,
    store_error,
};
use axum_users_testing::{TestApp, in_memory_sqlite};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use validator::Validate;

use crate::harness::{
    Api, App, Database, InMemory, LIFETIME, PASSWORD, SqliteInMemory, Wiring, account::Profile, app, secrets,
    wired,
};

const EMAIL: &str = "arthur@camelot.bt";

type Users = AxumUsers<Api<SqliteInMemory>>;

#[derive(Deserialize, Serialize, Validate)]
struct Order {
    #[validate(length(min = 1, max = 10, message = "1 to 10 characters"))]
    item: String,
    #[validate(range(min = 1))]
    count: u32,
}

async fn order(Body(order): Body<Order>) -> Json<Order> {
    Json(order)
}

async fn invite(
    State(users): State<Users>,
    Body(body): Body<UserCreate<Profile>>,
) -> Result<StatusCode, Refusal> {
    let manager = users.manager();
    manager.register(body, &manager.context()).await?;
    Ok(StatusCode::CREATED)
}

async fn app_with_own_handlers() -> App<SqliteInMemory> {
    let mount = |users: &Users| {
        OpenApiRouter::new()
            .route("/orders", post(order))
            .route("/invitations", post(invite))
            .with_state(users.clone())
    };
    wired(Wiring::usual().mount(mount)).await
}

#[tokio::test]
async fn a_body_is_read_and_validated_as_those_of_the_library() {
    let app = app_with_own_handlers().await;
    let order = |body: Value| app.post("/orders").json(body);
    let taken = order(json!({"item": "grail", "count": 1})).await.is(200);
    assert_eq!(taken.json(), json!({"item": "grail", "count": 1}));
    order(json!({"count": 1})).await.invalid(&[("item", "missing")]);
    order(json!({"item": "hand grenade", "count": 0}))
        .await
        .invalid(&[("item", "length"), ("count", "range")])
        .hides("grenade");
    order(json!({"item": "gr\0il", "count": 1}))
        .await
        .invalid(&[("item", "null_character")]);
    let text = app.post("/orders").body("text/plain", "{}").await;
    text.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let long = app.post("/orders").body("application/json", " ".repeat(70_000));
    long.await.refused(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn errors_of_operations_are_passed_on_as_the_library_answers_them() {
    let app = app_with_own_handlers().await;
    let invite = |email: &str, password: &str| {
        app.post("/invitations")
            .json(json!({"email": email, "password": password}))
    };
    invite(EMAIL, PASSWORD).await.is(201);
    for (email, password, status, code) in [
        (EMAIL, PASSWORD, 400, "REGISTER_USER_ALREADY_EXISTS"),
        ("kay@camelot.bt", "short", 400, "REGISTER_INVALID_PASSWORD"),
        ("mordred@camelot.bt", PASSWORD, 403, "INVITATION_REQUIRED"),
    ] {
        let theirs = invite(email, password).await.refused(status, code);
        let ours = json!({"email": email, "password": password});
        let ours = app.post("/auth/register").json(ours).await;
        assert_eq!(theirs.body, ours.body);
    }
}

#[tokio::test]
async fn a_database_that_a_handler_asks_itself_is_500_or_503() {
    let app = app().await;
    let db = app.db.store().connection().clone();
    let asking = db.clone();
    let count = async move |sql: &'static str| -> Result<(), Refusal> {
        asking.execute_unprepared(sql).await.map_err(store_error)?;
        Ok(())
    };
    let wrong = count.clone();
    let router = Router::new()
        .route("/right", get(async move || count("SELECT 1").await))
        .route("/wrong", get(async move || wrong("SELECT * FROM nothing").await));
    let get = |path: &str| axum_users_testing::Call::new(&router, "GET", path);
    get("/right").await.is(200);
    get("/wrong")
        .await
        .refused(500, "INTERNAL_SERVER_ERROR")
        .hides("nothing");
    db.close().await.unwrap();
    let down = get("/right").await.refused(503, "SERVICE_UNAVAILABLE");
    assert_eq!(down.header("retry-after"), "1");
}

#[tokio::test]
async fn a_companion_that_refuses_leaves_no_user_behind() {
    let store: SeaOrmUsers<users::Entity> = in_memory_sqlite().await;
    let store = store.with_companion(|_, user| {
        let full = user.email.starts_with("mordred");
        Box::pin(async move {
            if full {
                let denied: CompanionError = Denied::new("NO_SEAT_LEFT", "The table is full").into();
                return Err(denied);
            }
            Ok(())
        })
    });
    let app = TestApp::<UsersApi>::over(store, (), |users| {
        let router: OpenApiRouter = register_router(users);
        router.split_for_parts().0
    });
    let register = |email: &str| {
        app.post("/register")
            .json(json!({"email": email, "password": PASSWORD}))
    };
    register(EMAIL).await.is(201);
    for _ in 0..2 {
        let refused = register("mordred@camelot.bt").await.refused(403, "NO_SEAT_LEFT");
        assert_eq!(refused.json()["detail"]["reason"], "The table is full");
    }
}

#[derive(Serialize, ToSchema)]
struct Problem {
    title: String,
    fields: Vec<Fault>,
}

#[derive(Serialize, ToSchema)]
struct Fault {
    field: String,
}

#[derive(Serialize, ToSchema)]
struct SoldOut {
    until: String,
}

#[utoipa::path(get, path = "/stock", responses((status = 409, body = SoldOut)))]
async fn stock() {}

#[tokio::test]
async fn errors_are_documented_by_the_type_of_the_application() {
    let wiring = Wiring::usual()
        .users(|users| users.error_schema::<Problem>("application/problem+json"))
        .mount(|_| OpenApiRouter::new().routes(routes!(stock)));
    let app = wired(wiring).await;
    let document = serde_json::to_value(&app.api).unwrap();
    let mut rewritten = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                if status.as_str() < "400" || path == "/stock" {
                    continue;
                }
                let content = response["content"].as_object().unwrap();
                let media_types: Vec<_> = content.keys().collect();
                assert_eq!(
                    media_types,
                    ["application/problem+json"],
                    "{method} {path} {status}"
                );
                let schema = &content["application/problem+json"]["schema"];
                assert_eq!(*schema, json!({"$ref": "#/components/schemas/Problem"}));
                rewritten += 1;
            }
        }
    }
    assert!(rewritten > 100, "{rewritten}");
    let login = &document["paths"]["/auth/jwt/login"]["post"]["responses"]["400"]["content"];
    let examples = &login["application/problem+json"]["examples"];
    assert!(
        examples["LOGIN_BAD_CREDENTIALS"].is_object()
            && examples["LOGIN_BAD_CREDENTIALS"].get("value").is_none()
    );
    let own = &document["paths"]["/stock"]["get"]["responses"]["409"]["content"];
    assert!(
        own.get("application/json").is_some(),
        "what the application says of its own stays"
    );
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, there) in [
        ("Problem", true),
        ("Fault", true),
        ("SoldOut", true),
        ("ErrorModel", false),
        ("ValidationErrorModel", false),
    ] {
        assert_eq!(schemas.contains_key(name), there, "{name}");
    }
}

/// Users in memory, signed in by these cookies.
fn with_cookies(
    cookies: Vec<(&'static str, CookieTransport, bool)>,
) -> Result<AxumUsers<Api<InMemory>>, SetupError> {
    let store = crate::harness::Watched::new(axum_users::InMemoryUsers::new());
    let backends = cookies.into_iter().map(|(name, cookie, login)| {
        let jwt = JwtStrategy::new(secrets().access(), LIFETIME, store.clone());
        let backend = Backend::new(name, cookie, jwt);
        if login { backend } else { backend.without_login() }
    });
    let manager = crate::harness::manager::<InMemory>(
        &store,
        &axum_users_testing::TestClock::default(),
        axum_users_testing::fast_hasher(),
        crate::harness::HouseRules::default(),
    );
    AxumUsers::new(manager, backends)
}

#[tokio::test]
async fn a_backend_without_login_asks_for_no_route_and_takes_none() {
    let users = with_cookies(vec![("cookie", CookieTransport::new("session"), false)]).unwrap();
    let router: OpenApiRouter = register_router(&users);
    let api = users.finish(router.into_openapi()).unwrap();
    let document = serde_json::to_value(api).unwrap();
    assert!(document["components"]["securitySchemes"].get("cookie").is_some());

    let router: OpenApiRouter = auth_router(&users, &users.backends()[0]);
    let refused = users.finish(router.into_openapi()).map(drop);
    assert!(
        matches!(refused, Err(FinishError::LoginMounted { .. })),
        "{refused:?}"
    );

    let users = with_cookies(vec![("cookie", CookieTransport::new("session"), true)]).unwrap();
    let router: OpenApiRouter = register_router(&users);
    let refused = users.finish(router.into_openapi()).map(drop);
    assert!(
        matches!(refused, Err(FinishError::NotMounted { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_contradicts_itself_does_not_start_and_says_what_to_do() {
    let session = || CookieTransport::new("session");
    let message = |refused: Result<_, SetupError>| match refused {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    };

    let twice = message(with_cookies(vec![
        ("a", session(), true),
        ("a", CookieTransport::new("b"), true),
    ]));
    assert!(
        twice.contains("two backends are called `a`; give one another name"),
        "{twice}"
    );
    let one_cookie = message(with_cookies(vec![("a", session(), true), ("b", session(), true)]));
    assert!(
        one_cookie
            .contains("the backends `a` and `b` have one cookie, `__Host-session`; give one another name"),
        "{one_cookie}"
    );
    let same_site = session()
        .same_site(axum_users::transport::SameSite::None)
        .insecure_plain_http();
    let same_site = message(with_cookies(vec![("a", same_site, true)]));
    assert!(
        same_site.contains("backend `a`: browsers drop a cookie with `SameSite=None`"),
        "{same_site}"
    );

    let users = || with_cookies(vec![("a", session(), true)]).unwrap();
    for good in ["https://shop.example.com", "http://localhost:8000"] {
        users().public_url(good).unwrap();
    }
    let plain = message(users().public_url("http://shop.example.com"));
    assert!(
        plain.contains("backend `a`: browsers keep the cookie `__Host-session` over https only"),
        "{plain}"
    );
    for bad in ["shop.example.com", "ftp://shop.example.com", "/app", ""] {
        let bad = message(users().public_url(bad));
        assert!(
            bad.contains("the public url is like `https://shop.example.com`"),
            "{bad}"
        );
    }
    let elsewhere = with_cookies(vec![("a", session().domain("example.org"), true)]).unwrap();
    let elsewhere = message(elsewhere.public_url("https://shop.example.com"));
    assert!(
        elsewhere.contains("browsers refuse a cookie of the domain `example.org`"),
        "{elsewhere}"
    );
    let weak = Secrets::from_root(&Secret::new("short"), "users").map(drop);
    let weak = weak.unwrap_err().to_string();
    assert!(weak.contains("32"), "{weak}");
}
