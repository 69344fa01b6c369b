//! Reading a request body under its limit.

use axum::{
    body::{Body, Bytes},
    extract::{
        DefaultBodyLimit, FromRequest, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::refusal::Refusal;

/// How many bytes a request body may have; 64 KiB unless set.
///
/// Put it into a request's extensions to change it, as with `axum::Extension(BodyLimit::new(16 * 1024))` as a layer. It
/// stands for axum's `DefaultBodyLimit` wherever this library reads a body, so a generous limit for uploads does not
/// reach the routes that anyone may call. Longer bodies are refused with 413.
///
/// ```
/// use axum::{Extension, Router};
/// use axum_users_auth::BodyLimit;
///
/// let app: Router = Router::new().layer(Extension(BodyLimit::new(16 * 1024)));
/// # let _ = app;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(usize);

impl BodyLimit {
    /// Allows bodies of up to `bytes` bytes.
    pub const fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// The limit in bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl Default for BodyLimit {
    fn default() -> Self {
        Self(64 * 1024)
    }
}

/// Reads the body of `request` as far as its [`BodyLimit`] allows.
pub(crate) async fn read(mut request: Request) -> Result<Bytes, Refusal> {
    let limit = request
        .extensions()
        .get::<BodyLimit>()
        .copied()
        .unwrap_or_default();
    DefaultBodyLimit::max(limit.bytes()).apply(&mut request);
    Bytes::from_request(request, &())
        .await
        .map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                Refusal::payload_too_large()
            }
            _ => Refusal::plain(StatusCode::BAD_REQUEST),
        })
}

/// Reads the body of a request that may change something before anything is decided about it.
///
/// Who may ask is found out when a handler is called, which is before its body has come: a client that holds its body back is
/// let in as who it was then, however long ago. This is for the routes of this library, which have it, and for routes of your own
/// that take a `CurrentUser` and a body: `.layer(axum::middleware::from_fn(axum_users::json::whole_body))`. Bodies are read up to
/// their [`BodyLimit`].
///
/// ```
/// use axum::{Router, middleware::from_fn, routing::post};
/// use axum_users_auth::json::{JsonObject, whole_body};
///
/// let app: Router = Router::new()
///     .route("/orders", post(async |order: JsonObject| drop(order)))
///     .layer(from_fn(whole_body));
/// # let _ = app;
/// ```
pub async fn whole_body(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match read(Request::from_parts(parts.clone(), body)).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The media type of a body, lower-case and without parameters; `None` if there is none or more than one.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let essence = value.to_str().ok()?.split(';').next()?;
    Some(essence.trim().to_ascii_lowercase())
}

/// Whether `media_type` is JSON: `application/json` or any type with the suffix `+json` (RFC 6839, section 3.1).
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || media_type
            .split_once('/')
            .and_then(|(_, subtype)| subtype.strip_suffix("+json"))
            .is_some_and(|prefix| !prefix.is_empty())
}
