//! The document says what is served, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
};

use axum::Router;
use axum_users::{
    AxumUsers, Backend, BearerTransport, ErrorStyle, JwtStrategy, LimitPolicy, Superuser, TokenOptions,
    UserManager, auth_router, change_email_router, openapi::FinishError, personal_tokens_router,
    register_router, reset_password_router, sessions_router, user_list_router, users_router, verify_router,
};
use axum_users_testing::{TestClock, fast_hasher};
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::harness::{
    Answer, Api, App, BACKENDS, Call, Database, HouseRules, InMemory, LIFETIME, OTHER_PASSWORD, PASSWORD,
    PERSONAL_LIMIT, SqliteInMemory, Token, Watched, Wiring, app, backends, manager, personal_tokens, secrets,
    wired,
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const NOBODY: &str = "00000000-0000-4000-8000-000000000001";

fn json_of(api: &OpenApi) -> Value {
    serde_json::to_value(api).expect("a document is JSON")
}

/// Path, method and operation of everything in a document.
fn operations(document: &Value) -> Vec<(String, &'static str, Value)> {
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                operations.push((path.clone(), method, operation.clone()));
            }
        }
    }
    operations
}

fn ids(document: &Value) -> Vec<String> {
    let all = operations(document);
    let id = |operation: &Value| operation["operationId"].as_str().unwrap().to_owned();
    all.iter().map(|(.., operation)| id(operation)).collect()
}

#[tokio::test]
async fn the_document_is_the_one_that_was_reviewed() {
    let app = app().await;
    let mut text = serde_json::to_string_pretty(&app.api).unwrap();
    text.push('\n');
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/http/openapi.json");
    if env::var("UPDATE_SNAPSHOTS").is_ok_and(|update| update == "1") {
        fs::write(file, &text).unwrap();
    }
    let reviewed = fs::read_to_string(file).unwrap_or_default();
    let differs = text.lines().zip(reviewed.lines()).find(|(is, was)| is != was);
    assert!(
        text == reviewed,
        "the document has changed, first in {differs:?}; look at it and run again with UPDATE_SNAPSHOTS=1"
    );
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(target) if key == "$ref" => {
                        found.insert(target.clone());
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_nothing_is_left_over() {
    for style in [ErrorStyle::Full, ErrorStyle::FastApiUsers] {
        let app = wired(Wiring::usual().users(move |users| users.error_style(style))).await;
        let document = json_of(&app.api);
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            let reference = format!("#/components/schemas/{name}");
            assert!(found.contains(&reference), "nothing uses {name}");
        }
        let text = document.to_string();
        for inside in ["hashed_password", "email_key", "epoch", "x-axum-users"] {
            assert!(!text.contains(inside), "{inside}");
        }
    }
}

#[tokio::test]
async fn operation_ids_are_those_that_generated_clients_know() {
    let app = app().await;
    let all = ids(&json_of(&app.api));
    for id in [
        "auth_jwt_login_auth_jwt_login_post",
        "auth_jwt_logout_auth_jwt_logout_post",
        "register_register_auth_register_post",
        "reset_forgot_password_auth_forgot_password_post",
        "reset_reset_password_auth_reset_password_post",
        "verify_request_token_auth_request_verify_token_post",
        "verify_verify_auth_verify_post",
        "users_current_user_users_me_get",
        "users_patch_current_user_users_me_patch",
        "users_user_users__id__get",
        "users_patch_user_users__id__patch",
        "users_delete_user_users__id__delete",
    ] {
        assert!(all.iter().any(|known| known == id), "{id} is not in {all:?}");
    }
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert_eq!(all.len(), 3 * BACKENDS.len() + 5 + 2 + 6 + 1 + 8 + 3);
}

#[tokio::test]
async fn security_schemes_say_where_to_sign_in() {
    let app = app().await;
    let document = json_of(&app.api);
    let schemes = &document["components"]["securitySchemes"];
    for backend in ["jwt", "token"] {
        let url = &schemes[backend]["flows"]["password"]["tokenUrl"];
        assert_eq!(*url, format!("/auth/{backend}/login"));
    }
    for (backend, name) in [("cookie", "__Host-session"), ("cookie-jwt", "__Host-jwt_session")] {
        let scheme = &schemes[backend];
        assert_eq!((&scheme["in"], &scheme["name"]), (&json!("cookie"), &json!(name)));
    }
    assert_eq!(schemes["personal"]["scheme"], "bearer");
    let people: Vec<_> = BACKENDS.iter().map(|backend| json!({ *backend: [] })).collect();
    let machines_too: Vec<_> = [json!({"personal": []})]
        .into_iter()
        .chain(people.clone())
        .collect();
    for (path, method, operation) in operations(&document) {
        let guarded = is_guarded(&path);
        let expected = match (guarded, method) {
            (false, _) => json!([]),
            (true, "get") if path.starts_with("/users") => json!(machines_too),
            (true, _) => json!(people),
        };
        assert_eq!(operation["security"], expected, "{method} {path}");
        assert_eq!(
            operation["responses"].get("401").is_some(),
            guarded,
            "{method} {path}"
        );
    }
}

/// Whether an operation needs somebody who is signed in.
fn is_guarded(path: &str) -> bool {
    path.starts_with("/users")
        || path.starts_with("/auth/sessions")
        || path.starts_with("/auth/tokens")
        || path.ends_with("/logout")
        || path.ends_with("/logout-all")
}

/// Whether an operation is for superusers.
fn is_for_superusers(path: &str) -> bool {
    path == "/users" || path == "/users/{id}" || path.contains("{user_id}")
}

/// A path with the ids of nobody and nothing.
fn to_nobody(path: &str) -> String {
    path.replace("{user_id}", NOBODY).replace("{id}", NOBODY)
}

type Make = fn(&Users<InMemory>) -> OpenApiRouter;

/// Every set of routers, by the bits of a number.
fn mounted(bits: u32) -> (Router, Value) {
    let store = Watched::new(axum_users::InMemoryUsers::new());
    let chosen = backends::<InMemory>(&store, &LIFETIME.into(), &secrets().access(), None)
        .into_iter()
        .enumerate()
        .filter_map(|(index, backend)| (bits >> index & 1 == 1).then_some(backend));
    let tokens = personal_tokens::<InMemory>(&store);
    let with_tokens = bits >> (BACKENDS.len() + 5) & 1 == 1;
    let chosen = with_tokens
        .then(|| Backend::personal(&tokens))
        .into_iter()
        .chain(chosen);
    let users = AxumUsers::new(memory_manager(&store), chosen).unwrap();
    let mut router = OpenApiRouter::default();
    if with_tokens {
        router = router
            .nest("/auth/sessions", sessions_router(&users))
            .nest("/auth/tokens", personal_tokens_router(&users, &tokens));
    }
    for backend in users.backends().iter().filter(|backend| !backend.is_personal()) {
        router = router.nest(&format!("/auth/{}", backend.name()), auth_router(&users, backend));
    }
    let others: [(&str, Make); 5] = [
        ("/auth", register_router),
        ("/auth", |users| {
            verify_router(users).merge(change_email_router(users))
        }),
        ("/auth", reset_password_router),
        ("/users", users_router),
        ("/users", user_list_router),
    ];
    for (index, (prefix, make)) in others.into_iter().enumerate() {
        if bits >> (BACKENDS.len() + index) & 1 == 1 {
            router = router.nest(prefix, make(&users));
        }
    }
    let (router, api) = router.split_for_parts();
    (router, json_of(&users.finish(api).expect("each set is sound")))
}

fn memory_manager<D: Database>(store: &Watched<D::Store>) -> UserManager<Api<D>> {
    manager::<D>(store, &TestClock::default(), fast_hasher(), HouseRules::default())
}

#[tokio::test]
async fn what_is_documented_is_served_and_nothing_else_whatever_is_mounted() {
    let sets = 1 << (BACKENDS.len() + 6);
    let (_, whole) = mounted(sets - 1);
    let paths: BTreeSet<_> = operations(&whole).into_iter().map(|(path, ..)| path).collect();
    for bits in 0..sets {
        let (router, document) = mounted(bits);
        for path in &paths {
            for method in METHODS {
                let call = Call::new(&router, &method.to_uppercase(), &to_nobody(path));
                let served = ![404, 405].contains(&call.await.status);
                let documented = document["paths"][path].get(method).is_some();
                assert_eq!(served, documented, "{method} {path} of set {bits:b}");
            }
        }
        let known: BTreeSet<_> = operations(&document).into_iter().map(|(path, ..)| path).collect();
        assert!(known.is_subset(&paths), "{known:?}");
    }
}

/// Everything that a request needs, made anew for each.
struct Stage<'a> {
    app: &'a App<SqliteInMemory>,
    verified: bool,
    count: usize,
    admin: Token,
    admin_id: String,
}

impl<'a> Stage<'a> {
    async fn new(app: &'a App<SqliteInMemory>, verified: bool) -> Self {
        let admin_id = app.superuser("merlin@camelot.bt").await;
        app.register("kay@camelot.bt").await;
        let body = json!({"email": "bors@camelot.bt", "password": PASSWORD, "nickname": "bors"});
        app.post("/auth/register").json(body).await.is(201);
        let admin = app.login("token", "merlin@camelot.bt").await;
        Self {
            app,
            verified,
            count: 0,
            admin,
            admin_id,
        }
    }

    fn email(&mut self) -> String {
        self.count += 1;
        format!("user{}@camelot.bt", self.count)
    }

    /// A user who may use everything that is not for superusers: address and key.
    async fn user(&mut self) -> (String, String) {
        let email = self.email();
        let id = self.app.user(&email).await;
        if self.verified {
            self.app.set_verified(&email).await;
        }
        (email, id)
    }

    async fn session(&mut self, backend: &str) -> Token {
        let (email, _) = self.user().await;
        self.app.login(backend, &email).await
    }

    /// A session that was begun before users had to be confirmed.
    async fn unconfirmed_session(&mut self) -> Token {
        let email = self.email();
        self.app.register(&email).await;
        let lax = self.app.rewired(Wiring::usual());
        lax.login("token", &email).await
    }

    /// The bare request of an operation; an id is that of nobody.
    fn bare(&self, method: &str, path: &str) -> Call {
        self.app.call(&method.to_uppercase(), &to_nobody(path))
    }

    /// Signs a request in as somebody who may make it, where somebody is needed.
    async fn signed(&mut self, call: Call, path: &str, backend: &str) -> Call {
        if is_for_superusers(path) {
            let token = if backend == "token" {
                self.admin.clone()
            } else {
                self.app.login(backend, "merlin@camelot.bt").await
            };
            call.by(&token)
        } else if is_guarded(path) {
            call.by(&self.session(backend).await)
        } else {
            call
        }
    }

    /// A request that succeeds.
    async fn good(&mut self, method: &str, path: &str) -> Call {
        let app = self.app;
        if path.ends_with("/login") {
            let (email, _) = self.user().await;
            return app
                .post(path)
                .form(&[("username", &email), ("password", PASSWORD)]);
        }
        let (email, id) = self.user().await;
        if path.starts_with("/auth/sessions") || path.starts_with("/auth/tokens") {
            return self.good_for_tokens(method, path, &email, &id).await;
        }
        let call = app.call(&method.to_uppercase(), &path.replace("{id}", &id));
        let call = self.signed(call, path, "token").await;
        match (method, path) {
            ("post", "/auth/register") => call.json(json!({"email": self.email(), "password": PASSWORD})),
            ("post", "/auth/forgot-password" | "/auth/request-verify-token") => {
                call.json(json!({ "email": email }))
            }
            ("post", "/auth/reset-password") => {
                let token = app.reset_token(&email).await;
                call.json(json!({"token": token, "password": OTHER_PASSWORD}))
            }
            ("post", "/auth/verify") => {
                let email = self.email();
                app.register(&email).await;
                call.json(json!({"token": app.verify_token(&email).await}))
            }
            ("post", "/auth/confirm-email-change" | "/auth/undo-email-change") => {
                let (session, new) = (app.login("token", &email).await, self.email());
                let (confirm, undo) = app.ask_for_email(&session, &email, &new).await;
                let token = if path.ends_with("/confirm-email-change") {
                    confirm
                } else {
                    undo
                };
                call.json(json!({ "token": token }))
            }
            ("post", "/users/me/delete") => call.json(json!({"current_password": PASSWORD})),
            ("patch", _) => call.json(json!({"first_name": "Wart"})),
            _ => call,
        }
    }

    /// A request about sessions or personal access tokens that succeeds.
    async fn good_for_tokens(&mut self, method: &str, path: &str, email: &str, id: &str) -> Call {
        let app = self.app;
        let owner = app.login("token", email).await;
        let of_token = if path.starts_with("/auth/tokens") {
            let body = json!({"name": "backup", "current_password": PASSWORD});
            let made = app.post("/auth/tokens").by(&owner).json(body).await.is(201);
            made.json()["id"].clone()
        } else {
            app.sessions(&owner).await[0]["id"].clone()
        };
        let of_token = of_token.as_str().unwrap().to_owned();
        let path_of = path.replace("{user_id}", id).replace("{id}", &of_token);
        let by = if is_for_superusers(path) {
            &self.admin
        } else {
            &owner
        };
        let call = app.call(&method.to_uppercase(), &path_of).by(by);
        match (method, path) {
            ("patch", _) => call.json(json!({"name": "old laptop"})),
            ("post", "/auth/tokens") => call.json(json!({"name": "backup", "current_password": PASSWORD})),
            _ => call,
        }
    }

    /// A user who has as many personal access tokens as may be makes another one.
    async fn one_token_too_many(&mut self) -> Call {
        let owner = self.session("token").await;
        for _ in 0..PERSONAL_LIMIT {
            self.app.personal_token(&owner, None).await;
        }
        let body = json!({"name": "one more", "current_password": PASSWORD});
        self.app.post("/auth/tokens").by(&owner).json(body)
    }

    /// Produces what is documented; `None` where nobody has thought of a way.
    async fn produce(&mut self, method: &str, path: &str, status: u16, code: &str) -> Option<Answer> {
        let bare = self.bare(method, path);
        let call = match (status, code) {
            (200..=299, _) => self.good(method, path).await,
            (503, "SERVICE_UNAVAILABLE") => {
                let call = self.good(method, path).await;
                self.app.store.down(true);
                let answer = call.await;
                self.app.store.down(false);
                return Some(answer);
            }
            (401, "UNAUTHORIZED") => bare,
            (403, "CROSS_ORIGIN_REQUEST") => self.signed(bare, path, "cookie").await.cross_site(),
            (403, "PERSONAL_TOKEN_REFUSED" | "INSUFFICIENT_SCOPE") => {
                let owner = self.session("token").await;
                let scopes: &[&str] = &["orders:read"];
                let scopes = (code == "INSUFFICIENT_SCOPE").then_some(scopes);
                bare.by(&self.app.personal_token(&owner, scopes).await)
            }
            (403, "TOKEN_LIMIT_REACHED") => self.one_token_too_many().await,
            (403, "FORBIDDEN") if is_for_superusers(path) => bare.by(&self.session("token").await),
            (403, DENIED) => self.denied(method, path).await,
            (403, "FORBIDDEN") if self.verified => bare.by(&self.unconfirmed_session().await),
            (404, "NOT_FOUND") if method == "patch" => {
                let name = json!({"name": "old laptop"});
                self.signed(bare, path, "token").await.json(name)
            }
            (404, "NOT_FOUND") => self.signed(bare, path, "token").await,
            (413, "PAYLOAD_TOO_LARGE") => {
                let call = self.signed(bare, path, "token").await;
                let form = path.ends_with("/login");
                let media_type = if form {
                    "application/x-www-form-urlencoded"
                } else {
                    "application/json"
                };
                call.body(media_type, "x".repeat(70_000))
            }
            (415, "UNSUPPORTED_MEDIA_TYPE") => self.signed(bare, path, "token").await.body("text/plain", "x"),
            (422, "VALIDATION_ERROR") => self.invalid(method, path).await,
            (409, "DELETE_USER_IN_USE") => {
                let call = self.good(method, path).await;
                self.app.store.in_use(true);
                let answer = call.await;
                self.app.store.in_use(false);
                return Some(answer);
            }
            (400, "UPDATE_USER_INVALID_CURRENT_PASSWORD") if path.contains("{id}") => {
                let call = self.app.patch(&path.replace("{id}", &self.admin_id));
                call.by(&self.admin).json(json!({"password": OTHER_PASSWORD}))
            }
            (400 | 409, _) => self.refused(method, path, code).await?,
            _ => return None,
        };
        Some(call.await)
    }

    /// A request that the hooks of the application do not let pass.
    async fn denied(&mut self, method: &str, path: &str) -> Call {
        let (app, good) = (self.app, self.good(method, path).await);
        if path == "/auth/register" {
            return good.json(json!({"email": "mordred@camelot.bt", "password": PASSWORD}));
        }
        for email in ["barred@camelot.bt", "fixed@camelot.bt"] {
            // The second time they are there already.
            let body = json!({"email": email, "password": PASSWORD});
            app.post("/auth/register").json(body).await;
            app.set_verified(email).await;
        }
        if path.ends_with("/login") {
            let fields = [("username", "barred@camelot.bt"), ("password", PASSWORD)];
            return app.post(path).form(&fields);
        }
        let fixed = app.login("token", "fixed@camelot.bt").await;
        let me = app.get("/users/me").by(&fixed).await.json();
        let path = path.replace("{id}", me["id"].as_str().unwrap());
        let by = if path.contains("/me") { &fixed } else { &self.admin };
        let body = json!({"email": "free@camelot.bt", "current_password": PASSWORD});
        app.call(&method.to_uppercase(), &path).by(by).json(body)
    }

    async fn invalid(&mut self, method: &str, path: &str) -> Call {
        if path == "/users" {
            return self.app.get("/users?limit=0").by(&self.admin);
        }
        if path.ends_with("/login") {
            return self.app.post(path).form(&[]);
        }
        if path.ends_with("/logout-all") {
            let path = format!("{path}?personal_tokens=perhaps");
            return self.app.post(&path).by(&self.session("token").await);
        }
        let wrong = json!({"email": 1, "token": 1, "current_password": 1, "name": 1});
        self.good(method, path).await.json(wrong)
    }

    /// A change to an address that somebody has registered with meanwhile.
    async fn taken_meanwhile(&mut self) -> Call {
        let ((old, _), new, app) = (self.user().await, self.email(), self.app);
        let session = app.login("token", &old).await;
        let (confirm, _) = app.ask_for_email(&session, &old, &new).await;
        app.register(&new).await;
        app.confirm_email(&confirm)
    }

    async fn refused(&mut self, method: &str, path: &str, code: &str) -> Option<Call> {
        let wrong = "wrong wrong";
        let app = self.app;
        let body = match code {
            "LOGIN_BAD_CREDENTIALS" => {
                return Some(
                    app.post(path)
                        .form(&[("username", "kay@camelot.bt"), ("password", wrong)]),
                );
            }
            "LOGIN_USER_NOT_VERIFIED" => {
                let fields = [("username", "kay@camelot.bt"), ("password", PASSWORD)];
                return Some(app.post(path).form(&fields));
            }
            "REGISTER_USER_ALREADY_EXISTS" => json!({"email": "KAY@camelot.bt", "password": PASSWORD}),
            "REGISTER_INVALID_PASSWORD" => json!({"email": self.email(), "password": "short"}),
            "VALUE_ALREADY_TAKEN" => json!({"email": self.email(), "password": PASSWORD, "nickname": "bors"}),
            "RESET_PASSWORD_BAD_TOKEN" => json!({"token": "x", "password": PASSWORD}),
            "RESET_PASSWORD_INVALID_PASSWORD" => {
                let (email, _) = self.user().await;
                json!({"token": app.reset_token(&email).await, "password": "short"})
            }
            "VERIFY_USER_BAD_TOKEN" | "CHANGE_EMAIL_BAD_TOKEN" => json!({"token": "x"}),
            "VERIFY_USER_ALREADY_VERIFIED" => {
                let email = self.email();
                app.register(&email).await;
                let token = app.verify_token(&email).await;
                app.verify(&token).await.is(200);
                json!({ "token": token })
            }
            "CHANGE_EMAIL_ALREADY_EXISTS" => return Some(self.taken_meanwhile().await),
            "UPDATE_USER_EMAIL_ALREADY_EXISTS" => {
                json!({"email": "kay@camelot.bt", "current_password": PASSWORD})
            }
            "UPDATE_USER_INVALID_PASSWORD" => json!({"password": "short", "current_password": PASSWORD}),
            "UPDATE_USER_INVALID_CURRENT_PASSWORD" => {
                json!({"password": OTHER_PASSWORD, "current_password": wrong})
            }
            "DELETE_USER_INVALID_CURRENT_PASSWORD" => json!({"current_password": wrong}),
            "PERSONAL_TOKEN_INVALID_CURRENT_PASSWORD" => json!({"name": "backup", "current_password": wrong}),
            _ => return None,
        };
        let body = match (method, code) {
            ("patch", "VALUE_ALREADY_TAKEN") => json!({"nickname": "bors"}),
            _ => body,
        };
        Some(self.good(method, path).await.json(body))
    }
}

/// Stands for the codes that hooks answer with.
const DENIED: &str = "DENIED_BY_APPLICATION";
const OWN_CODES: [&str; 4] = [
    "INVITATION_REQUIRED",
    "ACCOUNT_BARRED",
    "ADDRESS_FIXED",
    "ACCOUNT_KEPT",
];

/// The statuses and codes that an operation documents, with the schema of the body.
fn documented(operation: &Value) -> Vec<(u16, String, Option<Value>)> {
    let mut all = Vec::new();
    for (status, response) in operation["responses"].as_object().unwrap() {
        let status: u16 = status.parse().unwrap();
        let content = response
            .get("content")
            .map(|content| &content["application/json"]);
        let schema = content.map(|content| content["schema"].clone());
        let mut codes: Vec<String> = match content.and_then(|content| content["examples"].as_object()) {
            Some(examples) => examples.keys().cloned().collect(),
            None => Vec::new(),
        };
        if status == 422 {
            codes.push("VALIDATION_ERROR".to_owned());
        }
        if codes.is_empty() {
            assert!(status < 400, "{status} without a code: {operation}");
            codes.push(String::new());
        }
        all.extend(codes.into_iter().map(|code| (status, code, schema.clone())));
    }
    all
}

/// Whether `body` is as `schema` says, in the words of the document.
fn assert_conforms(document: &Value, schema: &Value, body: &Value, place: &str) {
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&whole)
        .unwrap_or_else(|error| panic!("{place}: {error}"));
    let errors: Vec<_> = validator
        .iter_errors(body)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{place}: {errors:?} in {body}");
}

/// What an error says stands in both places, its own and that of FastAPI-Users, and is the same.
fn assert_twins(answer: &Answer, place: &str) {
    let body = answer.json();
    let refusal = answer.refusal.as_ref().expect("the refusal rides along");
    assert_eq!(body["code"], refusal.code(), "{place}");
    let (detail, errors) = (&body["detail"], body["errors"].as_array());
    if let Some(errors) = errors {
        let twins = detail.as_array().expect("a list");
        assert_eq!(
            (errors.len(), errors.len()),
            (twins.len(), refusal.errors().len())
        );
        for (error, twin) in errors.iter().zip(twins) {
            assert_ne!(error["message"], "", "{place}");
            assert_eq!((&twin["type"], &twin["msg"]), (&error["code"], &error["message"]));
        }
        return;
    }
    let twin = detail.get("code").unwrap_or(detail);
    if *twin != body["code"] {
        assert_eq!(*twin, refusal.status().canonical_reason().unwrap(), "{place}");
    }
}

#[tokio::test]
async fn every_documented_answer_is_given_and_is_as_documented() {
    let mut seen = BTreeMap::new();
    for verified in [false, true] {
        let change = move |users: AxumUsers<_>| if verified { users.verified_only() } else { users };
        let app = wired(Wiring::usual().users(change)).await;
        let document = json_of(&app.api);
        let mut stage = Stage::new(&app, verified).await;
        for (path, method, operation) in operations(&document) {
            for (status, code, schema) in documented(&operation) {
                let place = format!("{method} {path}: {status} {code}");
                let answer = stage.produce(method, &path, status, &code).await;
                let answer =
                    answer.unwrap_or_else(|| panic!("{place} is documented and nothing produces it"));
                assert_eq!(answer.status, status, "{place}: {:.200}", answer.body);
                let headers = &operation["responses"][status.to_string()]["headers"];
                for name in headers.as_object().into_iter().flat_map(serde_json::Map::keys) {
                    assert_ne!(answer.header(&name.to_lowercase()), "", "{place} without {name}");
                }
                match &schema {
                    None => assert_eq!(answer.body, "", "{place}"),
                    Some(schema) => {
                        assert_conforms(&document, schema, &answer.json(), &place);
                        if code == DENIED {
                            assert!(OWN_CODES.contains(&answer.code().as_str()), "{place}");
                        } else if status >= 400 {
                            assert_eq!(answer.code(), code, "{place}");
                        }
                        if status >= 400 {
                            assert_twins(&answer, &place);
                        }
                    }
                }
                *seen.entry(code).or_insert(0) += 1;
            }
        }
    }
    // The codes of the original, but for OAuth, are all among them.
    for code in [
        "LOGIN_BAD_CREDENTIALS",
        "LOGIN_USER_NOT_VERIFIED",
        "REGISTER_USER_ALREADY_EXISTS",
        "REGISTER_INVALID_PASSWORD",
        "RESET_PASSWORD_BAD_TOKEN",
        "RESET_PASSWORD_INVALID_PASSWORD",
        "VERIFY_USER_BAD_TOKEN",
        "VERIFY_USER_ALREADY_VERIFIED",
        "UPDATE_USER_EMAIL_ALREADY_EXISTS",
        "UPDATE_USER_INVALID_PASSWORD",
    ] {
        assert!(seen.contains_key(code), "{code}");
    }
}

#[tokio::test]
async fn examples_are_as_the_schemas_beside_them_say() {
    for style in [ErrorStyle::Full, ErrorStyle::FastApiUsers] {
        let app = wired(Wiring::usual().users(move |users| users.error_style(style))).await;
        let document = json_of(&app.api);
        for (path, method, operation) in operations(&document) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = &response["content"]["application/json"];
                let examples = content["examples"].as_object().cloned().unwrap_or_default();
                let named = examples.values().map(|example| &example["value"]);
                for example in named.chain(content.get("example")) {
                    let place = format!("{method} {path} {status}");
                    assert_conforms(&document, &content["schema"], example, &place);
                    let full = example.get("code").is_some();
                    assert_eq!(full, style == ErrorStyle::Full, "{place}: {example}");
                }
            }
        }
    }
}

#[tokio::test]
async fn refusals_of_the_original_style_are_as_documented() {
    let app = wired(Wiring::usual().users(|users| users.error_style(ErrorStyle::FastApiUsers))).await;
    let document = json_of(&app.api);
    assert!(
        document["components"]["schemas"]
            .get("HTTPValidationError")
            .is_some()
    );
    let operation = &document["paths"]["/auth/register"]["post"];
    assert!(operation["responses"].get("415").is_none());
    for (call, status) in [
        (app.post("/auth/register").body("text/plain", "x"), "422"),
        (app.post("/auth/register").json(json!({})), "422"),
        (
            app.post("/auth/register")
                .json(json!({"email": "a@b.bt", "password": "x"})),
            "400",
        ),
    ] {
        let answer = call.await.is(status.parse().unwrap());
        let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
        assert_conforms(&document, schema, &answer.json(), status);
    }
}

type Users<D> = AxumUsers<Api<D>>;

/// One backend, without a database.
fn family<D: Database>(db: &D, backend: &'static str) -> Users<D> {
    let store = Watched::new(db.store());
    let strategy = JwtStrategy::new(secrets().access(), LIFETIME, store.clone());
    AxumUsers::new(
        memory_manager(&store),
        [Backend::new(backend, BearerTransport::new(), strategy)],
    )
    .unwrap()
}

fn everything<D: Database>(users: &Users<D>) -> OpenApiRouter {
    OpenApiRouter::default()
        .nest("/auth/jwt", auth_router(users, &users.backends()[0]))
        .nest("/auth", register_router(users))
        .nest("/auth", verify_router(users))
        .nest("/auth", reset_password_router(users))
        .nest("/users", users_router(users))
        .nest("/users", user_list_router(users))
}

#[utoipa::path(get, path = "/mine", operation_id = "register_register_auth_register_post", responses((status = 200)))]
async fn mine() {}

#[derive(serde::Serialize, utoipa::ToSchema)]
struct UserRead {
    nothing: bool,
}

#[utoipa::path(get, path = "/other", responses((status = 200, body = UserRead)))]
async fn other() {}

#[utoipa::path(get, path = "/statistics", responses((status = 200)))]
async fn statistics() {}

#[tokio::test]
async fn a_document_that_would_lose_something_is_refused() {
    let (memory, sql) = (
        InMemory::start().await.unwrap(),
        SqliteInMemory::start().await.unwrap(),
    );
    let users = family(&memory, "jwt");
    let finish = |router: OpenApiRouter| users.finish(router.into_openapi()).map(drop);
    assert!(finish(everything(&users)).is_ok());

    let unmounted = finish(OpenApiRouter::default().nest("/auth", register_router(&users)));
    assert_eq!(
        unmounted,
        Err(FinishError::NotMounted {
            backend: "jwt".to_owned()
        })
    );
    let twice = finish(everything(&users).routes(routes!(mine)));
    assert!(
        matches!(twice, Err(FinishError::DuplicateOperationId { .. })),
        "{twice:?}"
    );
    let other_type = OpenApiRouter::default()
        .routes(routes!(other))
        .merge(everything(&users));
    let conflict = finish(other_type);
    assert!(matches!(conflict, Err(FinishError::ConflictingSchema { ref name, .. }) if name == "UserRead"));

    let staff = family(&sql, "staff-jwt");
    let both = OpenApiRouter::default()
        .merge(everything(&users))
        .nest("/staff", everything(&staff));
    let nameless = users
        .finish(both.into_openapi())
        .and_then(|api| staff.finish(api))
        .map(drop);
    assert!(
        matches!(nameless, Err(FinishError::ConflictingSchema { .. })),
        "{nameless:?}"
    );
}

#[tokio::test]
async fn two_families_share_a_document_under_names_of_their_own() {
    let (memory, sql) = (
        InMemory::start().await.unwrap(),
        SqliteInMemory::start().await.unwrap(),
    );
    let users = family(&memory, "jwt");
    let staff = family(&sql, "jwt").named("staff");
    let both = || {
        let (router, api) = OpenApiRouter::default()
            .merge(everything(&users))
            .nest("/staff", everything(&staff))
            .split_for_parts();
        (router, api)
    };
    let (router, api) = both();
    let document = json_of(&staff.finish(users.finish(api).unwrap()).unwrap());
    let other_way = json_of(&users.finish(staff.finish(both().1).unwrap()).unwrap());
    assert_eq!(document, other_way);

    let all = ids(&document);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert!(all.contains(&"register_register_auth_register_post".to_owned()));
    assert!(
        all.contains(&"staff_register_register_staff_auth_register_post".to_owned()),
        "{all:?}"
    );
    let components = &document["components"];
    let url = |scheme: &str| &components["securitySchemes"][scheme]["flows"]["password"]["tokenUrl"];
    assert_eq!(
        (url("jwt"), url("staff_jwt")),
        (&json!("/auth/jwt/login"), &json!("/staff/auth/jwt/login"))
    );
    assert!(
        components["schemas"]["UserRead"]["properties"]
            .get("first_name")
            .is_none()
    );
    assert!(
        components["schemas"]["StaffUserRead"]["properties"]
            .get("first_name")
            .is_some()
    );
    let security = |path: &str| &document["paths"][path]["get"]["security"];
    assert_eq!(security("/users/me"), &json!([{"jwt": []}]));
    assert_eq!(security("/staff/users/me"), &json!([{"staff_jwt": []}]));
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for (path, method, _) in operations(&document) {
        let call = Call::new(&router, &method.to_uppercase(), &path.replace("{id}", NOBODY));
        assert!(![404, 405].contains(&call.await.status), "{method} {path}");
    }
}

#[tokio::test]
async fn a_login_that_may_meet_the_limit_says_so() {
    let documented = async |policy| {
        let options = TokenOptions::new(LIFETIME).limit_per_user(2, policy);
        let app = wired(Wiring::usual().tokens(options)).await;
        let document = json_of(&app.api);
        let answer = &document["paths"]["/auth/token/login"]["post"]["responses"]["403"];
        let examples = &answer["content"]["application/json"]["examples"];
        examples.get("TOKEN_LIMIT_REACHED").is_some()
    };
    assert!(documented(LimitPolicy::Refuse).await);
    assert!(!documented(LimitPolicy::EndOldest).await);
}

#[tokio::test]
async fn what_is_silent_is_documented_without_a_word_on_who_has_an_account() {
    let app = wired(Wiring::usual().manager(UserManager::silent)).await;
    let document = json_of(&app.api);
    let register = &document["paths"]["/auth/register"]["post"];
    let statuses: Vec<_> = register["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["202", "400", "403", "409", "413", "415", "422", "503"]);
    let change = &document["paths"]["/users/me"]["patch"];
    for (operation, code) in [
        (register, "REGISTER_USER_ALREADY_EXISTS"),
        (change, "UPDATE_USER_EMAIL_ALREADY_EXISTS"),
    ] {
        assert!(!operation.to_string().contains(code), "{code}");
    }
}

#[tokio::test]
async fn a_login_for_personal_access_tokens_is_refused_at_start_up() {
    let store = Watched::new(InMemory::start().await.unwrap().store());
    let tokens = personal_tokens::<InMemory>(&store);
    let users = AxumUsers::new(memory_manager::<InMemory>(&store), [Backend::personal(&tokens)]).unwrap();
    let router: OpenApiRouter = auth_router(&users, &users.backends()[0]);
    let refused = users.finish(router.into_openapi()).map(drop);
    assert!(
        matches!(refused, Err(FinishError::LoginMounted { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_router_is_mounted_twice_under_a_name() {
    let memory = InMemory::start().await.unwrap();
    let users = family(&memory, "jwt");
    let confirmed = users.mount("confirmed").verified_only();
    let (router, api) = OpenApiRouter::default()
        .merge(everything(&users))
        .nest("/v2/users", users_router(&confirmed))
        .split_for_parts();
    let document = json_of(&users.finish(api).unwrap());
    let id = |path: &str| document["paths"][path]["get"]["operationId"].clone();
    assert_eq!(id("/users/me"), "users_current_user_users_me_get");
    assert_eq!(id("/v2/users/me"), "confirmed_users_current_user_v2_users_me_get");
    let has_403 = |path: &str| document["paths"][path]["get"]["responses"].get("403").is_some();
    assert!(!has_403("/users/me") && has_403("/v2/users/me"));
    for path in ["/users/me", "/v2/users/me"] {
        Call::new(&router, "GET", path).await.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn guarded_handlers_of_the_application_are_documented_as_guarded() {
    let memory = InMemory::start().await.unwrap();
    let users = family(&memory, "jwt");
    let router = everything(&users).routes(users.guarded(Superuser, routes!(statistics)));
    let document = json_of(&users.finish(router.into_openapi()).unwrap());
    let operation = &document["paths"]["/statistics"]["get"];
    assert_eq!(operation["security"], json!([{"jwt": []}]));
    let statuses: Vec<_> = operation["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["200", "401", "403"]);
}
