//! The document, and the page that shows it.

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::map_response,
    response::Response,
    routing::get,
};
use clap::Parser;
use utoipa::{OpenApi, openapi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{Failed, routes, settings::Settings, users};

/// What the document says of the application as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "axum-users example",
        description = "Registration, login, verification, password reset and user management, by axum-users.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "auth", description = "Registration, login, verification and password reset"),
        (name = "sessions", description = "Where one is signed in"),
        (name = "personal tokens", description = "Tokens for machines"),
        (name = "users", description = "Users of themselves, and superusers of all"),
        (name = "example", description = "What this application adds"),
        (name = "health", description = "For what watches over the process"),
    ),
)]
pub(crate) struct About;

/// The document as text, made without any database.
pub(crate) async fn print() -> Result<String, Failed> {
    let settings = Settings::try_parse_from(["openapi"])?;
    let (_, document) = routes::api(&users::of_no_consequence(&settings).await?)?;
    Ok(document.to_pretty_json()?)
}

/// `GET /openapi.json`, and the page at `/docs`, which asks no other host.
pub(crate) fn router(document: &openapi::OpenApi) -> Result<Router, Failed> {
    let json = document.to_json()?;
    let answer = move || {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], json) }
    };
    // Without `none` the page sends the document's address to the validator of swagger.io.
    let page = SwaggerUi::new("/docs").config(Config::from("/openapi.json").validator_url("none"));
    let page = Router::from(page).layer(map_response(async |mut response: Response| {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }));
    Ok(page.route("/openapi.json", get(answer)))
}

/// Swagger UI styles its elements one by one and brings its pictures as data.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_document_is_complete() {
        let document = print().await.unwrap();
        for part in ["/auth/cookie-jwt/login", "/authenticated-route", "full_name"] {
            assert!(document.contains(part), "{part}");
        }
    }
}
