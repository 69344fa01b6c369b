//! The document of the shop.

use axum_users::openapi::{BackendScheme, FinishError, finish};
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{Content, OpenApi, Ref, RefOr, path::PathItem},
};

use crate::{
    Users,
    problem::{MEDIA_TYPE, Problem},
};

/// What the shop says of itself.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Shop", description = "Everything a knight needs.", version = "1.4.0"),
    servers((url = "https://shop.example.com")),
    tags((name = "orders", description = "Orders"), (name = "session", description = "Signing in and out")),
)]
pub(crate) struct Shop;

/// Finishes the document: the login is our own, and errors are [`Problem`]s.
pub(crate) fn finished(users: &Users, api: OpenApi) -> Result<OpenApi, FinishError> {
    let schemes: Vec<_> = users
        .backends()
        .iter()
        .map(|backend| {
            let scheme = BackendScheme::new(users.scheme_name(backend), backend.transport().scheme());
            scheme.without_login()
        })
        .collect();
    let mut api = finish(api, &schemes)?;
    for item in api.paths.paths.values_mut() {
        problems(item);
    }
    if let Some(components) = &mut api.components {
        components
            .schemas
            .retain(|name, _| !LIBRARY.contains(&name.as_str()));
        components
            .schemas
            .insert(Problem::name().into_owned(), Problem::schema());
    }
    Ok(api)
}

/// The schemas that nothing refers to any longer.
const LIBRARY: [&str; 2] = ["ErrorModel", "ValidationErrorModel"];

/// Says of every error that it is a problem.
fn problems(item: &mut PathItem) {
    let operations = [
        &mut item.get,
        &mut item.post,
        &mut item.patch,
        &mut item.put,
        &mut item.delete,
    ];
    for operation in operations.into_iter().flatten() {
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response
                && (status.starts_with('4') || status.starts_with('5'))
            {
                let problem = Content::new(Some(Ref::from_schema_name(Problem::name())));
                response.content = [(MEDIA_TYPE.to_owned(), RefOr::T(problem))].into_iter().collect();
            }
        }
    }
}
