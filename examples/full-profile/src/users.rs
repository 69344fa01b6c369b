//! The users, the backends, and what `STRICT` decides.

use axum_users::{
    Active, AxumUsers, Backend, BearerTransport, CookieTransport, DatabaseStrategy, EmailAddress, ErrorStyle,
    JwtStrategy, Password, PasswordPolicy, PersonalTokens, RegisterError, Registration, SeaOrmUsers, Secrets,
    UserManager, UsersApi,
    redis::{RedisLimits, RedisSessions, RedisStrategy},
    sea_orm::DatabaseConnection,
    sea_orm_store::users,
};

use crate::{Failed, settings::Settings, tokens_file::TokensFile};

pub(crate) type Api = UsersApi<TokensFile>;
pub(crate) type Users = AxumUsers<Api>;
pub(crate) type CurrentUser<G = Active> = axum_users::CurrentUser<Api, G>;

/// The users, and the tokens that they make for machines.
pub(crate) struct Wired {
    pub(crate) users: Users,
    pub(crate) personal: PersonalTokens<Store>,
}

type Store = SeaOrmUsers<users::Entity>;

pub(crate) fn users(db: DatabaseConnection, secrets: &Secrets, settings: &Settings) -> Result<Wired, Failed> {
    let store = Store::new(db);
    let options = settings.token_options()?;

    let jwt =
        JwtStrategy::new(secrets.access(), settings.lifetime(), store.clone()).audience("fastapi-users:auth");
    let opaque = || DatabaseStrategy::new(store.clone(), options.clone());
    let mut cookie = CookieTransport::new("fastapiusersauth");
    if !settings.strict {
        cookie = cookie.insecure_exact_name();
    }
    let personal = PersonalTokens::new(store.clone());
    let mut backends = vec![
        Backend::personal(&personal),
        Backend::new("jwt", BearerTransport::new(), jwt),
        Backend::new("db", BearerTransport::new(), opaque()),
        Backend::new("cookie", cookie, opaque()),
    ];
    let mut limits = settings.limits()?;
    if let Some(url) = settings.redis_url() {
        let sessions = RedisSessions::from_url(url)?;
        limits = limits.counted_in(RedisLimits::new(&sessions));
        let redis = RedisStrategy::new(&sessions, options.clone());
        backends.push(Backend::new("redis", BearerTransport::new(), redis));
    }

    let hooks = TokensFile(settings.tokens_file.clone());
    let manager = UserManager::new(store, hooks, secrets)?.with_limits(limits);
    let passwords = PasswordPolicy::new();
    let mut users = if settings.strict {
        let passwords = passwords.context_words(["full-profile"]);
        AxumUsers::new(manager.password_policy(passwords).silent(), backends)?
    } else {
        let passwords = passwords.insecure_allow_common().insecure_allow_context_words();
        let manager = manager
            .password_policy(passwords)
            .insecure_no_current_password()
            .insecure_immediate_email_change()
            .insecure_no_notices();
        AxumUsers::new(manager, backends)?.error_style(ErrorStyle::FastApiUsers)
    };
    for proxy in settings.trusted_proxies.iter().filter(|proxy| !proxy.is_empty()) {
        users = users.trust_proxy(proxy)?;
    }
    Ok(Wired { users, personal })
}

/// Makes the superuser of the settings, if they name one who is not there yet.
pub(crate) async fn make_superuser(users: &Users, settings: &Settings) -> Result<(), Failed> {
    let Some((email, password)) = settings.superuser()? else {
        return Ok(());
    };
    let manager = users.manager();
    let registration = Registration::new(EmailAddress::parse(email)?, Password::parse(password)?);
    let (own, context) = (users::ActiveModel::default(), manager.context());
    match manager.create_superuser(registration, own, &context).await {
        Ok(_) | Err(RegisterError::AlreadyExists) => Ok(()),
        Err(RegisterError::InvalidPassword(why)) => Err(why.into()),
        Err(error) => Err(error.into()),
    }
}
