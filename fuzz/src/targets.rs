//! What must hold for whatever is thrown at a parser: one function for each target of the fuzzer, which the tests replay the
//! corpus through too.

use std::{fmt::Debug, sync::Arc};

use axum_users::{
    AdminUpdate, BearerTransport, CookieTransport, CurrentPasswordRequest, EmailAddress, EmailRequest,
    JwtKey, JwtKeys, OneTimeTokens, PersonalTokenRequest, Random, RandomError, Refusal, RequestBody,
    ResetPasswordRequest, Secret, Secrets, SessionNameRequest, Timestamp, TokenPolicy, TokenPurpose,
    TokenRequest, UserCreate, UserUpdate,
    axum::{
        body::Body,
        extract::{FromRequest, Request},
        http::{
            HeaderMap, HeaderName, HeaderValue,
            header::{AUTHORIZATION, CONTENT_TYPE, COOKIE},
        },
    },
    json::JsonObject,
    login_form::LoginForm,
    normalize_email, normalize_email_prefix,
    strategy::OpaqueTokens,
    transport::Transport,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

const SECRET: &str = "Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx";
const BACKEND: &str = "token";

fn one(name: &HeaderName, value: &[u8]) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some(HeaderMap::from_iter([(name.clone(), value)]))
}

/// The headers of a request, one a line: tokens in `Authorization` and in cookies. The bytes are also the chance that a new token
/// is made of.
pub fn headers(data: &[u8]) {
    let (bearer, host) = (BearerTransport::new(), CookieTransport::new("session"));
    let plain = CookieTransport::new("session").insecure_exact_name();
    let mut all = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            all.append(AUTHORIZATION, value.clone());
            all.append(COOKIE, value);
        }
        for name in [AUTHORIZATION, COOKIE] {
            if let Some(headers) = one(&name, line) {
                read_headers(bearer, &[&host, &plain], &headers);
            }
        }
    }
    read_headers(bearer, &[&host, &plain], &all);
    if let Ok(text) = str::from_utf8(data) {
        opaque(bearer, text);
    }
    generated(bearer, data);
}

fn read_headers(bearer: BearerTransport, cookies: &[&CookieTransport], headers: &HeaderMap) {
    if let Some(token) = bearer.read(headers) {
        let again =
            one(&AUTHORIZATION, format!("Bearer {token}").as_bytes()).expect("it came in such a header");
        assert_eq!(bearer.read(&again), Some(token.clone()), "presented alone");
        opaque(bearer, &token);
    }
    for cookie in cookies {
        if let Some(token) = cookie.read(headers) {
            assert!(!token.contains(';'), "a cookie ends at the semicolon");
            let pair = format!("{}=\"{token}\"", cookie.wire_name());
            let again = one(&COOKIE, pair.as_bytes()).expect("it came in such a header");
            assert_eq!(cookie.read(&again), Some(token.clone()), "presented alone");
            opaque(bearer, &token);
        }
    }
}

/// A text that can be a token is read again as what it is.
fn opaque(bearer: BearerTransport, text: &str) {
    let Some(digest) = OpaqueTokens::digest(text, BACKEND) else {
        return;
    };
    assert!(
        text.bytes().all(|byte| byte.is_ascii_graphic()),
        "safe in a header"
    );
    assert!((49..=65).contains(&text.len()), "a prefix, 43 characters and 6");
    let headers = one(&AUTHORIZATION, format!("bearer {text}").as_bytes()).expect("safe in a header");
    let read = bearer.read(&headers).expect("a token is presented");
    assert_eq!(OpaqueTokens::digest(&read, BACKEND), Some(digest));
}

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Random for Bytes {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        for (byte, chance) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *chance;
        }
        Ok(())
    }
}

fn generated(bearer: BearerTransport, data: &[u8]) {
    let tokens = OpaqueTokens::with_prefix("shop_").expect("the prefix is sound");
    let tokens = tokens.with_random(Arc::new(Bytes(data.to_vec())));
    let token = tokens.generate(BACKEND).expect("there is chance");
    assert!(OpaqueTokens::digest(&token, BACKEND).is_some(), "our own");
    opaque(bearer, &token);
    let at = data.iter().map(|byte| usize::from(*byte)).sum::<usize>() % token.len();
    let other = if token.as_bytes()[at] == b'x' { "y" } else { "x" };
    let mut changed = token;
    changed.replace_range(at..=at, other);
    assert!(
        OpaqueTokens::digest(&changed, BACKEND).is_none(),
        "one letter is another"
    );
}

/// A JWT as text, and one whose header and claims, divided by the first line feed, are signed by the right key.
pub fn jwt(data: &[u8]) {
    let keys = JwtKeys::new(JwtKey::hs256(&Secret::new(SECRET)).expect("the secret is long enough"));
    if let Ok(text) = str::from_utf8(data) {
        verified(&keys, text);
        mailed(text);
    }
    let mut halves = data.splitn(2, |byte| *byte == b'\n');
    let (header, claims) = (
        halves.next().unwrap_or_default(),
        halves.next().unwrap_or_default(),
    );
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
    mac.update(message.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    verified(&keys, &format!("{message}.{signature}"));
    let unsigned = keys.verify(&format!("{message}."), &TokenPolicy::new("shop"), NOW);
    assert!(unsigned.is_err(), "nobody signed it");
}

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

fn verified(keys: &JwtKeys, token: &str) {
    for policy in [
        TokenPolicy::new("shop"),
        TokenPolicy::new("shop").issuer("https://login.example.com"),
        TokenPolicy::new("shop").typ("at+jwt"),
    ] {
        let Ok(claims) = keys.verify(token, &policy, NOW) else {
            continue;
        };
        assert_eq!(claims.get("sub").and_then(Value::as_str), Some(claims.subject()));
        assert!(!claims.subject().is_empty());
        assert!(claims.expires_at() > NOW);
        assert!((1..=255).contains(&claims.token_id().len()));
        let again = keys
            .verify(token, &policy, NOW)
            .expect("it was good a moment ago");
        assert_eq!(again.token_id(), claims.token_id());
        let late = keys.verify(token, &policy, claims.expires_at());
        assert!(late.is_err(), "good until `exp` and no longer");
    }
}

fn mailed(text: &str) {
    let secrets = Secrets::from_root(&Secret::new(SECRET), "users").expect("the root is a secret");
    let tokens = OneTimeTokens::new(&secrets).expect("the secrets are strong");
    for purpose in [TokenPurpose::Reset, TokenPurpose::Verify] {
        if let Some(read) = tokens.read(purpose, text, NOW) {
            assert!(!read.subject().is_empty());
        }
    }
}

/// A body of each media type: every request body of JSON, and the login form in its three forms.
pub fn bodies(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("the system has a timer").block_on(async {
        let json = request("application/json", data);
        match JsonObject::from_request(json, &()).await {
            Ok(JsonObject(object)) => objects(&object),
            Err(refusal) => refused(&refusal),
        }
        for media_type in [
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        ] {
            match LoginForm::from_request_with(request(media_type, data), true).await {
                Ok(form) => read_again(&form).await,
                Err(refusal) => refused(&refusal),
            }
        }
    });
}

fn request(media_type: &'static str, body: &[u8]) -> Request {
    let mut request = Request::new(Body::from(body.to_vec()));
    let media_type = HeaderValue::from_static(media_type);
    request.headers_mut().insert(CONTENT_TYPE, media_type);
    request
}

fn refused(refusal: &Refusal) {
    assert!(
        [413, 415, 422].contains(&refusal.status().as_u16()),
        "{}",
        refusal.status()
    );
}

/// Written as a form again it is the same.
async fn read_again(form: &LoginForm) {
    assert!(!form.username.is_empty() && !form.password.is_empty());
    assert!(!form.username.contains('\0') && !form.password.contains('\0'));
    let encoded = |text: &str| {
        let bytes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        bytes.concat()
    };
    let body = format!(
        "username={}&password={}",
        encoded(&form.username),
        encoded(&form.password)
    );
    let again = request("application/x-www-form-urlencoded", body.as_bytes());
    match LoginForm::from_request_with(again, false).await {
        Ok(again) => {
            assert!(again.username == form.username && again.password == form.password);
        }
        // Three bytes for one, it may be too long.
        Err(refusal) => assert_eq!(refusal.status(), 413),
    }
}

fn objects(object: &Map<String, Value>) {
    let address = |email: &EmailAddress| assert_sound(email);
    read::<EmailRequest>(object, |body| address(&body.email));
    read::<TokenRequest>(object, |body| assert_eq!(object["token"], body.token.as_str()));
    read::<ResetPasswordRequest>(object, |body| assert_eq!(object["token"], body.token.as_str()));
    read::<CurrentPasswordRequest>(object, |_| {});
    read::<SessionNameRequest>(object, |body| body.name.as_deref().into_iter().for_each(name));
    read::<PersonalTokenRequest>(object, |body| {
        name(&body.name);
        assert!(body.lifetime.is_none_or(|lifetime| lifetime.as_secs() > 0));
        assert!(body.scopes.as_ref().is_none_or(|scopes| !scopes.is_empty()));
    });
    read::<UserCreate>(object, |body| address(&body.email));
    read::<UserUpdate>(object, |body| {
        let patch = &body.patch;
        patch.email.iter().for_each(address);
        let flags = [patch.is_active, patch.is_verified, patch.is_superuser];
        assert_eq!(flags, [None; 3], "not for users to say");
    });
    read::<AdminUpdate>(object, |body| {
        body.patch.email.iter().for_each(address);
        let flag = object.get("is_superuser").and_then(Value::as_bool);
        assert_eq!(body.patch.is_superuser, flag);
    });
}

fn name(name: &str) {
    assert!((1..=100).contains(&name.chars().count()) && name.trim() == name);
}

/// Reads a body; twice the same object is twice the same answer.
fn read<T: RequestBody + Debug>(object: &Map<String, Value>, sound: impl Fn(&T)) {
    match (T::from_object(object.clone()), T::from_object(object.clone())) {
        (Ok(body), Ok(_)) => sound(&body),
        (Err(first), Err(second)) => assert_eq!(first, second),
        (first, second) => panic!("{first:?}, then {second:?}"),
    }
}

/// A text as an e-mail address, and as the beginning of one.
pub fn emails(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(prefix) = normalize_email_prefix(text) {
        assert!(!prefix.contains(char::is_control));
    }
    if let Ok(email) = EmailAddress::parse(text) {
        assert_sound(&email);
    }
}

/// What is stored, and the normal form, are addresses themselves, and the same one.
fn assert_sound(email: &EmailAddress) {
    let key = email.key();
    assert!(email.as_str().len().max(key.as_str().len()) <= 254);
    assert!(
        !email
            .as_str()
            .contains(|c: char| c.is_control() || c.is_whitespace())
    );
    let again = EmailAddress::parse(email.as_str()).expect("what is stored is an address");
    assert!(again.as_str() == email.as_str() && again.key() == key);
    assert!(
        normalize_email(key.as_str()).as_ref() == Ok(key),
        "a normal form is its own"
    );
    let prefix = normalize_email_prefix(email.as_str()).expect("a whole address begins one");
    assert_eq!(prefix, key.as_str());
}
