//! `GET /`.

use std::borrow::Cow;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use axum_users_auth::{
    AxumUsers, CurrentUser, Refusal,
    guard::{Active, Guard, Superuser, Verified},
    json::Json,
    openapi::Route,
    refusal::{FieldError, Source},
};
use axum_users_core::{
    EmailKey, ListUsers, UserApi, UserManager, UserOf, UserQuery, normalize_email, normalize_email_prefix,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Array, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type, schema::SchemaType,
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::mount::{guarded_route, ready};

/// Lets superusers list users, to be mounted where [`users_router`](crate::users_router) is.
///
/// Pages are found by key, so the last one takes no longer than the first. After [`AxumUsers::verified_only`] it serves only
/// superusers whose address is confirmed.
pub fn user_list_router<A: UserApi<Store: ListUsers>, S>(users: &AxumUsers<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let list = if users.is_verified_only() {
        list_route::<A, Verified>
    } else {
        list_route::<A, Active>
    };
    ready(users, OpenApiRouter::default().routes(list(users).into()))
}

fn list_route<A: UserApi<Store: ListUsers>, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
) -> Route<AxumUsers<A>> {
    guarded_route::<A, (Superuser, G)>(users, Route::get("/", list::<A, G>), "users:list")
        .tag("users")
        .summary("List users")
        .description("Users in the order of their addresses, for superusers.")
        .query_param("limit", limit_schema(), "How many users at most.")
        .query_param("after", text_schema(), "The `next` of the page before.")
        .query_param("email", email_schema(), "Only the user with this address.")
        .query_param(
            "email_prefix",
            text_schema(),
            "Only users whose address begins like this.",
        )
        .validates()
        .returns::<UserPage<A::AdminRead>>(StatusCode::OK, "A page of users.")
}

/// A page of users.
#[derive(Debug, Serialize)]
struct UserPage<T> {
    items: Vec<T>,
    next: Option<String>,
}

const PARAMS: [&str; 4] = ["limit", "after", "email", "email_prefix"];

fn invalid<const N: usize>(field: [&'static str; N]) -> FieldError {
    let message = "This value has the wrong type or form";
    FieldError::new(Source::Query, field, "invalid", message)
}

fn duplicate(field: &'static str) -> FieldError {
    let message = "This parameter stands in the query more than once";
    FieldError::new(Source::Query, [field], "duplicate", message)
}

fn query<A: UserApi<Store: ListUsers>>(pairs: &[(String, String)]) -> Result<UserQuery, Refusal> {
    let values = |name: &'static str| pairs.iter().filter(move |(key, _)| key == name);
    let mut errors: Vec<_> = PARAMS
        .into_iter()
        .filter(|name| values(name).count() > 1)
        .map(duplicate)
        .collect();
    if !errors.is_empty() {
        return Err(Refusal::invalid(errors));
    }
    let mut query = UserQuery::new(UserManager::<A>::MAX_PAGE);
    for name in PARAMS {
        let Some((_, value)) = values(name).next() else {
            continue;
        };
        if set::<A>(&mut query, name, value).is_none() {
            errors.push(invalid([name]));
        }
    }
    if errors.is_empty() {
        Ok(query)
    } else {
        Err(Refusal::invalid(errors))
    }
}

fn set<A: UserApi<Store: ListUsers>>(query: &mut UserQuery, name: &str, value: &str) -> Option<()> {
    match name {
        "limit" => {
            let limit = value.parse().ok()?;
            query.limit = Some(limit).filter(|limit| (1..=UserManager::<A>::MAX_PAGE).contains(limit))?;
        }
        "after" => query.after = Some(cursor(value)?),
        "email" => query.email = Some(normalize_email(value).ok()?),
        _ => query.email_prefix = Some(normalize_email_prefix(value).ok()?),
    }
    Some(())
}

fn cursor(text: &str) -> Option<EmailKey> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    normalize_email(std::str::from_utf8(&bytes).ok()?).ok()
}

/// Lists users for a superuser.
async fn list<A: UserApi<Store: ListUsers>, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    _: CurrentUser<A, (Superuser, G)>,
    params: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<UserPage<A::AdminRead>>, Refusal> {
    let Ok(Query(params)) = params else {
        return Err(Refusal::invalid(vec![invalid([""; 0])]));
    };
    let page = users.manager().list(query::<A>(&params)?).await?;
    let next = page.next.map(|key| BASE64_URL_SAFE_NO_PAD.encode(key.as_str()));
    Ok(Json(UserPage {
        items: page.items.into_iter().map(Into::into).collect(),
        next,
    }))
}

fn limit_schema() -> ObjectBuilder {
    let most = f64::from(100_u32);
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1.0))
        .maximum(Some(most))
        .default(Some(100.into()))
}

fn text_schema() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(512))
}

fn email_schema() -> ObjectBuilder {
    text_schema().format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
}

impl<T: ToSchema> PartialSchema for UserPage<T> {
    fn schema() -> RefOr<Schema> {
        let items = Array::new(Ref::from_schema_name(T::name()));
        let next = text_schema()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some(
                "What to give as `after` for the next page; null on the last one.",
            ));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("A page of users."))
            .property("items", items)
            .property("next", next)
            .required("items")
            .required("next")
            .into()
    }
}

impl<T: ToSchema> ToSchema for UserPage<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("UserPage")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}
