//! The application under test: everything mounted, on a database of its own.

use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use axum::{Router, middleware::from_fn};
use axum_users::{
    AdminUpdate, AxumUsers, Backend, BearerTransport, Change, Context, CookieTransport, DatabaseStrategy,
    Denied, EmailAddress, EndSessions, InvalidPassword, JwtKeys, JwtStrategy, Message, MessageKind, Notice,
    Password, PasswordHasher, PasswordOwner, PersonalTokens, RateLimits, RedisSessions, RedisStrategy,
    Registration, Revoked, Secret, Secrets, TokenEvent, TokenOptions, Updated, User, UserApi, UserCreate,
    UserHooks, UserManager, UserRead, UserStore, UserUpdate, auth_router, change_email_router,
    mail::{Links, MailHooks, Templates},
    normalize_email, personal_tokens_router, register_router, reset_password_router, sessions_router,
    user_list_router, users_router, verify_router,
};
use axum_users_testing::{
    OutboxReader, TestClock, fast_hasher,
    leaks::{self, Kind, Watch},
};
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{
    Call, Token,
    database::{Database, IdIn, SqliteInMemory},
    inside::look,
    watched::Watched,
};

pub(crate) const PASSWORD: &str = "excalibur in the lake";
pub(crate) const OTHER_PASSWORD: &str = "holy hand grenade";
pub(crate) const LIFETIME: Duration = Duration::from_hours(1);
/// How many personal access tokens a user may have.
pub(crate) const PERSONAL_LIMIT: u32 = 5;

/// The names of the backends; each is mounted at `/auth/NAME`.
pub(crate) const BACKENDS: [&str; 4] = ["jwt", "token", "cookie", "cookie-jwt"];

/// The family that is tested.
pub(crate) struct Api<D>(PhantomData<fn() -> D>);

impl<D: Database> UserApi for Api<D> {
    type Store = Watched<D::Store>;
    type Hooks = (MailHooks, HouseRules);
    type Read = UserRead<IdIn<D>, D::Shown>;
    type Create = UserCreate<D::New>;
    type Update = UserUpdate<D::Patch>;
    type AdminRead = UserRead<IdIn<D>, D::Shown>;
    type AdminUpdate = AdminUpdate<D::Patch>;
}

/// The application's own part: no common passwords, nobody called Mordred, and a note of what happens to tokens.
#[derive(Clone, Default)]
pub(crate) struct HouseRules {
    notes: Arc<Mutex<Vec<String>>>,
}

impl HouseRules {
    fn note(&self, text: String) {
        self.notes.lock().expect("no test panics here").push(text);
    }

    /// What has happened to tokens since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().expect("no test panics here"))
    }
}

impl<U: User> UserHooks<U> for HouseRules {
    async fn validate_password(
        &self,
        password: &Password,
        _: PasswordOwner<'_, U>,
        _: &Context,
    ) -> Result<(), InvalidPassword> {
        if password.expose() == "the black knight" {
            return Err(InvalidPassword::new(
                "beaten",
                "None shall pass with this password",
            ));
        }
        Ok(())
    }

    fn compose(&self, notice: &Notice<'_, U>, _: &Context) -> Vec<Message> {
        if let Some(token) = notice.token() {
            leaks::note(Kind::Token, token);
        }
        Vec::new()
    }

    async fn on_token(&self, event: TokenEvent<'_, U::Id>, _: &Context) {
        self.note(match event {
            TokenEvent::Issued { session, .. } => format!("issued {}", session.backend),
            TokenEvent::Renewed { session, .. } => format!("renewed {}", session.backend),
            TokenEvent::Revoked { which, reason, .. } => {
                let which = match which {
                    Revoked::Session { backend, .. } => format!("one {backend}"),
                    Revoked::PersonalToken { .. } => "one personal".to_owned(),
                    Revoked::Oldest { backend, count } => format!("{count} oldest {backend}"),
                    Revoked::Many(EndSessions::All) => "all".to_owned(),
                    Revoked::Many(EndSessions::AllExcept(_)) => "others".to_owned(),
                    Revoked::Many(EndSessions::Everything) => "everything".to_owned(),
                    other => format!("{other:?}"),
                };
                format!("revoked {which}: {}", reason.as_str())
            }
            TokenEvent::Expired { count } => format!("expired {count}"),
            other => format!("{other:?}"),
        });
    }

    async fn on_before_register(&self, email: &EmailAddress, _: &Context) -> Result<(), Denied> {
        deny(
            email.key().as_str().starts_with("mordred@"),
            "INVITATION_REQUIRED",
        )
    }

    async fn on_before_login(&self, user: &U, _: &Context) -> Result<(), Denied> {
        deny(user.email().starts_with("barred@"), "ACCOUNT_BARRED")
    }

    async fn on_before_update(&self, user: &U, changes: Updated, _: &Context) -> Result<(), Denied> {
        deny(
            changes.email && user.email().starts_with("fixed@"),
            "ADDRESS_FIXED",
        )
    }

    async fn on_before_delete(&self, user: &U, _: &Context) -> Result<(), Denied> {
        deny(user.email().starts_with("fixed@"), "ACCOUNT_KEPT")
    }
}

fn deny(deny: bool, code: &'static str) -> Result<(), Denied> {
    if deny {
        Err(Denied::new(code, "Ask the king"))
    } else {
        Ok(())
    }
}

type OnManager<D> = Box<dyn FnOnce(UserManager<Api<D>>) -> UserManager<Api<D>>>;
type OnUsers<D> = Box<dyn FnOnce(AxumUsers<Api<D>>) -> AxumUsers<Api<D>>>;
type Extra<D> = Box<dyn FnOnce(&AxumUsers<Api<D>>) -> OpenApiRouter>;

/// What is to be other than usual.
pub(crate) struct Wiring<D: Database> {
    manager: OnManager<D>,
    users: OnUsers<D>,
    extra: Extra<D>,
    hasher: PasswordHasher,
    options: TokenOptions,
    keys: JwtKeys,
    limits: RateLimits,
}

impl<D: Database> Wiring<D> {
    pub(crate) fn usual() -> Self {
        Self {
            manager: Box::new(|manager| manager),
            users: Box::new(|users| users),
            extra: Box::new(|_| OpenApiRouter::default()),
            hasher: fast_hasher(),
            options: LIFETIME.into(),
            keys: secrets().access(),
            // Most tests try more than anybody may.
            limits: RateLimits::insecure_off(),
        }
    }

    /// How often something may be tried.
    pub(crate) fn limits(mut self, limits: RateLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn manager(
        mut self,
        change: impl FnOnce(UserManager<Api<D>>) -> UserManager<Api<D>> + 'static,
    ) -> Self {
        self.manager = Box::new(change);
        self
    }

    pub(crate) fn users(
        mut self,
        change: impl FnOnce(AxumUsers<Api<D>>) -> AxumUsers<Api<D>> + 'static,
    ) -> Self {
        self.users = Box::new(change);
        self
    }

    /// Mounts something beside the routers.
    pub(crate) fn mount(mut self, extra: impl FnOnce(&AxumUsers<Api<D>>) -> OpenApiRouter + 'static) -> Self {
        self.extra = Box::new(extra);
        self
    }

    /// How the opaque tokens of logins live.
    pub(crate) fn tokens(mut self, options: TokenOptions) -> Self {
        self.options = options;
        self
    }

    /// What JWTs are signed and checked by.
    pub(crate) fn keys(mut self, keys: JwtKeys) -> Self {
        self.keys = keys;
        self
    }

    pub(crate) fn hasher(mut self, hasher: PasswordHasher) -> Self {
        self.hasher = hasher;
        self
    }
}

pub(crate) struct App<D: Database> {
    pub(crate) router: Router,
    pub(crate) api: OpenApi,
    pub(crate) users: AxumUsers<Api<D>>,
    pub(crate) store: Watched<D::Store>,
    pub(crate) outbox: OutboxReader<D::Store>,
    pub(crate) clock: TestClock,
    pub(crate) db: Arc<D>,
    pub(crate) tokens: HouseRules,
    /// Dropped last.
    pub(crate) watch: Watch,
}

const ROOT: &str = "Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx";

pub(crate) fn secrets() -> Secrets {
    let root = Secret::new(ROOT);
    Secrets::from_root(&root, "users").expect("the root is a secret")
}

/// Looks for what is secret before anybody comes.
fn watch() -> Watch {
    let watch = Watch::start();
    leaks::note(Kind::Key, ROOT);
    leaks::note(Kind::Password, PASSWORD);
    let secrets = secrets();
    for key in [secrets.reset(), secrets.verify()].into_iter().flatten() {
        leaks::note_bytes(Kind::Key, key.expose());
    }
    watch
}

/// The backends, over any store; opaque tokens in Redis, if there is one.
pub(crate) fn backends<D: Database>(
    store: &Watched<D::Store>,
    options: &TokenOptions,
    keys: &JwtKeys,
    redis: Option<&RedisSessions>,
) -> [Backend<Api<D>>; 4] {
    let jwt = || JwtStrategy::new(keys.clone(), LIFETIME, store.clone());
    let (bearer, cookie) = (BearerTransport::new(), CookieTransport::new("session"));
    let [token, cookie] = match redis {
        None => {
            let opaque = || DatabaseStrategy::new(store.clone(), options.clone());
            [
                Backend::new("token", bearer, opaque()),
                Backend::new("cookie", cookie, opaque()),
            ]
        }
        Some(redis) => {
            let opaque = || RedisStrategy::new(redis, options.clone());
            [
                Backend::new("token", bearer, opaque()),
                Backend::new("cookie", cookie, opaque()),
            ]
        }
    };
    [
        Backend::new("jwt", BearerTransport::new(), jwt()),
        token,
        cookie,
        Backend::new("cookie-jwt", CookieTransport::new("jwt_session"), jwt()),
    ]
}

/// The personal access tokens, over any store.
pub(crate) fn personal_tokens<D: Database>(store: &Watched<D::Store>) -> PersonalTokens<Watched<D::Store>> {
    PersonalTokens::new(store.clone())
        .scopes(["orders:read", "orders:write"])
        .limit_per_user(PERSONAL_LIMIT)
}

pub(crate) fn manager<D: Database>(
    store: &Watched<D::Store>,
    clock: &TestClock,
    hasher: PasswordHasher,
    rules: HouseRules,
) -> UserManager<Api<D>> {
    let links = Links::new("https://app.example.com");
    let mails = MailHooks::outbox(store, &links, &Templates::new("Camelot")).expect("the links are sound");
    UserManager::new(store.clone(), (mails, rules), &secrets())
        .expect("the manager is sound")
        .with_hasher(hasher)
        .with_clock(Arc::new(clock.clone()))
}

impl<D: Database> App<D> {
    pub(crate) fn on(db: Arc<D>, clock: TestClock, wiring: Wiring<D>) -> Self {
        let watch = watch();
        let store = Watched::new(db.store());
        let rules = HouseRules::default();
        let manager = manager(&store, &clock, wiring.hasher, rules.clone()).with_limits(wiring.limits);
        let manager = (wiring.manager)(manager);
        let tokens = personal_tokens::<D>(&store);
        let backends = [Backend::personal(&tokens)].into_iter().chain(backends::<D>(
            &store,
            &wiring.options,
            &wiring.keys,
            db.redis().as_ref(),
        ));
        let users = AxumUsers::new(manager, backends).expect("the backends are sound");
        let users = (wiring.users)(users);
        let mut router = OpenApiRouter::default();
        for backend in users.backends().iter().filter(|backend| !backend.is_personal()) {
            router = router.nest(&format!("/auth/{}", backend.name()), auth_router(&users, backend));
        }
        let (router, api) = router
            .nest("/auth", register_router(&users))
            .nest("/auth", verify_router(&users))
            .nest("/auth", reset_password_router(&users))
            .nest("/auth", change_email_router(&users))
            .nest("/users", users_router(&users))
            .nest("/users", user_list_router(&users))
            .nest("/auth/sessions", sessions_router(&users))
            .nest("/auth/tokens", personal_tokens_router(&users, &tokens))
            .merge((wiring.extra)(&users))
            .split_for_parts();
        Self {
            router: router.layer(from_fn(look)),
            api: users.finish(api).expect("the document is sound"),
            outbox: OutboxReader::new(db.store()),
            users,
            store,
            clock,
            db,
            tokens: rules,
            watch,
        }
    }

    /// The same database and clock behind another wiring.
    pub(crate) fn rewired(&self, wiring: Wiring<D>) -> Self {
        Self::on(Arc::clone(&self.db), self.clock.clone(), wiring)
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&self.router, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub(crate) fn patch(&self, path: &str) -> Call {
        self.call("PATCH", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// Makes an account with [`PASSWORD`]; answers how it is shown.
    pub(crate) async fn register(&self, email: &str) -> Value {
        let body = json!({"email": email, "password": PASSWORD});
        self.post("/auth/register").json(body).await.is(201).json()
    }

    /// Makes an account with [`PASSWORD`]; answers its key.
    pub(crate) async fn user(&self, email: &str) -> String {
        let user = self.register(email).await;
        user["id"].as_str().expect("the key is a text").to_owned()
    }

    /// Makes a superuser with [`PASSWORD`]; answers the key.
    pub(crate) async fn superuser(&self, email: &str) -> String {
        let email = EmailAddress::parse(email).expect("an address");
        let password = Password::parse(PASSWORD).expect("a password");
        let manager = self.users.manager();
        let own = <D::Store as UserStore>::Columns::default();
        let made = manager
            .create_superuser(Registration::new(email, password), own, &manager.context())
            .await;
        made.expect("the superuser is new").id().to_string()
    }

    /// Sends the form of a login.
    pub(crate) fn try_login(&self, backend: &str, email: &str, password: &str) -> Call {
        self.post(&format!("/auth/{backend}/login"))
            .form(&[("username", email), ("password", password)])
    }

    /// Signs in with [`PASSWORD`].
    pub(crate) async fn login(&self, backend: &str, email: &str) -> Token {
        self.try_login(backend, email, PASSWORD).await.token()
    }

    /// Signs in on every backend.
    pub(crate) async fn login_everywhere(&self, email: &str) -> Vec<(&'static str, Token)> {
        let mut tokens = Vec::new();
        for backend in BACKENDS {
            tokens.push((backend, self.login(backend, email).await));
        }
        tokens
    }

    /// The sessions that the owner of a token sees.
    pub(crate) async fn sessions(&self, token: &Token) -> Vec<Value> {
        let page = self.get("/auth/sessions").by(token).await.is(200).json();
        page["items"].as_array().expect("a list").clone()
    }

    /// Makes a personal access token with scopes, or without.
    pub(crate) async fn personal_token(&self, owner: &Token, scopes: Option<&[&str]>) -> Token {
        let body = json!({"name": "backup", "scopes": scopes, "current_password": PASSWORD});
        let made = self
            .post("/auth/tokens")
            .by(owner)
            .json(body)
            .await
            .is(201)
            .json();
        Token::Bearer(made["token"].as_str().expect("a text").to_owned())
    }

    /// What `/users/me` answers to the token.
    pub(crate) async fn me(&self, token: &Token) -> u16 {
        self.get("/users/me").by(token).await.status
    }

    pub(crate) async fn forgot(&self, email: &str) {
        let body = json!({ "email": email });
        self.post("/auth/forgot-password").json(body).await.is(202);
    }

    /// Asks for the token that resets a password, and reads it from the mail.
    pub(crate) async fn reset_token(&self, email: &str) -> String {
        self.forgot(email).await;
        self.mailed(email, MessageKind::ResetPassword).await
    }

    /// Asks for the token that confirms an address, and reads it from the mail.
    pub(crate) async fn verify_token(&self, email: &str) -> String {
        let body = json!({ "email": email });
        self.post("/auth/request-verify-token").json(body).await.is(202);
        self.mailed(email, MessageKind::Verify).await
    }

    async fn mailed(&self, email: &str, kind: MessageKind) -> String {
        let token = self.outbox.last_token_to(email, kind).await;
        token.expect("a mail with a token was sent")
    }

    pub(crate) fn reset(&self, token: &str, password: &str) -> Call {
        let body = json!({"token": token, "password": password});
        self.post("/auth/reset-password").json(body)
    }

    pub(crate) fn verify(&self, token: &str) -> Call {
        self.post("/auth/verify").json(json!({ "token": token }))
    }

    /// Asks for another address by this session; answers the tokens that were mailed to the new address and to the old one.
    pub(crate) async fn ask_for_email(&self, by: &Token, old: &str, new: &str) -> (String, String) {
        let body = json!({"email": new, "current_password": PASSWORD});
        self.patch("/users/me").by(by).json(body).await.is(200);
        let confirm = self.mailed(new, MessageKind::ConfirmEmailChange).await;
        (confirm, self.mailed(old, MessageKind::UndoEmailChange).await)
    }

    pub(crate) fn confirm_email(&self, token: &str) -> Call {
        let body = json!({ "token": token });
        self.post("/auth/confirm-email-change").json(body)
    }

    pub(crate) fn undo_email(&self, token: &str) -> Call {
        let body = json!({ "token": token });
        self.post("/auth/undo-email-change").json(body)
    }

    /// Changes a user behind the back of the library; sessions stay.
    pub(crate) async fn change(
        &self,
        email: &str,
        change: impl FnOnce(&mut Change<<D::Store as UserStore>::Columns>),
    ) {
        let store = self.db.store();
        let key = normalize_email(email).expect("an address");
        let stored = store.find_by_email(&key).await.expect("the store is up");
        let id = stored.expect("the user exists").id();
        let mut changes = Change::new(self.users.manager().clock().now());
        change(&mut changes);
        store.update(&id, changes).await.expect("the store is up");
    }

    pub(crate) async fn set_active(&self, email: &str, active: bool) {
        self.change(email, |change| change.set.is_active = Some(active))
            .await;
    }

    pub(crate) async fn set_verified(&self, email: &str) {
        self.change(email, |change| change.set.is_verified = Some(true))
            .await;
    }
}

/// An application on SQLite in memory.
pub(crate) async fn app() -> App<SqliteInMemory> {
    wired(Wiring::usual()).await
}

/// An application on SQLite in memory that is wired in another way.
pub(crate) async fn wired(wiring: Wiring<SqliteInMemory>) -> App<SqliteInMemory> {
    let db = SqliteInMemory::start().await.expect("SQLite needs no server");
    App::on(Arc::new(db), TestClock::default(), wiring)
}

/// Runs a test on a database of its own, and drops that whatever comes.
pub(crate) fn run<D: Database>(test: impl AsyncFnOnce(&App<D>)) {
    let name = thread::current().name().unwrap_or_default().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .enable_all()
        .build()
        .expect("the system has threads to give");
    let Some(db) = runtime.block_on(D::start()) else {
        return;
    };
    let db = Arc::new(db);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let app = App::on(Arc::clone(&db), TestClock::default(), Wiring::usual());
            test(&app).await;
        });
    }));
    runtime.block_on(db.stop());
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Makes a test of each function on every database; of those behind the `;` on the SQL ones only.
macro_rules! on_every_database {
    (@on $place:ident $database:ident: $($test:ident)*) => {
        mod $place {
            $(#[test]
            fn $test() {
                crate::harness::run::<crate::harness::$database>(super::$test);
            })*
        }
    };
    ($($test:ident),* ; $($sql_test:ident),* $(,)?) => {
        on_every_database!(@on in_memory InMemory: $($test)*);
        on_every_database!(@on sqlite Sqlite: $($test)* $($sql_test)*);
        on_every_database!(@on postgres Postgres: $($test)* $($sql_test)*);
        on_every_database!(@on mariadb MariaDb: $($test)* $($sql_test)*);
    };
}
pub(crate) use on_every_database;

/// Makes a test of each function with the opaque tokens of logins in Redis.
macro_rules! in_redis {
    ($($test:ident),* $(,)?) => {
        on_every_database!(@on redis TokensInRedis: $($test)*);
    };
}
pub(crate) use in_redis;
