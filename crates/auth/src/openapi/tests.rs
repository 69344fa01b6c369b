use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::{Value, json};
use tower::ServiceExt;
use utoipa::openapi::security::Flow;
use utoipa::openapi::{
    OpenApi,
    security::{ApiKey, ApiKeyValue, OAuth2, Password, Scopes, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::*;
use crate::{json::Json, login_form::LoginForm};

#[derive(Serialize, ToSchema)]
struct Zip {
    code: String,
}

#[derive(Serialize, ToSchema)]
struct Profile {
    first_name: String,
    zip: Option<Zip>,
}

/// A user.
#[derive(Serialize, ToSchema)]
struct UserRead<X> {
    id: i64,
    email: String,
    #[serde(flatten)]
    #[schema(inline)]
    own: X,
}

/// A new user.
#[derive(Serialize, ToSchema)]
struct UserCreate {
    email: String,
}

#[derive(Serialize, ToSchema)]
struct ForgotPassword {
    email: String,
}

#[derive(Serialize, ToSchema)]
struct BearerResponse {
    access_token: String,
}

const TAKEN: ErrorDoc = ErrorDoc::coded(StatusCode::BAD_REQUEST, "REGISTER_USER_ALREADY_EXISTS", "Taken.");
const WEAK: ErrorDoc = ErrorDoc::coded(StatusCode::BAD_REQUEST, "REGISTER_INVALID_PASSWORD", "Weak.")
    .with_reason("Password should be at least 3 characters");

async fn answer<T>() -> Json<()> {
    let _ = size_of::<T>();
    Json(())
}

fn register() -> Route<()> {
    Route::post("/register", answer::<UserCreate>)
        .id("register:register")
        .tag("auth")
        .summary("Register:Register")
        .accepts::<UserCreate>()
        .returns::<UserRead<Profile>>(StatusCode::CREATED, "The new user.")
        .fails_with(&[TAKEN, WEAK])
        .validates()
        .may_be_unavailable()
}

fn login(backend: &str) -> Route<()> {
    Route::post("/login", answer::<LoginForm>)
        .id(format!("auth:{backend}.login"))
        .accepts_form::<LoginForm>()
        .returns_shared::<BearerResponse>(StatusCode::OK, "Signed in.")
        .sends_header(StatusCode::OK, "Set-Cookie", "The session.")
        .signs_in_to(backend)
        .validates()
}

fn user() -> Route<()> {
    Route::get("/{id}", answer::<i64>)
        .id("users:user")
        .path_param("id", Object::with_type(Type::Integer), "The user's id.")
        .query_param("verbose", Object::with_type(Type::Boolean), "More of it.")
        .returns::<UserRead<Profile>>(StatusCode::OK, "The user.")
        .secured(&[SchemeNeed::new("jwt"), SchemeNeed::new("session")])
        .fails_with(&[ErrorDoc::plain(StatusCode::NOT_FOUND, "No such user.")])
}

fn router(route: Route<()>) -> OpenApiRouter {
    OpenApiRouter::default().routes(route.into())
}

fn jwt() -> BackendScheme {
    let flow = Flow::Password(Password::new("", Scopes::new()));
    BackendScheme::new("jwt", SecurityScheme::OAuth2(OAuth2::new([flow])))
}

fn session() -> BackendScheme {
    let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("auth")));
    BackendScheme::new("session", scheme)
}

#[utoipa::path(get, path = "/hello", operation_id = "hello:world", responses((status = 200)))]
async fn hello() {}

fn app() -> (Router, OpenApi) {
    OpenApiRouter::default()
        .nest("/auth/jwt", router(login("jwt")))
        .nest("/auth/cookie", router(login("session")))
        .nest("/auth", router(register()))
        .nest("/users", router(user()))
        .routes(routes!(hello))
        .split_for_parts()
}

fn document() -> Value {
    let api = finish(app().1, &[jwt(), session()]).unwrap();
    serde_json::to_value(api).unwrap()
}

#[test]
fn operation_ids_are_those_of_the_original() {
    let document = document();
    let id = |path: &str, method: &str| document["paths"][path][method]["operationId"].clone();
    assert_eq!(
        id("/auth/register", "post"),
        "register_register_auth_register_post"
    );
    assert_eq!(
        id("/auth/jwt/login", "post"),
        "auth_jwt_login_auth_jwt_login_post"
    );
    assert_eq!(id("/users/{id}", "get"), "users_user_users__id__get");
    assert_eq!(id("/hello", "get"), "hello:world");
    assert!(!document.to_string().contains(MARK));
}

#[test]
fn token_urls_are_the_real_paths() {
    let schemes = &document()["components"]["securitySchemes"];
    assert_eq!(schemes["jwt"]["flows"]["password"]["tokenUrl"], "/auth/jwt/login");
    assert_eq!(schemes["session"]["in"], "cookie");
}

#[test]
fn bodies_of_an_operation_are_called_after_it() {
    let document = document();
    let name = "Body_auth_jwt_login_auth_jwt_login_post";
    let body = &document["paths"]["/auth/jwt/login"]["post"]["requestBody"];
    let schema = &body["content"][FORM]["schema"]["$ref"];
    assert_eq!(*schema, format!("#/components/schemas/{name}"));
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas[name]["required"], json!(["username", "password"]));
    let bodies: Vec<_> = schemas.keys().filter(|name| name.starts_with("Body_")).collect();
    assert_eq!(
        bodies,
        [
            "Body_auth_jwt_login_auth_jwt_login_post",
            "Body_auth_session_login_auth_cookie_login_post"
        ]
    );
}

#[test]
fn one_route_can_be_mounted_twice() {
    let forgot = || {
        router(
            Route::post("/forgot-password", answer::<ForgotPassword>)
                .id("reset:forgot_password")
                .accepts_fields::<ForgotPassword>()
                .returns_null(StatusCode::ACCEPTED, "Whether or not there is such a user."),
        )
    };
    let api = OpenApiRouter::<()>::default()
        .nest("/a", forgot())
        .nest("/b", forgot())
        .into_openapi();
    let document = serde_json::to_value(finish(api, &[]).unwrap()).unwrap();
    for mount in ["a", "b"] {
        let operation = &document["paths"][format!("/{mount}/forgot-password")]["post"];
        let id = format!("reset_forgot_password_{mount}_forgot_password_post");
        assert_eq!(operation["operationId"], id);
        let reference = &operation["requestBody"]["content"][JSON]["schema"]["$ref"];
        assert_eq!(*reference, format!("#/components/schemas/Body_{id}"));
        let answer = &operation["responses"]["202"]["content"][JSON]["schema"];
        assert_eq!(*answer, json!({"type": "null"}));
    }
    assert_eq!(document["components"]["schemas"].as_object().unwrap().len(), 2);
}

#[test]
fn codes_of_one_status_are_named_examples() {
    let document = document();
    let responses = &document["paths"]["/auth/register"]["post"]["responses"];
    let content = &responses["400"]["content"][JSON];
    assert_eq!(content["schema"]["$ref"], "#/components/schemas/ErrorModel");
    assert_eq!(
        content["examples"],
        json!({
            "REGISTER_USER_ALREADY_EXISTS": {
                "summary": "Taken.",
                "value": {"detail": "REGISTER_USER_ALREADY_EXISTS", "code": "REGISTER_USER_ALREADY_EXISTS"},
            },
            "REGISTER_INVALID_PASSWORD": {
                "summary": "Weak.",
                "value": {
                    "detail": {"code": "REGISTER_INVALID_PASSWORD", "reason": "Password should be at least 3 characters"},
                    "code": "REGISTER_INVALID_PASSWORD",
                },
            },
        })
    );
    let statuses: Vec<_> = responses.as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["201", "400", "413", "415", "422", "503"]);
    assert!(responses["503"]["headers"]["Retry-After"].is_object());
    let validation = &responses["422"]["content"][JSON]["schema"]["$ref"];
    assert_eq!(*validation, "#/components/schemas/ValidationErrorModel");
}

#[test]
fn error_schemas_say_what_is_sent() {
    let schemas = &document()["components"]["schemas"];
    let error = &schemas["ErrorModel"];
    assert_eq!(error["required"], json!(["detail", "code"]));
    let detail = &error["properties"]["detail"]["oneOf"];
    assert_eq!(detail[0]["type"], "string", "{error}");
    assert_eq!(detail[1]["required"], json!(["code", "reason"]), "{error}");
    let validation = &schemas["ValidationErrorModel"];
    assert_eq!(validation["required"], json!(["detail", "code", "errors"]));
}

#[test]
fn the_original_style_has_the_original_schemas() {
    let route = register().style(ErrorStyle::FastApiUsers);
    let api = finish(router(route).into_openapi(), &[]).unwrap();
    let document = serde_json::to_value(api).unwrap();
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["ErrorModel"]["required"], json!(["detail"]));
    assert_eq!(schemas["HTTPValidationError"]["required"], json!(["detail"]));
    let responses = &document["paths"]["/register"]["post"]["responses"];
    assert!(responses.get("415").is_none());
    let example = &responses["400"]["content"][JSON]["examples"]["REGISTER_USER_ALREADY_EXISTS"];
    assert_eq!(
        example["value"],
        json!({"detail": "REGISTER_USER_ALREADY_EXISTS"})
    );
}

#[test]
fn guarded_operations_list_their_schemes_as_alternatives() {
    let document = document();
    let operation = &document["paths"]["/users/{id}"]["get"];
    assert_eq!(operation["security"], json!([{"jwt": []}, {"session": []}]));
    assert!(operation["responses"]["401"]["headers"]["WWW-Authenticate"].is_object());
    assert_eq!(operation["parameters"][0]["in"], "path");
    assert_eq!(operation["parameters"][0]["required"], true);
    assert_eq!(operation["parameters"][1]["required"], false);
    let login = &document["paths"]["/auth/jwt/login"]["post"]["responses"]["200"];
    assert!(login["headers"]["Set-Cookie"].is_object());
}

#[test]
fn flattened_fields_are_one_object() {
    let user = &document()["components"]["schemas"]["UserRead"];
    assert!(user.get("allOf").is_none());
    assert_eq!(user["required"], json!(["id", "email", "first_name"]));
    assert_eq!(user["description"], "A user.");
}

#[test]
fn a_named_mount_has_its_own_names() {
    let staff = router(register().named("back-office"));
    let api = OpenApiRouter::<()>::default()
        .nest("/auth", router(register()))
        .nest("/staff", staff)
        .into_openapi();
    let document = serde_json::to_value(finish(api, &[]).unwrap()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: Vec<_> = schemas.keys().map(String::as_str).collect();
    for name in [
        "UserRead",
        "BackOfficeUserRead",
        "BackOfficeUserCreate",
        "BackOfficeZip",
        "ErrorModel",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.contains(&"BackOfficeErrorModel"));
    let operation = &document["paths"]["/staff/register"]["post"];
    assert_eq!(
        operation["operationId"],
        "back_office_register_register_staff_register_post"
    );
    let zip = &schemas["BackOfficeUserRead"]["properties"]["zip"]["oneOf"][0]["$ref"];
    assert_eq!(*zip, "#/components/schemas/BackOfficeZip");
}

#[test]
fn different_schemas_of_one_name_are_refused() {
    #[derive(Serialize, ToSchema)]
    #[schema(as = UserCreate)]
    struct Other {
        name: String,
    }
    let other = Route::post("/other", answer::<Other>)
        .id("other")
        .accepts::<Other>();
    let both = |first: Route<()>, second: Route<()>| {
        let api = OpenApiRouter::<()>::default()
            .nest("/a", router(first))
            .nest("/b", router(second))
            .into_openapi();
        finish(api, &[]).err()
    };
    let error = both(register(), other).unwrap();
    let expected = FinishError::ConflictingSchema {
        name: "UserCreate".to_owned(),
        operation: "POST /b/other".to_owned(),
    };
    assert_eq!(error, expected);
    assert!(error.to_string().contains("#[schema(as = …)]"));
    assert_eq!(both(register(), register().named("staff")), None);
}

#[test]
fn duplicate_operation_ids_are_refused_if_one_is_ours() {
    #[utoipa::path(get, path = "/x", operation_id = "register_register_register_post", responses((status = 200)))]
    async fn clash() {}
    #[utoipa::path(get, path = "/y", operation_id = "same", responses((status = 200)))]
    async fn same() {}
    #[utoipa::path(get, path = "/z", operation_id = "same", responses((status = 200)))]
    async fn again() {}

    let apps_own = router(register()).routes(routes!(same)).routes(routes!(again));
    assert!(finish(apps_own.into_openapi(), &[]).is_ok());

    let error = finish(router(register()).routes(routes!(clash)).into_openapi(), &[]).err();
    let expected = FinishError::DuplicateOperationId {
        id: "register_register_register_post".to_owned(),
        first: "POST /register".to_owned(),
        second: "GET /x".to_owned(),
    };
    assert_eq!(error, Some(expected));
}

#[test]
fn a_backend_without_its_login_route_is_refused() {
    let api = || router(login("jwt")).into_openapi();
    let error = finish(api(), &[jwt(), session()]).err().unwrap();
    assert_eq!(
        error,
        FinishError::NotMounted {
            backend: "session".to_owned()
        }
    );
    assert!(error.to_string().contains("auth_router"));
    assert!(finish(api(), &[jwt(), session().without_login()]).is_ok());
}

#[test]
fn families_are_finished_one_after_the_other() {
    let first = finish(app().1, &[session()]).unwrap();
    let both = finish(first, &[jwt()]).unwrap();
    assert_eq!(serde_json::to_value(both).unwrap(), document());
}

#[test]
fn two_backends_of_one_name_are_refused() {
    let other = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("other")));
    let backends = [session(), BackendScheme::new("session", other)];
    let error = finish(app().1, &backends).err();
    assert_eq!(
        error,
        Some(FinishError::ConflictingScheme {
            name: "session".to_owned()
        })
    );
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    struct Broken;
    impl utoipa::PartialSchema for Broken {
        fn schema() -> RefOr<Schema> {
            Ref::from_schema_name("Nowhere").into()
        }
    }
    impl ToSchema for Broken {}
    let route = Route::get("/", answer::<()>)
        .id("broken")
        .returns::<Broken>(StatusCode::OK, "");
    let error = finish(router(route).into_openapi(), &[]).err();
    let expected = FinishError::DanglingReference {
        reference: "#/components/schemas/Nowhere".to_owned(),
        operation: "GET /".to_owned(),
    };
    assert_eq!(error, Some(expected));
}

#[tokio::test]
async fn documented_routes_answer() {
    let request = Request::post("/auth/register").body(Body::empty()).unwrap();
    let response = app().0.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "null");
}

#[test]
fn only_a_body_can_be_too_long_or_of_a_wrong_type() {
    let statuses = |route: Route<()>| {
        let document = serde_json::to_value(router(route).into_openapi()).unwrap();
        let responses = &document["paths"]["/x"]["post"]["responses"];
        let statuses: Vec<_> = responses.as_object().unwrap().keys().cloned().collect();
        statuses.join(" ")
    };
    let route = || Route::post("/x", answer::<()>).validates();
    assert_eq!(statuses(route()), "422");
    assert_eq!(statuses(route().accepts::<UserCreate>()), "413 415 422");
}
