//! `GET` and `PATCH /me`, `POST /me/delete`, `GET`, `PATCH` and `DELETE /{id}`.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
};
use axum_users_auth::{
    AxumUsers, CurrentUser, Refusal, RequestContext,
    guard::{Active, Guard, Interactive, Superuser, Verified},
    json::{Json, JsonObject},
    openapi::{ErrorDoc, Route},
};
use axum_users_core::{
    CurrentPasswordRequest, DeleteError, EmailPolicy, IdFor, User, UserApi, UserId, UserOf,
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{guarded_route, limited, ready, to_the_end, unsafe_route},
    refused::{DELETE_USER, Refused, UpdateRules, unchecked},
};

/// Lets users see and change themselves, and superusers all others; to be mounted under `/users`, say.
///
/// A new address of a user waits until its own mailbox confirms it by [`change_email_router`](crate::change_email_router), which
/// wants to be mounted too. Without hooks that mail ([`UserHooks::delivers_mail`](axum_users_core::UserHooks::delivers_mail)), or with a store that
/// keeps no such changes, users cannot change their address, and the log says so when the router is made.
///
/// After [`AxumUsers::verified_only`] it serves only users whose address is confirmed.
pub fn users_router<A: UserApi, S>(users: &AxumUsers<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    if users.manager().email_policy() == EmailPolicy::Off {
        tracing::warn!(
            target: "axum_users",
            "users cannot change their e-mail address: nothing mails the link that confirms a new one. Give the manager hooks \
             that mail (`MailHooks`, or `UserHooks::delivers_mail` of your own) and a store with pending changes of address, or choose \
             `UserManager::insecure_immediate_email_change`, which lets a thief of a session move the account away"
        );
    }
    let router = if users.is_verified_only() {
        routes::<A, Verified>(users)
    } else {
        routes::<A, Active>(users)
    };
    ready(users, to_the_end(router))
}

fn routes<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> OpenApiRouter<AxumUsers<A>> {
    OpenApiRouter::default()
        .routes(me_route::<A, G>(users).into())
        .routes(update_me_route::<A, G>(users).into())
        .routes(delete_me_route::<A, G>(users).into())
        .routes(user_route::<A, G>(users).into())
        .routes(update_user_route::<A, G>(users).into())
        .routes(delete_user_route::<A, G>(users).into())
}

fn me_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    guarded_route::<A, G>(users, Route::get("/me", me::<A, G>), "users:current_user")
        .tag("users")
        .summary("Current user")
        .description("The user who is signed in.")
        .returns::<A::Read>(StatusCode::OK, "The user.")
}

fn update_me_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let patch = Route::patch("/me", update_me::<A, G>);
    let route = guarded_route::<A, (Interactive, G)>(users, patch, "users:patch_current_user")
        .tag("users")
        .summary("Change the current user")
        .description(
            format!("Changes what is in the body and leaves the rest. {} A new password ends all other \
             sessions, and where the present token cannot live on, the answer brings another one in `Authentication-Info` or \
             `Set-Cookie`. Privileged fields are ignored.", new_address(users))
        )
        .accepts::<A::Update>()
        .validates()
        .fails_with(&update_refusals(users))
        .fails_with(unchecked(users))
        .returns::<A::Read>(StatusCode::OK, "The user as they are now.");
    unsafe_route(users, by_password(users, route))
}

/// Documents the limits of guesses at the present password, and of mails to a new address, where there are such.
fn by_password<A: UserApi>(users: &AxumUsers<A>, route: Route<AxumUsers<A>>) -> Route<AxumUsers<A>> {
    let manager = users.manager();
    if manager.requires_current_password() || manager.email_policy() == EmailPolicy::Pending {
        limited(users, route)
    } else {
        route
    }
}

fn update_refusals<A: UserApi>(users: &AxumUsers<A>) -> Vec<ErrorDoc> {
    let manager = users.manager();
    let policy = manager.email_policy();
    UpdateRules {
        by_password: manager.requires_current_password(),
        telling: !(manager.is_silent() && policy == EmailPolicy::Pending),
        email_off: policy == EmailPolicy::Off,
    }
    .refusals()
}

fn new_address<A: UserApi>(users: &AxumUsers<A>) -> &'static str {
    match users.manager().email_policy() {
        EmailPolicy::Pending => {
            "A new address waits until its own mailbox has confirmed it, and the old one is told and can undo it: the answer \
             shows the old address."
        }
        EmailPolicy::Immediate => "A new address is unconfirmed.",
        _ => "Another address is refused.",
    }
}

fn delete_me_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let asks = users.manager().requires_current_password();
    let delete = if asks {
        Route::post("/me/delete", delete_me::<A, G>)
    } else {
        Route::post("/me/delete", delete_me_unasked::<A, G>)
    };
    let mut route = guarded_route::<A, (Interactive, G)>(users, delete, "users:delete_current_user")
        .tag("users")
        .summary("Delete the current user")
        .description("Removes the user who is signed in, with all sessions. This cannot be undone.")
        .returns_empty(StatusCode::NO_CONTENT, "The user is gone.");
    route = if asks {
        route
            .accepts_fields::<CurrentPasswordRequest>()
            .validates()
            .fails_with(DeleteError::DOCS)
    } else {
        route.fails_with(DELETE_USER)
    };
    unsafe_route(users, by_password(users, route))
}

fn user_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    by_id::<A, (Superuser, G)>(users, Route::get("/{id}", user::<A, G>), "users:user")
        .summary("A user")
        .description("Any user, for superusers.")
        .returns::<A::AdminRead>(StatusCode::OK, "The user.")
}

fn update_user_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let patch = Route::patch("/{id}", update_user::<A, G>);
    let route = by_id::<A, (Interactive, Superuser, G)>(users, patch, "users:patch_user")
        .summary("Change a user")
        .description(
            "Changes what is in the body and leaves the rest, for superusers. Deactivation and a new password end all \
             sessions of the user. A new address takes effect at once, and the old mailbox is told. Superusers who change their own e-mail or password show their present password.",
        )
        .accepts::<A::AdminUpdate>()
        .validates()
        .fails_with(&admin_refusals(users))
        .fails_with(unchecked(users))
        .returns::<A::AdminRead>(StatusCode::OK, "The user as they are now.");
    unsafe_route(users, by_password(users, route))
}

fn admin_refusals<A: UserApi>(users: &AxumUsers<A>) -> Vec<ErrorDoc> {
    UpdateRules {
        by_password: users.manager().requires_current_password(),
        telling: true,
        email_off: false,
    }
    .refusals()
}

fn delete_user_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let delete = Route::delete("/{id}", delete_user::<A, G>);
    let route = by_id::<A, (Interactive, Superuser, G)>(users, delete, "users:delete_user")
        .summary("Delete a user")
        .description("Removes a user with all sessions, for superusers. This cannot be undone.")
        .fails_with(DELETE_USER)
        .returns_empty(StatusCode::NO_CONTENT, "The user is gone.");
    unsafe_route(users, route)
}

const NO_SUCH_USER: ErrorDoc = ErrorDoc::plain(StatusCode::NOT_FOUND, "There is no user with this id.");

fn by_id<A: UserApi, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
    route: Route<AxumUsers<A>>,
    id: &str,
) -> Route<AxumUsers<A>> {
    guarded_route::<A, G>(users, route, id)
        .tag("users")
        .path_param("id", <IdFor<A> as UserId>::schema(), "The key of the user.")
        .fails_with(&[NO_SUCH_USER])
}

pub(crate) type Id = Result<Path<String>, PathRejection>;

pub(crate) async fn find<A: UserApi>(users: &AxumUsers<A>, id: Id) -> Result<UserOf<A>, Refusal> {
    let Ok(Path(id)) = id else {
        return Err(Refusal::not_found());
    };
    users
        .manager()
        .find_by_text(&id)
        .await?
        .ok_or_else(Refusal::not_found)
}

/// Shows the user who is signed in.
async fn me<A: UserApi, G: Guard<UserOf<A>>>(user: CurrentUser<A, G>) -> Json<A::Read> {
    Json(user.into_inner().into())
}

/// Changes the user who is signed in.
async fn update_me<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, (Interactive, G)>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<(HeaderMap, Json<A::Read>), Refusal> {
    let context = context.with_actor(&user.id());
    let updated = users
        .manager()
        .update_self(user.signed_in(), body.read()?, &context)
        .await?;
    let headers = users.keep_session(&user, updated.epoch, &context).await;
    Ok((headers, Json(updated.user.into())))
}

/// Removes the user who is signed in.
async fn delete_me<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, (Interactive, G)>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<StatusCode, Refusal> {
    let CurrentPasswordRequest { current_password, .. } = body.read()?;
    let context = context.with_actor(&user.id());
    let deleted = users
        .manager()
        .delete_self(user.signed_in(), current_password, &context)
        .await;
    deleted?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the user who is signed in where no present password is asked for; a body is not read.
async fn delete_me_unasked<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, (Interactive, G)>,
    RequestContext(context): RequestContext,
) -> Result<StatusCode, Refusal> {
    let context = context.with_actor(&user.id());
    let deleted = users
        .manager()
        .delete_self(user.signed_in(), None, &context)
        .await;
    deleted?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a user to a superuser.
async fn user<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    _: CurrentUser<A, (Superuser, G)>,
    id: Id,
) -> Result<Json<A::AdminRead>, Refusal> {
    Ok(Json(find(&users, id).await?.into()))
}

/// Changes a user for a superuser.
async fn update_user<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    actor: CurrentUser<A, (Interactive, Superuser, G)>,
    RequestContext(context): RequestContext,
    id: Id,
    body: JsonObject,
) -> Result<Json<A::AdminRead>, Refusal> {
    let user = find(&users, id).await?;
    let context = context.with_actor(&actor.id());
    let updated = users.manager().update(&user, body.read()?, &context).await?;
    Ok(Json(updated.into()))
}

/// Removes a user for a superuser.
async fn delete_user<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    actor: CurrentUser<A, (Interactive, Superuser, G)>,
    RequestContext(context): RequestContext,
    id: Id,
) -> Result<StatusCode, Refusal> {
    let user = find(&users, id).await?;
    users
        .manager()
        .delete(&user, &context.with_actor(&actor.id()))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
