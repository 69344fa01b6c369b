//! One request, one answer.

use std::{
    fmt,
    future::{Future, IntoFuture},
    net::{IpAddr, SocketAddr},
    pin::Pin,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, HeaderName, HeaderValue, Request, header},
};
use axum_users_auth::{AxumUsers, Refusal};
use axum_users_core::{User, UserApi, UserOf};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::Value;
use tower::ServiceExt;

use crate::{Token, token::issue};

/// A request that is sent by awaiting it; [`TestApp`](crate::TestApp) makes it. One for a router without a `TestApp` is made by
/// [`Call::new`], and has no [`as_user`](Call::as_user).
///
/// ```
/// # use axum::{Form, Json, Router, routing::post};
/// # use axum_users_core::InMemoryUsers;
/// # use axum_users_testing::{InMemoryApi, TestApp};
/// # use serde_json::{Value, json};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let app = TestApp::<InMemoryApi>::over(InMemoryUsers::new(), (), |_| {
/// #     let echo = post(async |Json(body): Json<Value>| Json(body));
/// #     let form = post(async |Form(body): Form<Value>| Json(body));
/// #     Router::new().route("/json", echo).route("/form", form)
/// # });
/// let answer = app.post("/json").json(json!({"name": "Arthur"})).await.is(200);
/// assert_eq!(answer.json()["name"], "Arthur");
/// let answer = app.post("/form").form(&[("name", "Arthur & Guinevere")]).await.is(200);
/// assert_eq!(answer.json()["name"], "Arthur & Guinevere");
/// # }
/// ```
#[must_use = "a request is sent by awaiting it"]
pub struct Call<U = ()> {
    router: Router,
    request: Request<Body>,
    users: U,
    signing_in: Option<Pin<Box<dyn Future<Output = Token> + Send>>>,
    settling: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Call {
    /// A request to any router.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use axum_users_testing::Call;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let router = Router::new().route("/health", get(async || "well"));
    /// assert_eq!(Call::new(&router, "GET", "/health").await.is(200).text(), "well");
    /// # }
    /// ```
    ///
    /// # Panics
    /// Where method or path are none.
    pub fn new(router: &Router, method: &str, path: &str) -> Self {
        Self::with((), router.clone(), method, path)
    }
}

impl<A: UserApi> Call<AxumUsers<A>> {
    pub(crate) fn of(users: AxumUsers<A>, router: Router, method: &str, path: &str) -> Self {
        let settling = users.clone();
        let mut call = Self::with(users, router, method, path);
        call.settling = Some(Box::pin(async move { settling.settle().await }));
        call
    }

    /// Signs the request in by a new token of the first backend that has a login. Neither password nor hooks are asked: an
    /// inactive user gets a token too.
    pub fn as_user(mut self, user: &UserOf<A>) -> Self {
        let (users, id) = (self.users.clone(), user.id());
        self.signing_in = Some(Box::pin(async move {
            let mut backends = users.backends().iter();
            let backend = backends.find(|backend| !backend.is_personal());
            issue(&users, backend.expect("a backend with a login"), &id).await
        }));
        self
    }
}

impl<U> Call<U> {
    fn with(users: U, router: Router, method: &str, path: &str) -> Self {
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        Self {
            router,
            request: request.unwrap_or_else(|error| panic!("{method} {path}: {error}")),
            users,
            signing_in: None,
            settling: None,
        }
    }

    /// Presents a token.
    pub fn by(mut self, token: &Token) -> Self {
        token.present(self.request.headers_mut());
        self
    }

    /// Presents a token as `Authorization: Bearer`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Over a connection of this address, as an application sees it that is served by `into_make_service_with_connect_info`.
    ///
    /// # Panics
    /// Where the text is no address.
    pub fn coming_from(mut self, address: &str) -> Self {
        let address: IpAddr = address.parse().expect("an IP address");
        let connection = ConnectInfo(SocketAddr::new(address, 4711));
        self.request.extensions_mut().insert(connection);
        self
    }

    /// As a browser sends it for a page of another site.
    pub fn cross_site(self) -> Self {
        self.header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site")
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let value =
            HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.request.headers_mut().append(name, value);
        self
    }

    /// Sends a body of this media type, in place of any before.
    pub fn body(mut self, media_type: &str, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self.request.headers_mut().remove(header::CONTENT_TYPE);
        self.header("content-type", media_type)
    }

    /// Sends JSON.
    pub fn json(self, body: impl Serialize) -> Self {
        let body = serde_json::to_vec(&body).expect("the body can be written as JSON");
        self.body("application/json", body)
    }

    /// Sends the fields of a form, `application/x-www-form-urlencoded`.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        self.body("application/x-www-form-urlencoded", pairs.join("&"))
    }
}

async fn send(
    router: Router,
    mut request: Request<Body>,
    signing_in: Option<impl Future<Output = Token>>,
    settling: Option<impl Future<Output = ()>>,
) -> Answer {
    if let Some(token) = signing_in {
        token.await.present(request.headers_mut());
    }
    let place = format!("{} {}", request.method(), request.uri());
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await;
    let body = body.unwrap_or_else(|error| panic!("{place}: the body broke off: {error}"));
    if let Some(settled) = settling {
        settled.await;
    }
    Answer {
        place,
        status: parts.status.as_u16(),
        refusal: parts.extensions.get::<Refusal>().cloned(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |all, byte| all + &format!("%{byte:02X}"))
}

impl<U> IntoFuture for Call<U> {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(send(self.router, self.request, self.signing_in, self.settling))
    }
}

impl<U> fmt::Debug for Call<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", self.request.method())
            .field("path", self.request.uri())
            .finish_non_exhaustive()
    }
}

/// The answer to a [`Call`]. What checks it fails the test with the request and the body.
///
/// ```
/// # use axum::{Router, http::StatusCode, routing::post};
/// # use axum_users_auth::{CurrentUser, Refusal, json::Json};
/// # use axum_users_core::InMemoryUsers;
/// # use axum_users_testing::{InMemoryApi, TestApp};
/// # use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let app = TestApp::<InMemoryApi>::over(InMemoryUsers::new(), (), |users| {
/// #     let order = post(async |user: CurrentUser<InMemoryApi>| match user.is_verified {
/// #         true => Ok((StatusCode::CREATED, [("location", "/orders/1")], r#"{"id": 1}"#)),
/// #         false => Err(Refusal::coded(StatusCode::CONFLICT, "SOLD_OUT")),
/// #     });
/// #     Router::new().route("/orders", order).with_state(users.clone())
/// # });
/// # let arthur = app.user("arthur@camelot.bt").verified().await;
/// # let mordred = app.user("mordred@camelot.bt").await;
/// let answer = app.post("/orders").as_user(&arthur).await.is(201);
/// assert_eq!(answer.json(), json!({"id": 1}));
/// assert_eq!(answer.header("location"), "/orders/1");
///
/// app.post("/orders").as_user(&mordred).await.refused(409, "SOLD_OUT");
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    place: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: String,
    /// The refusal, where the library or a handler refused and no layer has taken it away.
    pub refusal: Option<Refusal>,
}

impl Answer {
    /// The first header of this name; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The values of all `Set-Cookie` headers.
    #[track_caller]
    pub fn set_cookies(&self) -> Vec<&str> {
        let all = self.headers.get_all(header::SET_COOKIE).iter();
        all.map(|value| value.to_str().expect("a cookie is ASCII"))
            .collect()
    }

    /// The body as it came.
    pub fn text(&self) -> &str {
        &self.body
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error} in {:?}", self.place, self.body))
    }

    /// The code of a refusal: `code` of the body, or what the refusal behind it has; empty where there is none.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let behind = self.refusal.as_ref().map(Refusal::code);
        body["code"].as_str().or(behind).unwrap_or_default().to_owned()
    }

    /// Has this status.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "what matters has been looked at")]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.place, self.body);
        self
    }

    /// Is refused with this status and [`code`](Self::code).
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "what matters has been looked at")]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.code(), code, "{}: {}", answer.place, answer.body);
        answer
    }

    /// Is refused with 422, because of these fields, each with its code, in any order.
    ///
    /// ```
    /// # use axum::{Router, routing::post};
    /// # use axum_users_auth::{Refusal, refusal::{FieldError, Source}};
    /// # use axum_users_core::InMemoryUsers;
    /// # use axum_users_testing::{InMemoryApi, TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let app = TestApp::<InMemoryApi>::over(InMemoryUsers::new(), (), |_| {
    /// #     let fault = || FieldError::new(Source::Body, ["name"], "missing", "Field required");
    /// #     Router::new().route("/orders", post(async move || Refusal::invalid(vec![fault()])))
    /// # });
    /// app.post("/orders").await.invalid(&[("name", "missing")]);
    /// # }
    /// ```
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "what matters has been looked at")]
    pub fn invalid(self, faults: &[(&str, &str)]) -> Self {
        let answer = self.refused(422, "VALIDATION_ERROR");
        let mut found = answer.faults();
        let mut expected: Vec<_> = faults
            .iter()
            .map(|(field, code)| ((*field).to_owned(), (*code).to_owned()))
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}: {}", answer.place, answer.body);
        answer
    }

    /// The fields and codes of a 422, in the order in which they stand there.
    #[track_caller]
    pub fn faults(&self) -> Vec<(String, String)> {
        let body = self.json();
        let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
        errors
            .iter()
            .map(|error| (text(error, "field"), text(error, "code")))
            .collect()
    }

    /// Has this text nowhere, neither in the body nor in a header.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "what matters has been looked at")]
    pub fn hides(self, secret: &str) -> Self {
        assert!(!self.body.contains(secret), "{}: {}", self.place, self.body);
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            assert!(!value.contains(secret), "{}: {name}: {value}", self.place);
        }
        self
    }

    /// Is neither stored on its way nor taken for what it is not, as all answers of the library: `Cache-Control: no-store` and
    /// `X-Content-Type-Options: nosniff`.
    #[track_caller]
    pub fn is_hardened(&self) {
        assert_eq!(self.header("cache-control"), "no-store", "{}", self.place);
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{}", self.place);
    }

    /// All that a client can tell two answers apart by: to see that two are the same.
    pub fn bytes(&self) -> (u16, Vec<(String, Vec<u8>)>, String) {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        (self.status, headers.collect(), self.body.clone())
    }

    /// The token in the answer to a login: `access_token` of the body, or the one cookie that is set.
    #[track_caller]
    pub fn token(&self) -> Token {
        let cookies: Vec<_> = self.headers.get_all(header::SET_COOKIE).iter().collect();
        if let [cookie] = cookies[..] {
            let pair = cookie.to_str().ok().and_then(|cookie| cookie.split(';').next());
            let pair = pair.and_then(|pair| pair.split_once('='));
            let (name, value) = pair.unwrap_or_else(|| panic!("{}: no cookie: {cookie:?}", self.place));
            return Token::cookie(name, value);
        }
        let body = self.json();
        let token = body["access_token"].as_str();
        Token::bearer(token.unwrap_or_else(|| panic!("{}: no token: {body}", self.place)))
    }
}
