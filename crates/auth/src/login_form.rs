//! The form of the login route.

use std::fmt;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Multipart, Request},
    http::{HeaderValue, StatusCode, header},
};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use zeroize::Zeroize;

use crate::{
    body,
    json::{JsonObject, duplicate, null_character},
    refusal::{FieldError, Refusal},
};

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";
const FIELDS: [&str; 3] = ["username", "password", "grant_type"];

/// Who wants to sign in: the form of OAuth 2's password grant (RFC 6749, section 4.3.2), as FastAPI-Users reads it.
///
/// `Debug` shows nothing, and the password is wiped.
///
/// ```
/// use axum::extract::{Request, State};
/// use axum_users_auth::{AxumUsers, Refusal, login_form::LoginForm};
/// use axum_users_core::{Password, UserApi};
///
/// async fn check<A: UserApi>(State(users): State<AxumUsers<A>>, request: Request) -> Result<(), Refusal> {
///     let form = LoginForm::from_request_with(request, users.takes_json_login()).await?;
///     let password = Password::parse(&form.password).map_err(|_| Refusal::not_found())?;
///     let manager = users.manager();
///     manager.authenticate(&form.username, password, &manager.context()).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct LoginForm {
    /// The e-mail address, or what else the app signs in by. Never empty.
    pub username: String,
    /// The password as it was typed. Never empty.
    pub password: String,
}

impl Drop for LoginForm {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

impl fmt::Debug for LoginForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginForm").finish_non_exhaustive()
    }
}

impl LoginForm {
    /// Reads the form from a body of `application/x-www-form-urlencoded` or `multipart/form-data`, and from a JSON object
    /// where `json_allowed`.
    ///
    /// Fields without a meaning here (`scope`, `client_id`, …) are ignored.
    ///
    /// # Errors
    /// Refuses with 415 a body of another media type, with 413 one longer than [`BodyLimit`](crate::BodyLimit), and with
    /// 422 a missing or empty field, a repeated field, a `grant_type` other than `password`, broken encoding and U+0000.
    ///
    /// # Security
    /// Repeated fields are refused because a proxy or firewall in front may read the other one (OWASP Web Security Testing
    /// Guide, "Testing for HTTP Parameter Pollution").
    pub async fn from_request_with(request: Request, json_allowed: bool) -> Result<Self, Refusal> {
        let media_type = body::media_type(request.headers()).unwrap_or_default();
        let json = json_allowed && body::is_json(&media_type);
        if !json && ![URLENCODED, MULTIPART].contains(&media_type.as_str()) {
            return Err(Refusal::unsupported_media_type());
        }
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = body::read(request).await?;
        if json {
            Self::from_object(JsonObject::parse(&bytes)?)
        } else if media_type == URLENCODED {
            Self::from_pairs(urlencoded(&bytes)?)
        } else {
            Self::from_pairs(multipart(content_type, bytes).await?)
        }
    }

    fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, Refusal> {
        let mut found: [Option<String>; 3] = [const { None }; 3];
        let mut errors = Vec::new();
        for (name, value) in pairs {
            if name.contains('\0') {
                errors.push(null_character([""; 0]));
            } else if value.contains('\0') {
                errors.push(null_character([name.as_str()]));
            }
            let slot = FIELDS.iter().zip(&mut found).find(|(field, _)| **field == name);
            if let Some((_, slot)) = slot
                && slot.replace(value).is_some()
            {
                errors.push(duplicate([name.as_str()]));
            }
        }
        Self::checked(found, errors)
    }

    fn from_object(JsonObject(mut object): JsonObject) -> Result<Self, Refusal> {
        let mut errors = Vec::new();
        let found = FIELDS.map(|field| match object.remove(field) {
            Some(Value::String(text)) => Some(text),
            None | Some(Value::Null) => None,
            Some(_) => {
                let message = "Input should be a valid string";
                errors.push(FieldError::in_body(field, "string_type", message));
                None
            }
        });
        Self::checked(found, errors)
    }

    fn checked(found: [Option<String>; 3], mut errors: Vec<FieldError>) -> Result<Self, Refusal> {
        let [username, password, grant_type] = found.map(Option::unwrap_or_default);
        if !matches!(grant_type.as_str(), "" | "password") {
            let message = "String should match pattern '^password$'";
            errors.push(FieldError::in_body(
                "grant_type",
                "string_pattern_mismatch",
                message,
            ));
        }
        for (field, value) in [("username", &username), ("password", &password)] {
            let known = errors.iter().any(|error| error.field() == field);
            if value.is_empty() && !known {
                errors.push(FieldError::missing(field));
            }
        }
        if errors.is_empty() {
            Ok(Self { username, password })
        } else {
            Err(Refusal::invalid(errors))
        }
    }
}

fn undecodable() -> Refusal {
    Refusal::invalid(vec![FieldError::whole_body("form_invalid", "Form decode error")])
}

// The usual parsers replace what they cannot decode, and two different passwords must not become one.
fn urlencoded(bytes: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    bytes
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decoded(halves.next().unwrap_or_default());
            Some((half()?, half()?))
        })
        .collect::<Option<_>>()
        .ok_or_else(undecodable)
}

fn decoded(bytes: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        text.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(text).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

async fn multipart(
    content_type: Option<HeaderValue>,
    bytes: Bytes,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut request = Request::new(Body::from(bytes));
    request
        .headers_mut()
        .extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
    let Ok(mut form) = Multipart::from_request(request, &()).await else {
        return Err(undecodable());
    };
    let mut pairs = Vec::new();
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return Ok(pairs),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(Refusal::payload_too_large());
            }
            Err(_) => return Err(undecodable()),
        };
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            let error = FieldError::in_body(&name, "string_type", "Input should be a valid string");
            return Err(Refusal::invalid(vec![error]));
        }
        let value = field.bytes().await.map_err(|_| undecodable())?;
        let value = String::from_utf8(value.into()).map_err(|_| undecodable())?;
        pairs.push((name, value));
    }
}

/// The form of OAuth 2's password grant.
#[derive(ToSchema)]
#[schema(as = LoginForm)]
#[expect(dead_code, reason = "only its schema is used")]
struct Documented {
    /// Always `password`; may be left out.
    #[schema(pattern = "^password$")]
    grant_type: Option<String>,
    /// The e-mail address.
    #[schema(min_length = 1)]
    username: String,
    /// The password.
    #[schema(min_length = 1, format = Password)]
    password: String,
    /// Accepted for OAuth 2 clients, without effect.
    scope: String,
    /// Accepted for OAuth 2 clients, without effect.
    client_id: Option<String>,
    /// Accepted for OAuth 2 clients, without effect.
    client_secret: Option<String>,
}

impl PartialSchema for LoginForm {
    fn schema() -> RefOr<Schema> {
        let mut schema = Documented::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.retain(|field| field != "scope");
        }
        schema
    }
}

impl ToSchema for LoginForm {}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_TYPE;

    use super::*;

    const MULTIPART: &str = "multipart/form-data; boundary=x";

    async fn read(media_type: &str, body: impl Into<Body>, json: bool) -> Result<LoginForm, Refusal> {
        let request = Request::post("/")
            .header(CONTENT_TYPE, media_type)
            .body(body.into())
            .unwrap();
        LoginForm::from_request_with(request, json).await
    }

    async fn faults(media_type: &str, body: impl Into<Body>) -> Vec<(String, String)> {
        let refusal = read(media_type, body, true).await.unwrap_err();
        assert_eq!(refusal.status(), 422);
        refusal
            .errors()
            .iter()
            .map(|e| (e.field(), e.code().to_owned()))
            .collect()
    }

    fn one(field: &str, code: &str) -> Vec<(String, String)> {
        vec![(field.to_owned(), code.to_owned())]
    }

    fn part(name: &str, value: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[tokio::test]
    async fn urlencoded_forms_are_read() {
        let body = "grant_type=password&username=arthur%40camelot.bt&password=a+b%2B%3D=%C3%A9&scope=";
        let form = read(URLENCODED, body, false).await.unwrap();
        assert_eq!(
            (form.username.as_str(), form.password.as_str()),
            ("arthur@camelot.bt", "a b+==é")
        );
    }

    #[tokio::test]
    async fn multipart_forms_are_read() {
        let body = format!(
            "{}{}--x--\r\n",
            part("username", "é@b.c"),
            part("password", "p+%20w")
        );
        let form = read(MULTIPART, body, false).await.unwrap();
        assert_eq!(
            (form.username.as_str(), form.password.as_str()),
            ("é@b.c", "p+%20w")
        );
    }

    #[tokio::test]
    async fn json_is_read_where_allowed_and_415_elsewhere() {
        let body = r#"{"username":"a","password":"b"}"#;
        assert_eq!(read("application/json", body, true).await.unwrap().password, "b");
        assert_eq!(
            read("application/json", body, false).await.unwrap_err().status(),
            415
        );
        assert_eq!(
            read("text/plain", "username=a&password=b", true)
                .await
                .unwrap_err()
                .status(),
            415
        );
        assert_eq!(
            faults("application/json", r#"{"username":"a","password":1}"#).await,
            one("password", "string_type")
        );
        assert_eq!(
            faults("application/json", r#"{"username":"a"}"#).await,
            one("password", "missing")
        );
    }

    #[tokio::test]
    async fn empty_is_missing() {
        assert_eq!(
            faults(URLENCODED, "username=a&password=").await,
            one("password", "missing")
        );
        let both = [one("username", "missing"), one("password", "missing")].concat();
        assert_eq!(faults(URLENCODED, "").await, both);
    }

    #[tokio::test]
    async fn repeated_fields_are_refused() {
        for field in FIELDS {
            let body = format!("username=a&password=b&grant_type=&{field}=password");
            assert_eq!(faults(URLENCODED, body).await, one(field, "duplicate"));
        }
        let parts = [
            part("username", "a"),
            part("password", "b"),
            part("password", "b"),
        ]
        .concat();
        assert_eq!(
            faults(MULTIPART, format!("{parts}--x--\r\n")).await,
            one("password", "duplicate")
        );
    }

    #[tokio::test]
    async fn other_grants_are_refused() {
        let body = "username=a&password=b&grant_type=client_credentials";
        assert_eq!(
            faults(URLENCODED, body).await,
            one("grant_type", "string_pattern_mismatch")
        );
        assert!(
            read(URLENCODED, "username=a&password=b&grant_type=", false)
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn broken_encoding_is_refused() {
        for body in [
            "username=a&password=%",
            "username=a&password=%4",
            "username=a&password=%zz",
            "username=%ff&password=b",
        ] {
            assert_eq!(faults(URLENCODED, body).await, one("", "form_invalid"), "{body}");
        }
        assert_eq!(
            faults(URLENCODED, vec![b'a', b'=', 0xff]).await,
            one("", "form_invalid")
        );
        assert_eq!(faults(MULTIPART, "--x\r\nCont").await, one("", "form_invalid"));
        assert_eq!(
            faults("multipart/form-data", "--x--").await,
            one("", "form_invalid")
        );
    }

    #[tokio::test]
    async fn null_characters_are_refused_with_their_field() {
        assert_eq!(
            faults(URLENCODED, "username=a%00&password=b").await,
            one("username", "null_character")
        );
        assert_eq!(
            faults(URLENCODED, "username=a&password=b&c=%00").await,
            one("c", "null_character")
        );
    }

    #[tokio::test]
    async fn files_are_no_passwords() {
        let file =
            "--x\r\nContent-Disposition: form-data; name=\"password\"; filename=\"f\"\r\n\r\nb\r\n--x--\r\n";
        assert_eq!(faults(MULTIPART, file).await, one("password", "string_type"));
    }

    #[tokio::test]
    async fn forms_are_limited_to_64_kib() {
        for media_type in [URLENCODED, MULTIPART, "application/json"] {
            let refusal = read(media_type, "a".repeat(64 * 1024 + 1), true)
                .await
                .unwrap_err();
            assert_eq!(refusal.status(), 413, "{media_type}");
        }
    }

    #[test]
    fn passwords_do_not_reach_logs() {
        let form = LoginForm {
            username: "a".to_owned(),
            password: "hunter2".to_owned(),
        };
        assert!(!format!("{form:?}").contains("hunter2"));
    }
}
