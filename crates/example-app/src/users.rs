//! What the API shows and takes of a user, by which backends users are signed in, and the rules.

use axum_users::{
    Active, AdminUpdate, AxumUsers, Backend, BearerTransport, CookieTransport, DatabaseStrategy,
    EmailAddress, HasherSettings, JwtStrategy, Password, PasswordHasher, PersonalTokens, RateLimits,
    RegisterError, Registration, SeaOrmUsers, Secret, Secrets, UserApi, UserCreate, UserManager, UserRead,
    UserStore, UserUpdate,
    guard::ScopeNames,
    mail::{Links, MailHooks, Templates, Wake},
    null_clears,
    redis::{RedisLimits, RedisSessions, RedisStrategy},
};
use sea_orm::{DatabaseConnection, DeriveIntoActiveModel};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::{Failed, account, settings::Settings};

pub(crate) type Store = SeaOrmUsers<account::Entity>;
pub(crate) type Users = AxumUsers<Api>;
pub(crate) type CurrentUser<G = Active> = axum_users::CurrentUser<Api, G>;

/// The users of this application.
pub(crate) struct Api;

impl UserApi for Api {
    type Store = Store;
    type Hooks = MailHooks;
    type Read = UserRead<Uuid, Profile>;
    type Create = UserCreate<Profile>;
    type Update = UserUpdate<ProfilePatch>;
    type AdminRead = UserRead<Uuid, Profile>;
    type AdminUpdate = AdminUpdate<ProfilePatch>;
}

/// The own columns, as they are shown and as they are given at registration.
#[derive(Serialize, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "account::ActiveModel")]
pub(crate) struct Profile {
    /// What the user wants to be called.
    #[validate(length(min = 1, max = 200, message = "A name has 1 to 200 characters"))]
    #[schema(min_length = 1, max_length = 200, example = "Arthur Pendragon")]
    full_name: Option<String>,
}

/// The own columns in a change: a field that is absent stays as it is, `null` clears it.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
#[derive(Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "account::ActiveModel")]
pub(crate) struct ProfilePatch {
    /// What the user wants to be called; `null` for nothing.
    #[serde(default, deserialize_with = "null_clears")]
    #[validate(length(min = 1, max = 200, message = "A name has 1 to 200 characters"))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "Arthur Pendragon")]
    full_name: Option<Option<String>>,
}

impl From<account::Model> for Profile {
    fn from(user: account::Model) -> Self {
        Self {
            full_name: user.full_name,
        }
    }
}

/// The users, what wakes the worker that sends their mails, and the tokens that they make for machines.
pub(crate) struct Wired {
    pub(crate) users: Users,
    pub(crate) personal: PersonalTokens<Store>,
    pub(crate) wake: Wake,
}

/// The users in `db`.
pub(crate) fn users(
    db: DatabaseConnection,
    root: &Secret,
    public_url: &str,
    settings: &Settings,
) -> Result<Wired, Failed> {
    let store = Store::new(db);
    let secrets = Secrets::from_root(root, "users")?;
    let hooks = MailHooks::outbox(
        &store,
        &Links::new(public_url),
        &Templates::new("axum-users example"),
    )?;
    let wake = hooks.wake_handle();
    let personal = PersonalTokens::new(store.clone()).scopes([Greet::NAME]);
    let backends = backends(&store, &personal, &secrets, settings)?;
    let mut manager = UserManager::new(store, hooks, &secrets)?;
    if settings.silent {
        manager = manager.silent();
    }
    if let Some(threads) = settings.hash_threads {
        manager = manager.with_hasher(PasswordHasher::new(&HasherSettings::new().threads(threads))?);
    }
    manager = manager.with_limits(limits(settings)?);
    let mut users = AxumUsers::new(manager, backends)?.public_url(public_url)?;
    for proxy in settings.trusted_proxies.iter().filter(|proxy| !proxy.is_empty()) {
        users = users.trust_proxy(proxy)?;
    }
    for origin in settings.frontend_origins() {
        users = users.trust_origin(origin)?;
    }
    Ok(Wired {
        users,
        personal,
        wake,
    })
}

/// How often clients may try something: counted in Redis, where there is one, so that several processes count together.
fn limits(settings: &Settings) -> Result<RateLimits, Failed> {
    let mut limits = RateLimits::new();
    if let Some(per_minute) = settings.limit_per_client {
        limits = limits.per_client(per_minute);
    }
    if let Some(url) = settings.redis_url() {
        limits = limits.counted_in(RedisLimits::new(&RedisSessions::from_url(url)?));
    }
    Ok(limits)
}

fn backends(
    store: &Store,
    personal: &PersonalTokens<Store>,
    secrets: &Secrets,
    settings: &Settings,
) -> Result<Vec<Backend<Api>>, Failed> {
    let options = settings.tokens.options(settings.token_lifetime())?;
    let jwt = || JwtStrategy::new(secrets.access(), settings.jwt_lifetime(), store.clone());
    let database = || DatabaseStrategy::new(store.clone(), options.clone());
    let mut backends = vec![
        Backend::personal(personal),
        Backend::new("jwt", BearerTransport::new(), jwt()),
        Backend::new("db", BearerTransport::new(), database()),
        Backend::new("cookie", CookieTransport::new("session"), database()),
        Backend::new("cookie-jwt", CookieTransport::new("session-jwt"), jwt()),
    ];
    if let Some(url) = settings.redis_url() {
        let redis = RedisStrategy::new(&RedisSessions::from_url(url)?, options);
        backends.push(Backend::new("redis", BearerTransport::new(), redis));
    }
    Ok(backends)
}

/// The scope that a personal access token needs to be greeted.
pub(crate) struct Greet;

impl Greet {
    pub(crate) const NAME: &'static str = "greeting:read";
}

impl ScopeNames for Greet {
    const NAMES: &'static [&'static str] = &[Self::NAME];
}

/// The users of the database that is set, with all tables there.
pub(crate) async fn open(settings: &Settings, public_url: &str) -> Result<(Users, Wake), Failed> {
    let db = crate::serve::open(settings).await?;
    account::migrate(&db).await?;
    let wired = users(db, &crate::secret::root(settings)?, public_url, settings)?;
    Ok((wired.users, wired.wake))
}

/// Makes a superuser; false where there is an account with this address, which stays as it is.
pub(crate) async fn make_superuser(users: &Users, email: &str, password: &str) -> Result<bool, Failed> {
    let manager = users.manager();
    let email = EmailAddress::parse(email)?;
    if manager.store().find_by_email(email.key()).await?.is_some() {
        return Ok(false);
    }
    let registration = Registration::new(email, Password::parse(password)?);
    let (own, context) = (account::ActiveModel::default(), manager.context());
    match manager.create_superuser(registration, own, &context).await {
        Ok(_) => Ok(true),
        Err(RegisterError::AlreadyExists) => Ok(false),
        Err(RegisterError::InvalidPassword(why)) => Err(why.into()),
        Err(error) => Err(error.into()),
    }
}

/// Makes the superuser of the settings, if they name one who is not there yet.
pub(crate) async fn make_superuser_of(users: &Users, settings: &Settings) -> Result<(), Failed> {
    let (Some(email), password) = (settings.superuser_email(), settings.superuser_password()) else {
        return Ok(());
    };
    let password = password.ok_or("SUPERUSER_EMAIL is set and SUPERUSER_PASSWORD is not")?;
    if make_superuser(users, email, password).await? {
        tracing::info!("the superuser was made");
    }
    Ok(())
}

/// Users on an empty database in memory, for the document and for tests.
pub(crate) async fn of_no_consequence(settings: &Settings) -> Result<Wired, Failed> {
    let db = axum_users::connect("sqlite::memory:").await?;
    users(db, &crate::secret::of_chance()?, "http://localhost", settings)
}
