//! One request, one answer.

use std::{
    fmt::Debug,
    future::{Future, IntoFuture},
    net::{IpAddr, SocketAddr},
    pin::Pin,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, header},
};
use axum_users::Refusal;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// What signs a request in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Bearer(String),
    Cookie { name: String, value: String },
}

impl Token {
    /// The token itself.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Bearer(text) | Self::Cookie { value: text, .. } => text,
        }
    }
}

/// A request that is sent by awaiting it.
#[must_use]
pub(crate) struct Call {
    router: Router,
    request: Request<Body>,
}

impl Call {
    pub(crate) fn new(router: &Router, method: &str, path: &str) -> Self {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(path)
            .body(Body::empty())
            .expect("a request");
        Self {
            router: router.clone(),
            request,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = axum::http::HeaderValue::from_bytes(value.as_bytes()).expect("a header");
        self.request.headers_mut().append(name, value);
        self
    }

    pub(crate) fn body(mut self, media_type: &str, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self.header("content-type", media_type)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that `json!` can stand in the call"
    )]
    pub(crate) fn json(self, body: Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Another body in place of the one there is.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that `json!` can stand in the call"
    )]
    pub(crate) fn json_instead(mut self, body: Value) -> Self {
        self.request.headers_mut().remove(header::CONTENT_TYPE);
        self.body("application/json", body.to_string())
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        self.body("application/x-www-form-urlencoded", pairs.join("&"))
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn by(self, token: &Token) -> Self {
        match token {
            Token::Bearer(token) => self.bearer(token),
            Token::Cookie { name, value } => self.header("cookie", &format!("{name}={value}")),
        }
    }

    /// From a connection of this address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        let connection = ConnectInfo(SocketAddr::new(address, 4711));
        self.request.extensions_mut().insert(connection);
        self
    }

    /// As a browser sends it for a page of another site.
    pub(crate) fn cross_site(self) -> Self {
        self.header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site")
    }

    async fn send(self) -> Answer {
        let place = format!("{} {}", self.request.method(), self.request.uri());
        let response = self
            .router
            .oneshot(self.request)
            .await
            .expect("routers always answer");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            place,
            status: parts.status.as_u16(),
            refusal: parts.extensions.get::<Refusal>().cloned(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("all answers are UTF-8"),
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |all, byte| all + &format!("%{byte:02X}"))
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    place: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) refusal: Option<Refusal>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.place, self.body);
        self
    }

    /// Refused with this status and code, in both places where a code stands.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        let json = answer.json();
        assert_eq!(json["code"], code, "{}: {json}", answer.place);
        let detail = &json["detail"];
        if let Some(twin) = detail.get("code").or(Some(detail)).and_then(Value::as_str)
            && twin != code
        {
            let phrase = axum::http::StatusCode::from_u16(status)
                .ok()
                .and_then(|status| status.canonical_reason());
            assert_eq!(Some(twin), phrase, "{}: {json}", answer.place);
        }
        answer
    }

    /// Refused with 422, and these fields and codes.
    #[track_caller]
    pub(crate) fn invalid(self, faults: &[(&str, &str)]) -> Self {
        let answer = self.refused(422, "VALIDATION_ERROR");
        assert_eq!(answer.faults(), faults, "{}: {}", answer.place, answer.body);
        answer
    }

    /// The fields and codes of a 422.
    pub(crate) fn faults(&self) -> Vec<(&str, &str)>
    where
        Self: Debug,
    {
        let refusal = self.refusal.as_ref().expect("a refusal rides along");
        let json = self.json();
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        assert_eq!(errors.len(), refusal.errors().len());
        let detail = json["detail"].as_array().cloned().unwrap_or_default();
        assert_eq!(detail.len(), errors.len());
        let mut faults = Vec::new();
        for (error, detail) in errors.iter().zip(&detail) {
            let text = |key: &str| error[key].as_str().expect("a text").to_owned().leak() as &str;
            assert!(!text("message").is_empty());
            assert_eq!(detail["type"], error["code"]);
            assert_eq!(detail["msg"], error["message"]);
            faults.push((text("field"), text("code")));
        }
        faults
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error} in {:?}", self.place, self.body))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        let all = self.headers.get_all(header::SET_COOKIE);
        all.iter().map(|value| value.to_str().expect("ASCII")).collect()
    }

    /// The token in the answer to a login.
    #[track_caller]
    pub(crate) fn token(&self) -> Token {
        if let [cookie] = self.set_cookies()[..] {
            assert_eq!((self.status, self.body.as_str()), (204, ""), "{}", self.place);
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            return Token::Cookie {
                name: name.to_owned(),
                value: value.to_owned(),
            };
        }
        assert_eq!(self.status, 200, "{}: {}", self.place, self.body);
        Token::Bearer(self.json()["access_token"].as_str().expect("a token").to_owned())
    }

    /// Neither to be stored nor to be sniffed.
    #[track_caller]
    pub(crate) fn is_hardened(&self) {
        assert_eq!(self.header("cache-control"), "no-store", "{}", self.place);
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{}", self.place);
    }

    #[track_caller]
    pub(crate) fn hides(self, secret: &str) -> Self {
        assert!(!self.body.contains(secret), "{}: {}", self.place, self.body);
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            assert!(!value.contains(secret), "{}: {name}: {value}", self.place);
        }
        self
    }

    /// All that a client can tell two answers apart by.
    pub(crate) fn bytes(&self) -> (u16, Vec<(String, Vec<u8>)>, String) {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        (self.status, headers.collect(), self.body.clone())
    }
}
