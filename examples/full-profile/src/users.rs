//! The users, the backends, and what `STRICT` decides.

use axum_users::{
    Active, AxumUsers, Backend, BearerTransport, CookieTransport, DatabaseStrategy, EmailAddress, ErrorStyle,
    JwtStrategy, Password, RegisterError, Registration, SeaOrmUsers, Secrets, UserManager, UsersApi,
    sea_orm::DatabaseConnection, sea_orm_store::users,
};

use crate::{Failed, settings::Settings, tokens_file::TokensFile};

pub(crate) type Api = UsersApi<TokensFile>;
pub(crate) type Users = AxumUsers<Api>;
pub(crate) type CurrentUser<G = Active> = axum_users::CurrentUser<Api, G>;

pub(crate) fn users(db: DatabaseConnection, secrets: &Secrets, settings: &Settings) -> Result<Users, Failed> {
    let store = SeaOrmUsers::<users::Entity>::new(db);
    let lifetime = settings.lifetime();

    let jwt = JwtStrategy::new(secrets.access(), lifetime, store.clone()).audience("fastapi-users:auth");
    let mut db = DatabaseStrategy::new(store.clone(), lifetime);
    if let Some(prefix) = &settings.token_prefix {
        db = db.prefix(prefix)?;
    }
    let mut cookie = CookieTransport::new("fastapiusersauth");
    if !settings.strict {
        cookie = cookie.insecure_exact_name();
    }
    let backends = [
        Backend::new("jwt", BearerTransport::new(), jwt),
        Backend::new("db", BearerTransport::new(), db),
        Backend::new("cookie", cookie, DatabaseStrategy::new(store.clone(), lifetime)),
    ];

    let hooks = TokensFile(settings.tokens_file.clone());
    let manager = UserManager::new(store, hooks, secrets)?;
    if settings.strict {
        Ok(AxumUsers::new(manager, backends)?)
    } else {
        let users = AxumUsers::new(manager.insecure_no_current_password(), backends)?;
        Ok(users.error_style(ErrorStyle::FastApiUsers))
    }
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
