//! Front ends on other origins.

use axum::http::{
    HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use tower_http::cors::CorsLayer;

use crate::Failed;

/// Lets pages of these origins call the API with cookies, and read what it answers; browsers keep all others from it.
///
/// The list is closed on purpose: an answer that names whatever origin asks lets every page read it.
pub(crate) fn layer<'o>(origins: impl Iterator<Item = &'o str>) -> Result<CorsLayer, Failed> {
    let origins: Vec<HeaderValue> = origins.map(str::parse).collect::<Result<_, _>>()?;
    Ok(CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([CONTENT_TYPE, AUTHORIZATION])
        // The token that takes the place of one that ended with the others, and when to ask again.
        .expose_headers([HeaderName::from_static("authentication-info"), RETRY_AFTER]))
}
