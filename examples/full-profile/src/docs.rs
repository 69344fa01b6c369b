//! The document, and the page that shows it.

use axum::{Router, http::header, routing::get};
use utoipa::openapi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::Failed;

/// `GET /openapi.json`, and the page at `/docs`.
pub(crate) fn router(document: &openapi::OpenApi) -> Result<Router, Failed> {
    let json = document.to_json()?;
    let answer = move || {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], json) }
    };
    // Without `none` the page sends the document's address to the validator of swagger.io.
    let page = SwaggerUi::new("/docs").config(Config::from("/openapi.json").validator_url("none"));
    Ok(Router::from(page).route("/openapi.json", get(answer)))
}
