//! `POST /confirm-email-change`, `POST /undo-email-change`.

use axum::{extract::State, http::StatusCode};
use axum_users_auth::{
    AxumUsers, Refusal, RequestContext,
    json::{Json, JsonObject},
    openapi::Route,
};
use axum_users_core::{ChangeEmailError, EmailChangeStore, TokenRequest, UserApi};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{limited, ready, route, to_the_end},
    refused::{Refused, UNDO_EMAIL_CHANGE},
};

/// Lets the new mailbox confirm a change of address, and the old one undo it, by mailed tokens; to be mounted under `/auth`, say.
///
/// Mount it wherever [`users_router`](crate::users_router) is: a new address waits there until it is confirmed here.
pub fn change_email_router<A: UserApi<Store: EmailChangeStore>, S>(users: &AxumUsers<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let confirm = route(
        users,
        Route::post("/confirm-email-change", confirm::<A>),
        "change_email:confirm",
    )
    .tag("auth")
    .summary("Confirm a new address")
    .description(
        "Puts the new address, to which the token was mailed, into the place of the old one, and ends all sessions. The old \
         mailbox is told.",
    )
    .accepts_fields::<TokenRequest>()
    .validates()
    .fails_with(ChangeEmailError::DOCS)
    .returns::<A::Read>(StatusCode::OK, "The user, with the new address.");
    let undo = route(
        users,
        Route::post("/undo-email-change", undo::<A>),
        "change_email:undo",
    )
    .tag("auth")
    .summary("Undo a change of address")
    .description(
        "Cancels a change that waits. Where it was confirmed, the old address comes back, all sessions and personal access \
         tokens end, and the password is good no more: set a new one by mail.",
    )
    .accepts_fields::<TokenRequest>()
    .validates()
    .fails_with(UNDO_EMAIL_CHANGE)
    .returns_null(StatusCode::OK, "The address is the old one.");
    ready(
        users,
        to_the_end(
            OpenApiRouter::default()
                .routes(limited(users, confirm).into())
                .routes(limited(users, undo).into()),
        ),
    )
}

/// Puts a new address into the place of the old one.
async fn confirm<A: UserApi<Store: EmailChangeStore>>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<Json<A::Read>, Refusal> {
    let TokenRequest { token, .. } = body.read()?;
    let user = users
        .manager()
        .confirm_email_change(token.as_str(), &context)
        .await?;
    Ok(Json(user.into()))
}

/// Takes a change of address back.
async fn undo<A: UserApi<Store: EmailChangeStore>>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<Json<()>, Refusal> {
    let TokenRequest { token, .. } = body.read()?;
    users
        .manager()
        .undo_email_change(token.as_str(), &context)
        .await?;
    Ok(Json(()))
}
