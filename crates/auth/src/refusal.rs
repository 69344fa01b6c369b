//! A refused request as a value, and the JSON it becomes.

mod envelope;
mod field;

use std::{borrow::Cow, future::Ready, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

pub(crate) use self::envelope::{FastApiErrorModel, FastApiValidationError};
pub use self::{
    envelope::{ErrorDetail, ErrorModel, FieldErrorModel, Location, ValidationDetail, ValidationErrorModel},
    field::{FieldError, Segment, Source},
};

/// How refusals are written.
///
/// ```
/// use axum_users_auth::{AxumUsers, ErrorStyle};
/// use axum_users_core::UserApi;
///
/// fn for_old_clients<A: UserApi>(users: &AxumUsers<A>) -> AxumUsers<A> {
///     users.mount("v1").error_style(ErrorStyle::FastApiUsers)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ErrorStyle {
    /// Beside `detail` every refusal carries `code`, and a 422 its `errors`.
    #[default]
    Full,
    /// As FastAPI-Users answers: `detail` only, and 422 where the body is of a wrong media type.
    FastApiUsers,
}

/// A scheme that a 401 asks the client to authenticate with (RFC 9110, section 11.6.1).
///
/// ```
/// use axum_users_auth::{Refusal, refusal::Challenge};
///
/// let refusal = Refusal::unauthorized([Challenge::bearer().realm("shop")]);
/// assert_eq!(refusal.headers()[0].1, r#"Bearer realm="shop""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    scheme: &'static str,
    realm: Option<String>,
    error: Option<&'static str>,
    scopes: Vec<&'static str>,
}

impl Challenge {
    /// Asks for `scheme`.
    pub const fn new(scheme: &'static str) -> Self {
        Self {
            scheme,
            realm: None,
            error: None,
            scopes: Vec::new(),
        }
    }

    /// Asks for a bearer token (RFC 6750, section 3). Right as it is where none was presented.
    pub const fn bearer() -> Self {
        Self::new("Bearer")
    }

    /// Names the protected space.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Says that a token was presented and is not valid (RFC 6750, section 3.1).
    #[must_use]
    pub const fn invalid_token(mut self) -> Self {
        self.error = Some("invalid_token");
        self
    }

    /// Says that the token that was presented lacks one of these scopes (RFC 6750, section 3.1).
    #[must_use]
    pub fn insufficient_scope(mut self, scopes: &[&'static str]) -> Self {
        self.error = Some("insufficient_scope");
        self.scopes = scopes.to_vec();
        self
    }

    fn value(&self) -> Option<HeaderValue> {
        let realm = self.realm.as_deref().map(|realm| {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            format!("realm=\"{quoted}\"")
        });
        let error = self.error.map(|error| format!("error=\"{error}\""));
        let scope = (!self.scopes.is_empty()).then(|| format!("scope=\"{}\"", self.scopes.join(" ")));
        let params: Vec<String> = realm.into_iter().chain(error).chain(scope).collect();
        let value = format!("{} {}", self.scheme, params.join(", "));
        HeaderValue::from_str(value.trim_end()).ok()
    }
}

/// A refused request: its status, a stable code, and what to say about it.
///
/// As a response it is JSON, not to be stored and not to be sniffed, and it rides in the response's extensions, so that
/// an app's layer can find it there and answer in the app's own format.
///
/// ```
/// use axum::{http::StatusCode, response::IntoResponse};
/// use axum_users_auth::Refusal;
///
/// let refusal = Refusal::coded(StatusCode::BAD_REQUEST, "LOGIN_BAD_CREDENTIALS");
/// let response = refusal.into_response();
/// assert_eq!(response.status(), 400);
/// assert_eq!(response.extensions().get::<Refusal>().unwrap().code(), "LOGIN_BAD_CREDENTIALS");
/// ```
#[derive(Debug, Clone)]
pub struct Refusal {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Detail,
    reason_code: Option<Cow<'static, str>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    style: ErrorStyle,
}

#[derive(Debug, Clone)]
enum Detail {
    Code,
    Reason(String),
    Phrase,
    Fields(Vec<FieldError>),
}

impl Refusal {
    /// Refuses with a stable code of its own.
    pub fn coded(status: StatusCode, code: impl Into<Cow<'static, str>>) -> Self {
        Self::with(status, code.into(), Detail::Code)
    }

    /// Refuses with nothing to say beyond the status: `detail` is its reason phrase, the code that phrase in capitals.
    pub fn plain(status: StatusCode) -> Self {
        Self::with(status, phrase_code(status), Detail::Phrase)
    }

    /// 422: the fields of the request are at fault.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::with(status, "VALIDATION_ERROR".into(), Detail::Fields(errors))
    }

    /// Refuses with a code, and says how else to authenticate.
    pub(crate) fn challenged(status: StatusCode, code: &'static str, challenge: &Challenge) -> Self {
        let refusal = Self::coded(status, code);
        match challenge.value() {
            Some(value) => refusal.with_header(header::WWW_AUTHENTICATE, value),
            None => refusal,
        }
    }

    /// 401: nobody is signed in, or not any more. Each challenge becomes a `WWW-Authenticate` header.
    pub fn unauthorized(challenges: impl IntoIterator<Item = Challenge>) -> Self {
        let mut refusal = Self::plain(StatusCode::UNAUTHORIZED);
        let values = challenges.into_iter().filter_map(|challenge| challenge.value());
        refusal
            .headers
            .extend(values.map(|value| (header::WWW_AUTHENTICATE, value)));
        refusal
    }

    /// 403: the caller is known and may not do this.
    pub fn forbidden() -> Self {
        Self::plain(StatusCode::FORBIDDEN)
    }

    /// 404: there is no such thing.
    pub fn not_found() -> Self {
        Self::plain(StatusCode::NOT_FOUND)
    }

    /// 413: the body is longer than [`BodyLimit`](crate::BodyLimit) allows.
    pub fn payload_too_large() -> Self {
        Self::plain(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// 415: the body is of a media type that is not read here. FastAPI-Users answers 422 instead.
    pub fn unsupported_media_type() -> Self {
        Self::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    /// 429: too many attempts; `Retry-After` says when to come back, in whole seconds, rounded up.
    pub fn too_many_requests(retry_after: Duration) -> Self {
        Self::plain(StatusCode::TOO_MANY_REQUESTS).retry_after(retry_after)
    }

    /// 503: something we need is down; `Retry-After` says when to come back, in whole seconds, rounded up.
    pub fn unavailable(retry_after: Duration) -> Self {
        Self::plain(StatusCode::SERVICE_UNAVAILABLE).retry_after(retry_after)
    }

    /// 500: the fault is ours, and nothing is said about it. Log its cause where it is known.
    pub fn internal() -> Self {
        Self::plain(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Adds a reason for people: `detail` becomes the pair of code and reason.
    ///
    /// # Security
    /// The text is sent as it is. Keep values of the request out of it.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.detail = Detail::Reason(reason.into());
        self
    }

    /// Adds a stable code of the reason, for programs: `too_short`.
    #[must_use]
    pub fn with_reason_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.reason_code = Some(code.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Chooses how the refusal is written.
    #[must_use]
    pub fn styled(mut self, style: ErrorStyle) -> Self {
        self.style = style;
        self
    }

    /// The status as it is answered, which depends on the style.
    pub fn status(&self) -> StatusCode {
        match (self.style, self.status) {
            (ErrorStyle::FastApiUsers, StatusCode::UNSUPPORTED_MEDIA_TYPE) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            (_, status) => status,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The reason for people, where there is one.
    pub fn reason(&self) -> Option<&str> {
        match &self.detail {
            Detail::Reason(reason) => Some(reason),
            _ => None,
        }
    }

    /// The stable code of the reason, where there is one.
    pub fn reason_code(&self) -> Option<&str> {
        self.reason_code.as_deref()
    }

    /// The fields at fault; empty unless the request was [`invalid`](Self::invalid).
    pub fn errors(&self) -> &[FieldError] {
        match &self.detail {
            Detail::Fields(errors) => errors,
            _ => &[],
        }
    }

    /// The headers that go with the answer beside those of every refusal.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// How the refusal is written.
    pub fn style(&self) -> ErrorStyle {
        self.style
    }

    /// The JSON of the answer.
    pub(crate) fn body(&self) -> Vec<u8> {
        let full = self.style == ErrorStyle::Full;
        let code = || self.code.clone().into_owned();
        let detail = match &self.detail {
            Detail::Fields(errors) => return validation_body(errors, full.then(code)),
            Detail::Phrase if !full && self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                return validation_body(&[not_an_object()], None);
            }
            Detail::Code => ErrorDetail::Text(code()),
            Detail::Phrase => ErrorDetail::Text(phrase(self.status).to_owned()),
            Detail::Reason(reason) => ErrorDetail::Explained {
                code: code(),
                reason: reason.clone(),
            },
        };
        if full {
            let reason_code = self.reason_code.as_deref().map(str::to_owned);
            json(&ErrorModel {
                detail,
                code: code(),
                reason_code,
            })
        } else {
            json(&FastApiErrorModel { detail })
        }
    }

    fn with(status: StatusCode, code: Cow<'static, str>, detail: Detail) -> Self {
        Self {
            status,
            code,
            detail,
            reason_code: None,
            headers: Vec::new(),
            style: ErrorStyle::default(),
        }
    }

    fn retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, seconds.max(1).into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        harden(headers);
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The fault of a body that is JSON but no object, in FastAPI's words.
pub(crate) fn not_an_object() -> FieldError {
    FieldError::whole_body(
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    )
}

/// Marks an answer as JSON that is neither cached nor sniffed (OWASP REST Security Cheat Sheet, "Security headers").
pub(crate) fn harden(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

/// Writes refusals that pass by in `style`, and the bare 405 of a router as a refusal with its `Allow` kept.
///
/// For `axum::middleware::map_response`. Everything else passes untouched. It works on the way out and sets no fallback,
/// so routers that use it can be merged and nested, also where they share a path; a `method_not_allowed_fallback` of the
/// app goes before.
///
/// ```
/// use axum::{Router, middleware::map_response, routing::post};
/// use axum_users_auth::{ErrorStyle, Refusal, refusal::restyle};
///
/// let app: Router = Router::new()
///     .route("/never", post(async || Refusal::forbidden()))
///     .layer(map_response(restyle(ErrorStyle::FastApiUsers)));
/// ```
pub fn restyle(style: ErrorStyle) -> impl Fn(Response) -> Ready<Response> + Clone + Send + Sync {
    move |response| std::future::ready(restyled(response, style))
}

fn restyled(mut response: Response, style: ErrorStyle) -> Response {
    let found = response.extensions_mut().remove::<Refusal>();
    let bare = response.status() == StatusCode::METHOD_NOT_ALLOWED;
    let refusal = match found {
        Some(refusal) => refusal.styled(style),
        None if bare => Refusal::plain(StatusCode::METHOD_NOT_ALLOWED).styled(style),
        None => return response,
    };
    let body = refusal.body();
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    harden(headers);
    // The old body may have been measured or compressed by a layer further in.
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers.remove(header::CONTENT_ENCODING);
    response.extensions_mut().insert(refusal);
    response.map(|_| Body::from(body))
}

fn validation_body(errors: &[FieldError], code: Option<String>) -> Vec<u8> {
    let detail = errors.iter().map(ValidationDetail::from).collect();
    match code {
        None => json(&FastApiValidationError { detail }),
        Some(code) => json(&ValidationErrorModel {
            detail,
            code,
            errors: errors.iter().map(FieldErrorModel::from).collect(),
        }),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Our own structs of strings always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

fn phrase(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Refused")
}

fn phrase_code(status: StatusCode) -> Cow<'static, str> {
    match status {
        // These phrases have changed between RFCs; the codes stay.
        StatusCode::PAYLOAD_TOO_LARGE => "PAYLOAD_TOO_LARGE".into(),
        StatusCode::UNPROCESSABLE_ENTITY => "UNPROCESSABLE_ENTITY".into(),
        _ => phrase(status)
            .replace(|c: char| !c.is_ascii_alphanumeric(), "_")
            .to_ascii_uppercase()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        http::{Request, response::Parts},
        middleware::map_response,
        routing::post,
    };
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn text(refusal: &Refusal) -> String {
        String::from_utf8(refusal.body()).unwrap()
    }

    fn original(refusal: Refusal) -> (u16, String) {
        let refusal = refusal.styled(ErrorStyle::FastApiUsers);
        (refusal.status().as_u16(), text(&refusal))
    }

    #[test]
    fn a_code_stands_in_detail_and_in_code() {
        let refusal = Refusal::coded(StatusCode::BAD_REQUEST, "LOGIN_BAD_CREDENTIALS");
        let both = r#"{"detail":"LOGIN_BAD_CREDENTIALS","code":"LOGIN_BAD_CREDENTIALS"}"#;
        assert_eq!(text(&refusal), both);
        assert_eq!(
            original(refusal),
            (400, r#"{"detail":"LOGIN_BAD_CREDENTIALS"}"#.to_owned())
        );
    }

    #[test]
    fn a_reason_makes_detail_a_pair() {
        let refusal =
            Refusal::coded(StatusCode::BAD_REQUEST, "REGISTER_INVALID_PASSWORD").with_reason("too short");
        assert_eq!(
            text(&refusal),
            r#"{"detail":{"code":"REGISTER_INVALID_PASSWORD","reason":"too short"},"code":"REGISTER_INVALID_PASSWORD"}"#
        );
        assert_eq!(
            original(refusal).1,
            r#"{"detail":{"code":"REGISTER_INVALID_PASSWORD","reason":"too short"}}"#
        );
    }

    #[test]
    fn without_a_code_the_phrase_speaks() {
        let phrases = [
            (
                Refusal::unauthorized([]),
                r#"{"detail":"Unauthorized","code":"UNAUTHORIZED"}"#,
            ),
            (
                Refusal::forbidden(),
                r#"{"detail":"Forbidden","code":"FORBIDDEN"}"#,
            ),
            (
                Refusal::not_found(),
                r#"{"detail":"Not Found","code":"NOT_FOUND"}"#,
            ),
            (
                Refusal::payload_too_large(),
                r#"{"detail":"Payload Too Large","code":"PAYLOAD_TOO_LARGE"}"#,
            ),
            (
                Refusal::unsupported_media_type(),
                r#"{"detail":"Unsupported Media Type","code":"UNSUPPORTED_MEDIA_TYPE"}"#,
            ),
            (
                Refusal::internal(),
                r#"{"detail":"Internal Server Error","code":"INTERNAL_SERVER_ERROR"}"#,
            ),
            (
                Refusal::unavailable(Duration::from_secs(5)),
                r#"{"detail":"Service Unavailable","code":"SERVICE_UNAVAILABLE"}"#,
            ),
        ];
        for (refusal, expected) in phrases {
            assert_eq!(text(&refusal), expected);
        }
    }

    #[test]
    fn faults_of_fields_come_in_both_forms() {
        let refusal = Refusal::invalid(vec![FieldError::missing("email")]);
        assert_eq!(refusal.status(), 422);
        assert_eq!(
            text(&refusal),
            r#"{"detail":[{"type":"missing","loc":["body","email"],"msg":"Field required"}],"code":"VALIDATION_ERROR","errors":[{"field":"email","code":"missing","message":"Field required"}]}"#
        );
        assert_eq!(
            original(refusal).1,
            r#"{"detail":[{"type":"missing","loc":["body","email"],"msg":"Field required"}]}"#
        );
    }

    #[test]
    fn the_original_answers_422_to_a_wrong_media_type() {
        let (status, body) = original(Refusal::unsupported_media_type());
        assert_eq!(status, 422);
        assert!(body.starts_with(r#"{"detail":[{"type":"model_attributes_type","loc":["body"]"#));
    }

    #[test]
    fn challenges_follow_rfc_6750() {
        let values = |challenge: Challenge| {
            let refusal = Refusal::unauthorized([challenge]).into_response();
            refusal.headers()["www-authenticate"].to_str().unwrap().to_owned()
        };
        assert_eq!(values(Challenge::bearer()), "Bearer");
        assert_eq!(
            values(Challenge::bearer().realm("a \"b\"")),
            r#"Bearer realm="a \"b\"""#
        );
        assert_eq!(
            values(Challenge::bearer().invalid_token()),
            r#"Bearer error="invalid_token""#
        );
        assert_eq!(
            values(Challenge::bearer().realm("api").invalid_token()),
            r#"Bearer realm="api", error="invalid_token""#
        );
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        for (after, header) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let response = Refusal::unavailable(Duration::from_millis(after)).into_response();
            assert_eq!(response.headers()["retry-after"], header);
        }
    }

    #[test]
    fn refusals_are_neither_stored_nor_sniffed_and_can_be_found() {
        let response = Refusal::not_found().into_response();
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(
            response.extensions().get::<Refusal>().unwrap().code(),
            "NOT_FOUND"
        );
    }

    fn app() -> Router {
        let refuse = async || Refusal::coded(StatusCode::BAD_REQUEST, "NO");
        let inner = Router::new()
            .route("/refuse", post(refuse))
            .route("/fine", post(async || "fine"))
            .layer(map_response(restyle(ErrorStyle::FastApiUsers)));
        let same_path = Router::new()
            .route("/fine", axum::routing::patch(async || "patched"))
            .layer(map_response(restyle(ErrorStyle::Full)));
        Router::new().nest("/a", inner).nest("/a", same_path)
    }

    async fn call(method: &str, path: &str) -> (Parts, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let (parts, body) = app().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_layer_rewrites_refusals_and_nothing_else() {
        let (parts, body) = call("POST", "/a/refuse").await;
        assert_eq!(
            (parts.status.as_u16(), body.as_str()),
            (400, r#"{"detail":"NO"}"#)
        );
        assert_eq!(parts.headers["content-length"], body.len().to_string());
        assert_eq!(call("POST", "/a/fine").await.1, "fine");
    }

    #[tokio::test]
    async fn a_wrong_method_is_refused_in_json_with_allow() {
        let (parts, body) = call("GET", "/a/refuse").await;
        assert_eq!(parts.status, 405);
        assert_eq!(body, r#"{"detail":"Method Not Allowed"}"#);
        assert_eq!(parts.headers["allow"], "POST");
        assert_eq!(parts.headers["content-length"], body.len().to_string());
    }

    #[tokio::test]
    async fn routers_that_share_a_path_still_merge() {
        let (parts, _) = call("GET", "/a/fine").await;
        assert_eq!(parts.status, 405);
        assert_eq!(parts.headers["allow"], "POST,PATCH");
        assert_eq!(call("PATCH", "/a/fine").await.1, "patched");
    }
}
