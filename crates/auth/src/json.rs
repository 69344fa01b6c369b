//! JSON in and out.

use std::fmt;

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use axum_users_core::RequestBody;
use serde::{
    Deserializer, Serialize,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

pub use crate::body::whole_body;
use crate::{
    body,
    refusal::{FieldError, Refusal, Segment, Source, harden, not_an_object},
};

/// A request body that is one JSON object, parsed once and not yet looked into.
///
/// ```
/// use axum_users_auth::json::JsonObject;
///
/// async fn keys(JsonObject(object): JsonObject) -> String {
///     object.keys().cloned().collect::<Vec<_>>().join(" ")
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(keys));
/// ```
///
/// # Errors
/// Refuses with 415 what is not declared as `application/json` or `*/*+json`, with 413 what is longer than
/// [`BodyLimit`](crate::BodyLimit), and with 422 what is empty, not UTF-8, no JSON, no object, contains U+0000, or has a key
/// twice in one object.
///
/// # Security
/// Nesting is limited to 128 levels. U+0000 is refused in every string and key, because databases disagree about it; a key
/// that is there twice, because a proxy or firewall in front may read the other one (RFC 8259, section 4; ASVS 5.0 1.5.3). A
/// declared type is demanded because browsers send `text/plain` across origins without asking (OWASP Cross-Site Request
/// Forgery Prevention Cheat Sheet).
#[derive(Debug, Clone)]
pub struct JsonObject(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        match body::media_type(request.headers()) {
            Some(media_type) if body::is_json(&media_type) => {}
            _ => return Err(Refusal::unsupported_media_type()),
        }
        Self::parse(&body::read(request).await?)
    }
}

impl JsonObject {
    /// Reads the object as a body.
    ///
    /// # Errors
    /// Refuses with 422 and an error for each field at fault.
    pub fn read<T: RequestBody>(self) -> Result<T, Refusal> {
        let Self(object) = self;
        T::from_object(object)
            .map_err(|errors| Refusal::invalid(errors.into_iter().map(FieldError::from).collect()))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let fault = if bytes.is_empty() {
            FieldError::whole_body("missing", "Field required")
        } else {
            let mut found = Found::default();
            let mut parser = serde_json::Deserializer::from_slice(bytes);
            let value = found.deserialize(&mut parser);
            match value.and_then(|value| parser.end().map(|()| value)) {
                Ok(Value::Object(object)) => match found.fault {
                    Some(fault) => fault,
                    None => return Ok(Self(object)),
                },
                Ok(_) => not_an_object(),
                // serde's message may quote the body.
                Err(_) => FieldError::whole_body("json_invalid", "JSON decode error"),
            }
        };
        Err(Refusal::invalid(vec![fault]))
    }
}

/// The body of a request, read and validated, for handlers of the application's own: they refuse as the library's do.
///
/// Anything that derives `Deserialize` and `Validate` is such a body.
///
/// ```
/// use axum_users_auth::json::{Body, Json};
/// use serde::{Deserialize, Serialize};
/// use validator::Validate;
///
/// #[derive(Deserialize, Serialize, Validate)]
/// struct Order {
///     #[validate(length(min = 1, max = 80, message = "1 to 80 characters"))]
///     item: String,
/// }
///
/// async fn order(Body(order): Body<Order>) -> Json<Order> {
///     Json(order)
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(order));
/// ```
///
/// # Errors
/// Those of [`JsonObject`], and 422 `VALIDATION_ERROR` with an error for each field at fault.
#[derive(Debug, Clone, Copy)]
pub struct Body<T>(pub T);

impl<T: RequestBody, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        Ok(Self(JsonObject::from_request(request, state).await?.read()?))
    }
}

/// The fault of a string with U+0000.
pub(crate) fn null_character<P>(path: P) -> FieldError
where
    P: IntoIterator,
    P::Item: Into<Segment>,
{
    FieldError::new(
        Source::Body,
        path,
        "null_character",
        "Text must not contain U+0000",
    )
}

/// The fault of a field that is there twice.
pub(crate) fn duplicate<P>(path: P) -> FieldError
where
    P: IntoIterator,
    P::Item: Into<Segment>,
{
    FieldError::new(Source::Body, path, "duplicate", "Field given more than once")
}

/// Reads a value as `Value` does, and on the way finds what `Value` lets pass: keys that are there twice, U+0000.
#[derive(Default)]
struct Found {
    path: Vec<Segment>,
    fault: Option<FieldError>,
}

/// Under which key `serde_json` gives a number where the application has switched on its `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

impl Found {
    fn fault(&mut self, fault: fn(Vec<Segment>) -> FieldError) {
        if self.fault.is_none() {
            self.fault = Some(fault(self.path.clone()));
        }
    }

    fn text(&mut self, text: String) -> String {
        if text.contains('\0') {
            self.fault(null_character);
        }
        text
    }
}

impl<'de> DeserializeSeed<'de> for &mut Found {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Found {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(self.text(text.to_owned()).into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(self.text(text).into())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Value, S::Error> {
        let mut all = Vec::new();
        loop {
            self.path.push(all.len().into());
            let item = items.next_element_seed(&mut *self)?;
            self.path.pop();
            match item {
                Some(item) => all.push(item),
                None => return Ok(all.into()),
            }
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<Value, M::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let key = self.text(key);
            self.path.push(key.as_str().into());
            if object.contains_key(&key) {
                self.fault(duplicate);
            }
            let value = fields.next_value_seed(&mut *self)?;
            self.path.pop();
            object.insert(key, value);
        }
        let object = Value::Object(object);
        if object.get(NUMBER).is_some() {
            return serde_json::from_value(object).map_err(M::Error::custom);
        }
        Ok(object)
    }
}

/// An answer in JSON that is neither stored nor sniffed: it speaks of accounts and may carry tokens (RFC 6749, section
/// 5.1).
///
/// ```
/// use axum::response::IntoResponse;
/// use axum_users_auth::json::Json;
///
/// let response = Json("secret").into_response();
/// assert_eq!(response.headers()["cache-control"], "no-store");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                let mut response = bytes.into_response();
                harden(response.headers_mut());
                response
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                Refusal::internal().into_response()
            }
        }
    }
}

/// An answer that is neither stored nor sniffed.
pub fn no_store(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use axum::{
        Extension, Router,
        body::Body as RequestBytes,
        http::{StatusCode, header::CONTENT_TYPE},
        routing::post,
    };
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::BodyLimit;

    async fn send(
        app: Router,
        media_type: Option<&str>,
        body: impl Into<RequestBytes>,
    ) -> (StatusCode, String) {
        let mut request = Request::post("/").body(body.into()).unwrap();
        if let Some(media_type) = media_type {
            request
                .headers_mut()
                .insert(CONTENT_TYPE, media_type.parse().unwrap());
        }
        let response = app.oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn echo() -> Router {
        Router::new().route("/", post(async |JsonObject(object)| Json(object)))
    }

    async fn json(body: impl Into<RequestBytes>) -> (StatusCode, String) {
        send(echo(), Some("application/json"), body).await
    }

    async fn fault(body: impl Into<RequestBytes>) -> (String, String) {
        let (status, text) = json(body).await;
        assert_eq!(status, 422, "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let error = &value["errors"][0];
        (
            error["field"].as_str().unwrap().to_owned(),
            error["code"].as_str().unwrap().to_owned(),
        )
    }

    #[tokio::test]
    async fn objects_pass() {
        assert_eq!(
            json(r#" {"a":[1,null]} "#).await,
            (StatusCode::OK, r#"{"a":[1,null]}"#.into())
        );
    }

    #[tokio::test]
    async fn only_json_media_types_pass() {
        for good in [
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/scim+json",
        ] {
            assert_eq!(send(echo(), Some(good), "{}").await.0, 200, "{good}");
        }
        for bad in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/+json",
            "json",
            "",
        ] {
            assert_eq!(send(echo(), Some(bad), "{}").await.0, 415, "{bad}");
        }
        assert_eq!(send(echo(), None, "{}").await.0, 415);
    }

    #[tokio::test]
    async fn two_media_types_are_refused() {
        let request = Request::post("/")
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_TYPE, "text/plain")
            .body(RequestBytes::from("{}"))
            .unwrap();
        assert_eq!(echo().oneshot(request).await.unwrap().status(), 415);
    }

    #[tokio::test]
    async fn bodies_are_limited_to_64_kib() {
        let fitting = format!("{{}}{}", " ".repeat(64 * 1024 - 2));
        assert_eq!(json(fitting.clone()).await.0, 200);
        let (status, text) = json(format!("{fitting} ")).await;
        assert_eq!(status, 413);
        assert_eq!(
            text,
            r#"{"detail":"Payload Too Large","code":"PAYLOAD_TOO_LARGE"}"#
        );
    }

    #[tokio::test]
    async fn the_limit_can_be_set_and_beats_that_of_the_app() {
        let app = echo()
            .layer(Extension(BodyLimit::new(4)))
            .layer(axum::extract::DefaultBodyLimit::disable());
        assert_eq!(send(app.clone(), Some("application/json"), "{  }").await.0, 200);
        assert_eq!(send(app, Some("application/json"), "{   }").await.0, 413);
    }

    #[tokio::test]
    async fn what_is_no_object_is_refused() {
        let whole = |code: &str| (String::new(), code.to_owned());
        assert_eq!(fault("").await, whole("missing"));
        assert_eq!(fault("{").await, whole("json_invalid"));
        assert_eq!(fault("{} {}").await, whole("json_invalid"));
        assert_eq!(
            fault(vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']).await,
            whole("json_invalid")
        );
        assert_eq!(fault(r#"{"a":"\ud800"}"#).await, whole("json_invalid"));
        for other in ["[]", "null", "1", r#""{}""#] {
            assert_eq!(fault(other).await, whole("model_attributes_type"), "{other}");
        }
    }

    #[tokio::test]
    async fn malformed_json_is_answered_like_the_original_without_quoting_it() {
        let (_, text) = json(r#"{"password": hunter2}"#).await;
        let detail = r#"{"detail":[{"type":"json_invalid","loc":["body"],"msg":"JSON decode error"}]"#;
        assert!(text.starts_with(detail), "{text}");
        assert!(!text.contains("hunter2"));
    }

    #[tokio::test]
    async fn deep_nesting_is_refused() {
        let nested = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert_eq!(json(nested(126)).await.0, 200);
        assert_eq!(fault(nested(128)).await.1, "json_invalid");
        assert_eq!(fault(nested(30_000)).await.1, "json_invalid");
    }

    #[tokio::test]
    async fn null_characters_are_refused_with_their_field() {
        let null = |field: &str| (field.to_owned(), "null_character".to_owned());
        assert_eq!(fault(r#"{"email":"a\u0000"}"#).await, null("email"));
        assert_eq!(fault(r#"{"a":{"b":["","\u0000"]}}"#).await, null("a.b[1]"));
        assert_eq!(fault(r#"{"a":{"\u0000":1}}"#).await, null("a"));
        assert_eq!(fault(r#"{"\u0000":1}"#).await, null(""));
    }

    #[tokio::test]
    async fn keys_that_are_there_twice_are_refused_with_their_field() {
        let twice = |field: &str| (field.to_owned(), "duplicate".to_owned());
        assert_eq!(fault(r#"{"email":"a","email":"a"}"#).await, twice("email"));
        assert_eq!(fault(r#"{"a":1,"b":2,"a":null}"#).await, twice("a"));
        assert_eq!(
            fault(r#"{"pass\u0077ord":1,"password":2}"#).await,
            twice("password")
        );
        assert_eq!(fault(r#"{"a":[0,{"b":{},"b":[]}]}"#).await, twice("a[1].b"));
        assert_eq!(fault(r#"{"":1,"":2}"#).await.1, "duplicate");
        assert_eq!(fault(r#"{"a":1,"a":}"#).await.1, "json_invalid");
        for other in [r#"{"A":1,"a":1}"#, r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#] {
            assert_eq!(json(other).await, (StatusCode::OK, other.into()));
        }
    }

    #[tokio::test]
    async fn values_are_what_serde_json_makes_of_them() {
        let all = r#"{"a":[null,true,-1,18446744073709551615,9223372036854775808,-9223372036854775808,1.5e3,-0.0,1e-7,
            123456789012345678901234567890,"","\u00e9\ud83d\ude00",{},[],{"b":{"c":[[{"d":"e"}]]}}]}"#;
        let expected: Value = serde_json::from_str(all).unwrap();
        let JsonObject(found) = JsonObject::parse(all.as_bytes()).unwrap();
        assert_eq!(Value::Object(found), expected);
    }

    #[test]
    fn answers_are_neither_stored_nor_sniffed() {
        let response = (StatusCode::CREATED, Json(1)).into_response();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}
