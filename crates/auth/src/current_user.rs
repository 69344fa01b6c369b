//! Who is calling.

use std::{
    convert::Infallible,
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::{StatusCode, request::Parts},
};
use axum_users_core::{Context, Session, SignedIn, User, UserApi, UserOf};

use zeroize::Zeroizing;

use crate::{
    AxumUsers, Backend, Refusal,
    axum_users::Presented,
    guard::{Active, Guard, check_token},
};

/// The user who is signed in, if the guard `G` lets them pass; [`Active`] users by default.
///
/// An application names its own once: `type CurrentUser<G = Active> = axum_users::CurrentUser<Api, G>;`. It dereferences to
/// the user, own columns and all. `Option<CurrentUser>` is `None` where nobody is signed in or the guard refuses; a store
/// that is down is an error all the same.
///
/// The state of the router, or what it holds in an `Arc`, must yield [`AxumUsers<A>`] by [`FromRef`].
///
/// ```
/// use axum_users_auth::{CurrentUser, guard::Superuser};
/// use axum_users_core::{User, UserApi};
///
/// async fn hello<A: UserApi>(user: CurrentUser<A>) -> String {
///     format!("Hello {}", user.email())
/// }
///
/// async fn reports<A: UserApi>(_: CurrentUser<A, Superuser>) -> &'static str {
///     "reports"
/// }
///
/// async fn front_page<A: UserApi>(user: Option<CurrentUser<A>>) -> &'static str {
///     if user.is_some() { "Welcome back" } else { "Sign in" }
/// }
/// ```
pub struct CurrentUser<A: UserApi, G = Active> {
    found: Arc<Found<A>>,
    guard: PhantomData<fn() -> G>,
}

impl<A: UserApi, G> CurrentUser<A, G> {
    /// The session by which the user is signed in.
    pub fn session(&self) -> &Session {
        &self.found.signed_in.session
    }

    /// User and session together.
    pub fn signed_in(&self) -> &SignedIn<UserOf<A>> {
        &self.found.signed_in
    }

    /// The user alone.
    pub fn into_inner(self) -> UserOf<A> {
        match Arc::try_unwrap(self.found) {
            Ok(found) => found.signed_in.user,
            Err(shared) => shared.signed_in.user.clone(),
        }
    }

    pub(crate) fn found(&self) -> &Found<A> {
        &self.found
    }
}

/// Whom a token stands for, by which backend; kept for the next look-up in the same request.
pub(crate) struct Found<A: UserApi> {
    pub(crate) backend: Backend<A>,
    pub(crate) token: Zeroizing<String>,
    pub(crate) signed_in: SignedIn<UserOf<A>>,
    noted: AtomicBool,
}

impl<A: UserApi> Found<A> {
    pub(crate) fn new(backend: Backend<A>, token: String, signed_in: SignedIn<UserOf<A>>) -> Self {
        Self {
            backend,
            token: Zeroizing::new(token),
            signed_in,
            noted: AtomicBool::new(false),
        }
    }
}

impl<A: UserApi, G: Guard<UserOf<A>>> CurrentUser<A, G> {
    pub(crate) async fn of(users: &AxumUsers<A>, parts: &mut Parts) -> Result<Self, Refusal> {
        let found = Self::find(users, parts).await;
        found.map_err(|refusal| users.completed(refusal).styled(users.style()))
    }

    async fn find(users: &AxumUsers<A>, parts: &mut Parts) -> Result<Self, Refusal> {
        let known = parts.extensions.get::<Arc<Found<A>>>().cloned();
        let known = known.filter(|known| G::accepts(&known.signed_in.session.backend));
        let found = match known {
            Some(known) => known,
            None => Self::look_up(users, parts).await?,
        };
        let context = users.context(parts);
        users.check_origin(&found.backend, parts, &context)?;
        check_token::<UserOf<A>, G>(&found.signed_in.session)?;
        G::check(&found.signed_in)?;
        // A refused request renews nothing, and one request is one use.
        if !found.noted.swap(true, Ordering::Relaxed) {
            users.note_use(&found, &context);
        }
        Ok(Self {
            found,
            guard: PhantomData,
        })
    }

    async fn look_up(users: &AxumUsers<A>, parts: &mut Parts) -> Result<Arc<Found<A>>, Refusal> {
        let Presented { winner, bad_token } = users.authenticate(&parts.headers, G::accepts, None).await?;
        let Some(winner) = winner else {
            return Err(users.unauthorized(bad_token));
        };
        let found = Arc::new(winner);
        parts.extensions.insert(Arc::clone(&found));
        Ok(found)
    }
}

impl<S, A, G> FromRequestParts<S> for CurrentUser<A, G>
where
    S: Send + Sync,
    A: UserApi,
    G: Guard<UserOf<A>>,
    AxumUsers<A>: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Self::of(&AxumUsers::from_ref(state), parts).await
    }
}

impl<S, A, G> OptionalFromRequestParts<S> for CurrentUser<A, G>
where
    S: Send + Sync,
    A: UserApi,
    G: Guard<UserOf<A>>,
    AxumUsers<A>: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refusal> {
        match Self::of(&AxumUsers::from_ref(state), parts).await {
            Ok(user) => Ok(Some(user)),
            Err(refusal) if is_denial(&refusal) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }
}

fn is_denial(refusal: &Refusal) -> bool {
    matches!(refusal.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

impl<A: UserApi, G> Deref for CurrentUser<A, G> {
    type Target = UserOf<A>;

    fn deref(&self) -> &UserOf<A> {
        &self.found.signed_in.user
    }
}

impl<A: UserApi, G> Clone for CurrentUser<A, G> {
    fn clone(&self) -> Self {
        Self {
            found: Arc::clone(&self.found),
            guard: PhantomData,
        }
    }
}

impl<A: UserApi, G> fmt::Debug for CurrentUser<A, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentUser")
            .field("id", &self.found.signed_in.user.id())
            .finish_non_exhaustive()
    }
}

/// What is known about a request, for operations of the manager.
///
/// ```
/// use axum::extract::State;
/// use axum_users_auth::{AxumUsers, Refusal, RequestContext};
/// use axum_users_core::{EmailAddress, UserApi};
///
/// async fn resend<A: UserApi>(
///     State(users): State<AxumUsers<A>>,
///     RequestContext(context): RequestContext,
/// ) -> Result<(), Refusal> {
///     let email = EmailAddress::parse("arthur@camelot.bt").map_err(|_| Refusal::not_found())?;
///     Ok(users.manager().request_verify(&email, &context).await?)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequestContext(pub Context);

impl<A: UserApi> FromRequestParts<AxumUsers<A>> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, users: &AxumUsers<A>) -> Result<Self, Infallible> {
        Ok(Self(users.limited_context(parts)))
    }
}
