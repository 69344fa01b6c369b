//! Who may pass.

use std::{fmt, marker::PhantomData};

use axum::http::StatusCode;
use axum_users_core::{Session, SessionKind, SignedIn, User};

use crate::refusal::{Challenge, Refusal};

/// Decides whether somebody who is signed in may pass.
///
/// Guards are types, so that a handler says in its signature whom it serves: `CurrentUser<Api, Superuser>`. A tuple lets pass
/// whom all of its guards let pass. An application writes its own on its own columns:
///
/// ```
/// use axum_users_auth::{Refusal, guard::Guard};
/// use axum_users_core::{MemoryUser, SignedIn};
///
/// struct Arthur;
/// impl Guard<MemoryUser> for Arthur {
///     fn check(signed_in: &SignedIn<MemoryUser>) -> Result<(), Refusal> {
///         if signed_in.user.email == "arthur@camelot.bt" { Ok(()) } else { Err(Refusal::forbidden()) }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not guard users of type `{U}`",
    label = "not a guard for this family's users",
    note = "use `Any`, `Active`, `Verified`, `Superuser`, `Interactive`, `Scope<…>`, `Via<…>`, a tuple of them, or implement `Guard<{U}>`"
)]
pub trait Guard<U>: Send + Sync + 'static {
    /// Refuses who may not pass.
    ///
    /// # Errors
    /// [`Refusal::unauthorized`] for one who counts as not signed in, [`Refusal::forbidden`] for one who may not.
    fn check(signed_in: &SignedIn<U>) -> Result<(), Refusal>;

    /// Whether tokens of this backend are looked at at all; by default those of every backend.
    fn accepts(backend: &str) -> bool {
        let _ = backend;
        true
    }

    /// Whether the guard refuses some of those who are signed in, so that the document shows 403.
    const FORBIDS: bool = true;

    /// Whether personal access tokens are taken.
    const PERSONAL_TOKENS: bool = true;

    /// The scopes that a token needs which has scopes at all. Where none is named, such a token is refused.
    fn scopes() -> Vec<&'static str> {
        Vec::new()
    }
}

/// Refuses a token for what it is: a personal access token where none is taken, or one without a scope that is needed.
pub(crate) fn check_token<U, G: Guard<U>>(session: &Session) -> Result<(), Refusal> {
    if session.kind == SessionKind::Personal && !G::PERSONAL_TOKENS {
        return Err(Refusal::coded(StatusCode::FORBIDDEN, PERSONAL_TOKEN_REFUSED));
    }
    let Some(granted) = &session.scopes else {
        return Ok(());
    };
    let needed = G::scopes();
    if !needed.is_empty() && needed.iter().all(|scope| granted.iter().any(|has| has == scope)) {
        return Ok(());
    }
    Err(Refusal::challenged(
        StatusCode::FORBIDDEN,
        INSUFFICIENT_SCOPE,
        &Challenge::bearer().insufficient_scope(&needed),
    ))
}

/// The code of a personal access token where none is taken.
pub const PERSONAL_TOKEN_REFUSED: &str = "PERSONAL_TOKEN_REFUSED";

/// The code of a token without a scope that is needed.
pub const INSUFFICIENT_SCOPE: &str = "INSUFFICIENT_SCOPE";

/// Whoever is signed in, active or not.
///
/// ```
/// use axum_users_auth::{CurrentUser, guard::Any};
/// use axum_users_core::{User, UserApi};
///
/// async fn why<A: UserApi>(user: CurrentUser<A, Any>) -> &'static str {
///     if user.is_active() { "Welcome" } else { "Your account is closed" }
/// }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Any;

/// Active users; the guard where none is named. An inactive user counts as not signed in.
///
/// ```
/// use axum_users_auth::{CurrentUser, guard::Active};
/// use axum_users_core::UserApi;
///
/// async fn hello<A: UserApi>(_: CurrentUser<A, Active>) {} // the same as `CurrentUser<A>`
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Active;

/// Active users whose address is confirmed.
///
/// ```
/// use axum_users_auth::{CurrentUser, guard::Verified};
/// use axum_users_core::UserApi;
///
/// async fn order<A: UserApi>(_: CurrentUser<A, Verified>) {}
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Verified;

/// Active users who may manage others.
///
/// ```
/// use axum_users_auth::{CurrentUser, guard::{Superuser, Verified}};
/// use axum_users_core::UserApi;
///
/// async fn reports<A: UserApi>(_: CurrentUser<A, Superuser>) {}
/// async fn ledger<A: UserApi>(_: CurrentUser<A, (Verified, Superuser)>) {} // both
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Superuser;

impl<U: User> Guard<U> for Any {
    fn check(_: &SignedIn<U>) -> Result<(), Refusal> {
        Ok(())
    }

    const FORBIDS: bool = false;
}

impl<U: User> Guard<U> for Active {
    fn check(signed_in: &SignedIn<U>) -> Result<(), Refusal> {
        // The extractor adds how to authenticate: it knows the backends.
        if signed_in.user.is_active() {
            Ok(())
        } else {
            Err(Refusal::unauthorized([]))
        }
    }

    const FORBIDS: bool = false;
}

impl<U: User> Guard<U> for Verified {
    fn check(signed_in: &SignedIn<U>) -> Result<(), Refusal> {
        Active::check(signed_in)?;
        if signed_in.user.is_verified() {
            Ok(())
        } else {
            Err(Refusal::forbidden())
        }
    }
}

impl<U: User> Guard<U> for Superuser {
    fn check(signed_in: &SignedIn<U>) -> Result<(), Refusal> {
        Active::check(signed_in)?;
        if signed_in.user.is_superuser() {
            Ok(())
        } else {
            Err(Refusal::forbidden())
        }
    }
}

/// People, not machines: personal access tokens are refused with 403.
///
/// The routers guard by it what decides over an account: its password, address, sessions and tokens.
///
/// ```
/// use axum_users_auth::{CurrentUser, guard::{Active, Interactive}};
/// use axum_users_core::UserApi;
///
/// async fn delete_everything<A: UserApi>(_: CurrentUser<A, (Active, Interactive)>) {}
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Interactive;

impl<U: User> Guard<U> for Interactive {
    fn check(_: &SignedIn<U>) -> Result<(), Refusal> {
        Ok(())
    }

    const FORBIDS: bool = false;
    const PERSONAL_TOKENS: bool = false;
}

/// Names scopes, for [`Scope`].
///
/// ```
/// use axum_users_auth::{CurrentUser, guard::{Active, Scope, ScopeNames}};
/// use axum_users_core::UserApi;
///
/// struct ReadOrders;
///
/// impl ScopeNames for ReadOrders {
///     const NAMES: &'static [&'static str] = &["orders:read"];
/// }
///
/// async fn orders<A: UserApi>(_: CurrentUser<A, (Active, Scope<ReadOrders>)>) {}
/// ```
pub trait ScopeNames: Send + Sync + 'static {
    /// The names.
    const NAMES: &'static [&'static str];
}

/// Those whose token has all scopes that `S` names, or may do all that its user may do.
///
/// Put it beside a guard of the user: alone it lets inactive users pass.
///
/// ```
/// use axum_users_auth::guard::{Active, Scope, ScopeNames};
///
/// struct ReadOrders;
/// impl ScopeNames for ReadOrders {
///     const NAMES: &'static [&'static str] = &["orders:read"];
/// }
/// type MayReadOrders = (Active, Scope<ReadOrders>);
/// ```
pub struct Scope<S>(PhantomData<fn() -> S>);

impl<S> Scope<S> {
    /// The guard as a value.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Default for Scope<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Scope<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

impl<U: User, S: ScopeNames> Guard<U> for Scope<S> {
    fn check(_: &SignedIn<U>) -> Result<(), Refusal> {
        Ok(())
    }

    const FORBIDS: bool = false;

    fn scopes() -> Vec<&'static str> {
        S::NAMES.to_vec()
    }
}

/// Names backends, for [`Via`].
///
/// ```
/// use axum_users_auth::{CurrentUser, guard::{Active, BackendNames, Via}};
/// use axum_users_core::UserApi;
///
/// struct Browser;
///
/// impl BackendNames for Browser {
///     const NAMES: &'static [&'static str] = &["cookie"];
/// }
///
/// async fn settings<A: UserApi>(_: CurrentUser<A, (Active, Via<Browser>)>) {}
/// ```
pub trait BackendNames: Send + Sync + 'static {
    /// The names.
    const NAMES: &'static [&'static str];
}

/// Those who are signed in by one of the backends that `B` names; tokens of others are not looked at.
///
/// ```
/// use axum_users_auth::guard::{Active, BackendNames, Via};
///
/// struct Jwt;
/// impl BackendNames for Jwt {
///     const NAMES: &'static [&'static str] = &["jwt"];
/// }
/// type ByJwt = (Active, Via<Jwt>);
/// ```
pub struct Via<B>(PhantomData<fn() -> B>);

impl<B> Via<B> {
    /// The guard as a value.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> Default for Via<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> fmt::Debug for Via<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Via")
    }
}

impl<U: User, B: BackendNames> Guard<U> for Via<B> {
    fn check(_: &SignedIn<U>) -> Result<(), Refusal> {
        Ok(())
    }

    fn accepts(backend: &str) -> bool {
        B::NAMES.contains(&backend)
    }

    const FORBIDS: bool = false;
}

macro_rules! tuple_of_guards {
    ($($guard:ident),+) => {
        impl<U, $($guard: Guard<U>),+> Guard<U> for ($($guard,)+) {
            fn check(signed_in: &SignedIn<U>) -> Result<(), Refusal> {
                $($guard::check(signed_in)?;)+
                Ok(())
            }

            fn accepts(backend: &str) -> bool {
                $($guard::accepts(backend))&&+
            }

            const FORBIDS: bool = $($guard::FORBIDS)||+;
            const PERSONAL_TOKENS: bool = $($guard::PERSONAL_TOKENS)&&+;

            fn scopes() -> Vec<&'static str> {
                let mut scopes = Vec::new();
                $(scopes.extend($guard::scopes());)+
                scopes
            }
        }
    };
}
tuple_of_guards!(G0);
tuple_of_guards!(G0, G1);
tuple_of_guards!(G0, G1, G2);
tuple_of_guards!(G0, G1, G2, G3);
