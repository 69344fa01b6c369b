//! Forged, stale and misused tokens (RFC 8725).

use std::{collections::BTreeMap, io::ErrorKind, net::TcpListener, time::Duration};

use axum_users::{Clock, JwtKey, JwtKeys, KeyError, PublicKeys, Secret, Secrets, jwks_router};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{
    App, BACKENDS, LIFETIME, OTHER_PASSWORD, PASSWORD, SqliteInMemory, Token, Wiring, app, wired,
};

const EMAIL: &str = "arthur@camelot.bt";
const KING: &str = "uther@camelot.bt";
const SECRET: &str = "p9Kd2sLqXv7Ty4BnMz8RcWf5Gh1Ju6Ea";
const EC: &str = include_str!("../../../crates/core/tests/keys/ec.pem");
const EC_PUBLIC: &str = include_str!("../../../crates/core/tests/keys/ec-public.pem");
const ED: &str = include_str!("../../../crates/core/tests/keys/ed.pem");

fn encoded(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Header and claims as given, with an HMAC by `secret`.
fn signed(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", encoded(mac.finalize().into_bytes()))
}

/// An application whose key we know, and its user Arthur.
struct Forge {
    app: App<SqliteInMemory>,
    id: String,
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

impl Forge {
    async fn new() -> Self {
        let key = JwtKey::hs256(&Secret::new(SECRET)).unwrap();
        let app = wired(Wiring::usual().keys(JwtKeys::new(key))).await;
        let id = app.user(EMAIL).await;
        app.superuser(KING).await;
        let forge = Self { app, id };
        // Else every refusal below would prove nothing.
        let good = Forge::token(&forge.claims());
        forge.app.get("/users/me").bearer(&good).await.is(200);
        forge
    }

    fn now(&self) -> i64 {
        self.app.clock.now().as_secs()
    }

    fn claims(&self) -> Value {
        json!({
            "sub": self.id, "aud": ["axum-users:jwt"], "iat": self.now(), "exp": self.now() + 600,
            "jti": "forged", "epoch": 0,
        })
    }

    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        Self::token(&claims)
    }

    fn without(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        Self::token(&claims)
    }

    fn token(claims: &Value) -> String {
        signed(SECRET.as_bytes(), HEADER, &claims.to_string())
    }

    fn under(&self, header: &str) -> String {
        signed(SECRET.as_bytes(), header, &self.claims().to_string())
    }

    /// 401, and nothing else, wherever a token is taken.
    async fn refused(&self, token: &str, what: &str) {
        let answer = self.app.get("/users/me").bearer(token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.contains("error=\"invalid_token\""),
            "{what}: {challenge}"
        );
        let cookie = Token::Cookie {
            name: "__Host-jwt_session".to_owned(),
            value: token.to_owned(),
        };
        assert_eq!(self.app.me(&cookie).await, 401, "{what}, as a cookie");
    }
}

#[tokio::test]
async fn a046_a_token_without_an_algorithm_is_refused() {
    let forge = Forge::new().await;
    for alg in ["\"none\"", "\"None\"", "\"nOnE\"", "\"NONE\"", "\"\"", "null"] {
        let header = format!(r#"{{"alg":{alg},"typ":"JWT"}}"#);
        let token = forge.under(&header);
        let (message, _) = token.rsplit_once('.').unwrap();
        forge.refused(&token, &header).await;
        forge.refused(&format!("{message}."), &header).await;
        forge.refused(message, &header).await;
    }
    forge.refused(&forge.under(r#"{"typ":"JWT"}"#), "no alg").await;
}

#[tokio::test]
async fn a047_a_token_that_was_tampered_with_is_refused_and_the_real_one_still_works() {
    let forge = Forge::new().await;
    let token = forge.app.login("jwt", EMAIL).await;
    let [header, payload, signature] = token.text().split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["is_superuser"] = true.into();
    let promoted = encoded(claims.to_string());
    claims["sub"] = json!("00000000-0000-4000-8000-000000000001");
    let other = encoded(claims.to_string());
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let flipped = |index: usize| {
        let mut bytes = bytes.clone();
        bytes[index] ^= 1;
        encoded(bytes)
    };
    for forged in [
        format!("{header}.{promoted}.{signature}"),
        format!("{header}.{other}.{signature}"),
        format!(
            "{}.{payload}.{signature}",
            encoded(r#"{"typ":"JWT","alg":"HS256"}"#)
        ),
        format!("{header}.{payload}.{}", flipped(0)),
        format!("{header}.{payload}.{}", flipped(31)),
        format!("{header}.{payload}.{}", encoded(&bytes[..31])),
        format!("{header}.{payload}.{}", encoded([&bytes[..], &[0]].concat())),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{payload}.{header}.{signature}"),
    ] {
        forge.refused(&forged, &forged).await;
    }
    assert_eq!(forge.app.me(&token).await, 200);
}

#[tokio::test]
async fn a048_a_token_by_a_guessed_key_is_refused() {
    let forge = Forge::new().await;
    let zeros = "\0".repeat(32);
    for guess in [
        "",
        "\0",
        &zeros,
        " ",
        "null",
        "None",
        "undefined",
        "secret",
        "SECRET",
        "Secret",
        "jwt",
        "key",
        "password",
        "changeme",
        "change-me",
        "test",
        "dev",
        "axum-users",
        "fastapi-users",
        "your-256-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx",
        &SECRET[..31],
        &SECRET.to_lowercase(),
    ] {
        let token = signed(guess.as_bytes(), HEADER, &forge.claims().to_string());
        forge.refused(&token, guess).await;
    }
}

#[tokio::test]
async fn a049_a_token_without_an_end_is_refused() {
    let forge = Forge::new().await;
    forge.refused(&forge.without("exp"), "no exp").await;
    forge
        .refused(&forge.with("exp", Value::Null), "exp is null")
        .await;
}

#[tokio::test]
async fn a050_an_expired_token_is_refused_from_the_second_on() {
    let forge = Forge::new().await;
    for exp in [0, 1, -90, -300, -3600].map(|ago| if ago > 0 { 0 } else { forge.now() + ago }) {
        forge
            .refused(&forge.with("exp", exp.into()), &format!("exp {exp}"))
            .await;
    }
    let token = forge.app.login("jwt", EMAIL).await;
    forge
        .app
        .clock
        .advance(LIFETIME.saturating_sub(Duration::from_secs(1)));
    assert_eq!(forge.app.me(&token).await, 200);
    forge.app.clock.advance(Duration::from_secs(1));
    assert_eq!(forge.app.me(&token).await, 401);
}

#[tokio::test]
async fn tokens_of_the_future_are_refused() {
    let forge = Forge::new().await;
    for name in ["iat", "nbf"] {
        for ahead in [61, 300, 86_400, 40_000_000_000] {
            let token = forge.with(name, (forge.now() + ahead).into());
            forge.refused(&token, &format!("{name} in {ahead} s")).await;
        }
        for value in [json!("now"), json!(null), json!([]), json!(-1), json!(true)] {
            let what = format!("{name}: {value}");
            forge.refused(&forge.with(name, value), &what).await;
        }
        let soon = forge.with(name, (forge.now() + 60).into());
        forge.app.get("/users/me").bearer(&soon).await.is(200);
    }
}

#[tokio::test]
async fn a051_a_token_for_another_audience_is_refused() {
    let forge = Forge::new().await;
    for aud in [
        json!("fastapi-users:reset"),
        json!("fastapi-users:verify"),
        json!("fastapi-users:oauth-state"),
        json!("fastapi-users:auth"),
        json!("axum-users:reset"),
        json!("axum-users:token"),
        json!("axum-users:JWT"),
        json!("axum-users"),
        json!("other"),
        json!(""),
        json!([]),
        json!(["other"]),
        json!([["axum-users:jwt"]]),
        json!(["axum-users:jwt", 1]),
        json!({"axum-users:jwt": true}),
        json!(null),
        json!(1),
        json!(true),
    ] {
        let what = format!("aud: {aud}");
        let token = forge.with("aud", aud);
        forge.refused(&token, &what).await;
    }
    forge.refused(&forge.without("aud"), "no aud").await;
}

#[tokio::test]
async fn a052_a_token_of_one_kind_is_none_of_another() {
    let app = app().await;
    app.register(EMAIL).await;
    let mailed = [app.verify_token(EMAIL).await, app.reset_token(EMAIL).await];
    for token in &mailed {
        app.get("/users/me").bearer(token).await.is(401);
        for name in ["__Host-session", "__Host-jwt_session"] {
            let cookie = Token::Cookie {
                name: name.to_owned(),
                value: token.clone(),
            };
            assert_eq!(app.me(&cookie).await, 401);
        }
    }
    let mut tokens = app.login_everywhere(EMAIL).await;
    let personal = app.personal_token(&tokens[1].1, None).await;
    tokens.push(("personal", personal));
    for (backend, token) in &tokens {
        app.verify(token.text())
            .await
            .refused(400, "VERIFY_USER_BAD_TOKEN");
        app.reset(token.text(), OTHER_PASSWORD)
            .await
            .refused(400, "RESET_PASSWORD_BAD_TOKEN");
        // And none of another backend.
        for (other, theirs) in &tokens {
            let swapped = match theirs {
                Token::Bearer(_) => Token::Bearer(token.text().to_owned()),
                Token::Cookie { name, .. } => Token::Cookie {
                    name: name.clone(),
                    value: token.text().to_owned(),
                },
                _ => unreachable!("there are two ways for a token to travel"),
            };
            let expected = if swapped == *token { 200 } else { 401 };
            assert_eq!(app.me(&swapped).await, expected, "{backend} as {other}");
        }
    }
    app.try_login("jwt", EMAIL, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a053_a_token_of_one_mail_does_not_do_the_work_of_another() {
    let app = app().await;
    app.register(EMAIL).await;
    let (verify, reset) = (app.verify_token(EMAIL).await, app.reset_token(EMAIL).await);
    app.verify(&reset).await.refused(400, "VERIFY_USER_BAD_TOKEN");
    app.reset(&verify, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    let token = app.login("jwt", EMAIL).await;
    let me = app.get("/users/me").by(&token).await.is(200).json();
    assert_eq!(me["is_verified"], false);
    app.verify(&verify).await.is(200);
    app.reset(&app.reset_token(EMAIL).await, OTHER_PASSWORD)
        .await
        .is(200);
}

#[tokio::test]
async fn a055_an_algorithm_that_the_key_is_not_for_is_refused() {
    let forge = Forge::new().await;
    for alg in [
        "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA", "HS1", "HS384", "HS512",
        "hs256", "Hs256", "HS256 ", "dir", "A128KW", "RSA-OAEP",
    ] {
        let header = json!({"alg": alg, "typ": "JWT"}).to_string();
        forge.refused(&forge.under(&header), alg).await;
    }
}

#[tokio::test]
async fn a055_a_public_key_is_no_hmac_secret() {
    let key = JwtKey::es256(&Secret::new(EC)).unwrap();
    let app = wired(Wiring::usual().keys(JwtKeys::new(key.clone()))).await;
    let id = app.user(EMAIL).await;
    let token = app.login("jwt", EMAIL).await;
    assert_eq!(app.me(&token).await, 200);
    let now = app.clock.now().as_secs();
    let claims = json!({"sub": id, "aud": ["axum-users:jwt"], "exp": now + 600, "epoch": 0}).to_string();
    for secret in [EC_PUBLIC, EC_PUBLIC.trim(), EC] {
        for header in [
            json!({"alg": "HS256", "typ": "JWT"}),
            json!({"alg": "HS256", "typ": "JWT", "kid": key.kid()}),
            json!({"alg": "ES256", "typ": "JWT", "kid": key.kid()}),
        ] {
            let forged = signed(secret.as_bytes(), &header.to_string(), &claims);
            app.get("/users/me").bearer(&forged).await.is(401);
        }
    }
    assert!(JwtKey::hs256(&Secret::new(EC_PUBLIC)).is_err());
}

#[tokio::test]
async fn a056_a_header_chooses_no_key_and_causes_no_request() {
    let forge = Forge::new().await;
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jwks.json", trap.local_addr().unwrap());
    for kid in [
        json!("../../../../dev/null"),
        json!("/dev/null"),
        json!("' OR '1'='1"),
        json!("x' UNION SELECT 'p9Kd2sLqXv7Ty4BnMz8RcWf5Gh1Ju6Ea' --"),
        json!("| sleep 9"),
        json!("$(sleep 9)"),
        json!(url),
        json!(""),
        json!(["a"]),
        json!({}),
        json!(1),
        json!(null),
    ] {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid}).to_string();
        forge.refused(&forge.under(&header), &header).await;
        for secret in ["", "\0"] {
            let token = signed(secret.as_bytes(), &header, &forge.claims().to_string());
            forge.refused(&token, &header).await;
        }
    }
    let kid = "k".repeat(100_000);
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid}).to_string();
    forge.refused(&forge.under(&header), "a kid of 100 kB").await;

    let mine = "the key of the attacker, long enough";
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("jwk", json!({"kty": "oct", "alg": "HS256", "k": encoded(mine)})),
        ("jwk", json!({"kty": "oct", "k": ""})),
        ("x5c", json!(["AAAA"])),
        ("x5c", json!([])),
    ] {
        let header = json!({"alg": "HS256", "typ": "JWT", name: value}).to_string();
        for secret in [mine, "", SECRET] {
            let token = signed(secret.as_bytes(), &header, &forge.claims().to_string());
            forge.refused(&token, &header).await;
        }
    }
    let seen = trap.accept().expect_err("nobody came");
    assert_eq!(seen.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_public_key_in_the_header_is_not_trusted() {
    // The attack of CVE-2018-0114: signed by a key of one's own, which the token brings along.
    let ours = JwtKey::es256(&Secret::new(EC)).unwrap();
    let app = wired(Wiring::usual().keys(JwtKeys::new(ours.clone()))).await;
    let id = app.user(EMAIL).await;
    let theirs = JwtKey::eddsa(&Secret::new(ED)).unwrap();
    let set = serde_json::to_value(PublicKeys::of(&JwtKeys::new(theirs.clone())).unwrap()).unwrap();
    let claims = json!({
        "sub": id, "aud": ["axum-users:jwt"], "exp": app.clock.now().as_secs() + 600, "epoch": 0,
    });
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.jwk = Some(serde_json::from_value(set["keys"][0].clone()).unwrap());
    let key = jsonwebtoken::EncodingKey::from_ed_pem(ED.as_bytes()).unwrap();
    for kid in [None, Some(ours.kid()), Some(theirs.kid())] {
        header.kid = kid.map(str::to_owned);
        let forged = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        app.get("/users/me").bearer(&forged).await.is(401);
        let bare = jsonwebtoken::Header {
            jwk: None,
            ..header.clone()
        };
        let forged = jsonwebtoken::encode(&bare, &claims, &key).unwrap();
        app.get("/users/me").bearer(&forged).await.is(401);
    }
}

#[tokio::test]
async fn headers_that_change_the_rules_are_refused() {
    let forge = Forge::new().await;
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!(["https://camelot.bt/unknown"])),
        ("crit", json!([])),
        ("crit", json!("exp")),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let header = json!({"alg": "HS256", "typ": "JWT", "exp": 1, name: value}).to_string();
        forge.refused(&forge.under(&header), &header).await;
    }
    // An unencoded payload (RFC 7797), signed as such.
    let header = json!({"alg": "HS256", "b64": false, "crit": ["b64"]}).to_string();
    let message = format!("{}.{}", encoded(header), forge.claims());
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    let token = format!("{message}.{}", encoded(mac.finalize().into_bytes()));
    forge.refused(&token, "an unencoded payload").await;
    for typ in [
        json!("reset+jwt"),
        json!("at+jwt"),
        json!("dpop+jwt"),
        json!(1),
        json!(null),
    ] {
        let header = json!({"alg": "HS256", "typ": typ}).to_string();
        forge.refused(&forge.under(&header), &header).await;
    }
}

#[tokio::test]
async fn names_that_occur_twice_are_refused() {
    let forge = Forge::new().await;
    for header in [
        r#"{"alg":"none","alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
        r#"{"alg":"HS256","typ":"JWT","typ":"reset+jwt"}"#,
    ] {
        forge.refused(&forge.under(header), header).await;
    }
    let claims = forge.claims().to_string();
    let rest = claims.trim_start_matches('{');
    for twice in [
        r#""sub":"00000000-0000-4000-8000-000000000001""#,
        r#""exp":1"#,
        r#""aud":"other""#,
        r#""epoch":7"#,
        r#""jti":"another""#,
        r#""\u0073ub":"00000000-0000-4000-8000-000000000001""#,
    ] {
        let token = signed(SECRET.as_bytes(), HEADER, &format!("{{{twice},{rest}"));
        forge.refused(&token, twice).await;
    }
}

#[tokio::test]
async fn a058_an_end_that_is_no_number_of_our_time_is_refused() {
    let forge = Forge::new().await;
    let later = forge.now() + 600;
    for exp in [
        json!("2000-01-01T00:00:00Z"),
        json!("tomorrow"),
        json!("never"),
        json!(later.to_string()),
        json!(""),
        json!(-1),
        json!([]),
        json!([later]),
        json!({}),
        json!({"exp": later}),
        json!(null),
        json!(true),
        json!("0x7fffffff"),
        json!(253_402_300_800_i64),
        json!(u64::MAX),
    ] {
        let what = format!("exp: {exp}");
        let token = forge.with("exp", exp);
        forge.refused(&token, &what).await;
    }
    for raw in ["1e400", "0x7fffffff", "NaN", "Infinity", "+1", "01"] {
        let claims = forge.claims().to_string();
        let exp = format!("\"exp\":{later}");
        assert!(claims.contains(&exp));
        let token = signed(
            SECRET.as_bytes(),
            HEADER,
            &claims.replace(&exp, &format!("\"exp\":{raw}")),
        );
        forge.refused(&token, raw).await;
    }
}

#[tokio::test]
async fn a059_a_subject_that_is_no_user_is_refused() {
    let forge = Forge::new().await;
    for sub in [
        json!(1),
        json!(null),
        json!([]),
        json!([forge.id]),
        json!({"id": forge.id}),
        json!(true),
        json!(""),
        json!("arthur@camelot.bt"),
        json!("1 OR 1=1"),
        json!(format!("{} ", forge.id)),
        json!(format!("{}\0", forge.id)),
        json!(format!("{}'", forge.id)),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("00000000-0000-4000-8000-000000000001"),
        json!("x".repeat(4000)),
    ] {
        let what = format!("sub: {sub}");
        let token = forge.with("sub", sub);
        forge.refused(&token, &what).await;
    }
    forge.refused(&forge.without("sub"), "no sub").await;
    for epoch in [
        json!(1),
        json!(-1),
        json!("0"),
        json!(null),
        json!([]),
        json!(0.5),
        json!(1e300),
    ] {
        let what = format!("epoch: {epoch}");
        let token = forge.with("epoch", epoch);
        forge.refused(&token, &what).await;
    }
}

#[tokio::test]
async fn a060_the_tokens_of_a_removed_user_are_refused() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    app.superuser(KING).await;
    let tokens = app.login_everywhere(EMAIL).await;
    let king = app.login("jwt", KING).await;
    app.delete(&format!("/users/{id}")).by(&king).await.is(204);
    for (backend, token) in &tokens {
        assert_eq!(app.me(token).await, 401, "{backend}");
    }
}

#[tokio::test]
async fn a062_what_has_not_the_form_of_a_token_is_refused() {
    let forge = Forge::new().await;
    let token = Forge::token(&forge.claims());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let standard = base64::engine::general_purpose::STANDARD;
    let padded = |part: &str| standard.encode(URL_SAFE_NO_PAD.decode(part).unwrap());
    let last = signature.chars().last().unwrap();
    let respelt = char::from(last as u8 + 1);
    let mut shapes = vec![
        "x".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "....".to_owned(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{token}.{signature}"),
        format!("{token}.{signature}.{signature}"),
        format!("{token}="),
        format!("{token}=="),
        format!("{}.{}.{}", padded(header), padded(payload), padded(signature)),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload} .{signature}"),
        format!("{header}.{payload}.{}{respelt}", &signature[..42]),
        format!("{token}é"),
        format!("{}.{payload}.{signature}", encoded("null")),
        format!("{}.{payload}.{signature}", encoded("[]")),
        format!("{}.{payload}.{signature}", encoded("{}")),
        format!("{}.{payload}.{signature}", encoded([0xff, 0xfe])),
        "A".repeat(60_000),
        format!("{header}.{}.{signature}", "A".repeat(60_000)),
    ];
    for json in ["null", "[]", "\"x\"", "1", "", "{", "{}{}", "[[[[[[[["] {
        shapes.push(signed(SECRET.as_bytes(), HEADER, json));
        shapes.push(signed(SECRET.as_bytes(), json, &forge.claims().to_string()));
    }
    // Signed, sound, and too long all the same.
    shapes.push(forge.with("filler", "f".repeat(8 * 1024).into()));
    shapes.push(signed(SECRET.as_bytes(), HEADER, &"[".repeat(5_000)));
    for shape in shapes {
        let answer = forge.app.get("/users/me").bearer(&shape).await;
        let start: String = shape.chars().take(60).collect();
        assert!(matches!(answer.status, 400 | 401), "{start}: {}", answer.status);
        assert!(answer.body.len() < 1_000);
    }
    forge.app.get("/users/me").bearer(&token).await.is(200);
}

#[tokio::test]
async fn a064_a_deactivated_user_is_out_at_once() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    app.superuser(KING).await;
    let tokens = app.login_everywhere(EMAIL).await;
    let personal = app.personal_token(&tokens[1].1, None).await;
    let king = app.login("jwt", KING).await;
    let by_id = format!("/users/{id}");
    app.patch(&by_id)
        .by(&king)
        .json(json!({"is_active": false}))
        .await
        .is(200);
    for (backend, token) in tokens.iter().chain([&("personal", personal)]) {
        assert_eq!(app.me(token).await, 401, "{backend}");
        let patch = app.patch("/users/me").by(token).json(json!({"first_name": "A"}));
        patch.await.is(401);
    }
    for backend in BACKENDS {
        app.try_login(backend, EMAIL, PASSWORD)
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
    }
    // And what ended stays ended.
    app.patch(&by_id)
        .by(&king)
        .json(json!({"is_active": true}))
        .await
        .is(200);
    for (backend, token) in &tokens {
        assert_eq!(app.me(token).await, 401, "{backend}");
    }
}

#[tokio::test]
async fn a065_a_superuser_who_is_demoted_is_none_at_once() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    app.superuser(KING).await;
    let mordred = app.superuser("mordred@camelot.bt").await;
    let tokens = app.login_everywhere("mordred@camelot.bt").await;
    let king = app.login("token", KING).await;
    let by_id = format!("/users/{id}");
    for (backend, token) in &tokens {
        assert_eq!(app.get(&by_id).by(token).await.status, 200, "{backend}");
    }
    let demoted = app.patch(&format!("/users/{mordred}")).by(&king);
    demoted.json(json!({"is_superuser": false})).await.is(200);
    for (backend, token) in &tokens {
        assert_eq!(app.get(&by_id).by(token).await.status, 403, "{backend}");
        let patch = app.patch(&by_id).by(token).json(json!({"first_name": "M"}));
        assert_eq!(patch.await.status, 403, "{backend}");
        assert_eq!(app.me(token).await, 200, "{backend}");
    }
}

#[tokio::test]
async fn a066_a_new_password_ends_the_tokens_from_before() {
    let app = app().await;
    app.register(EMAIL).await;
    let before = app.login_everywhere(EMAIL).await;
    let mine = app.login("token", EMAIL).await;
    let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
    app.patch("/users/me").by(&mine).json(body).await.is(200);
    for (backend, token) in &before {
        assert_eq!(app.me(token).await, 401, "{backend}");
    }
    assert_eq!(app.me(&mine).await, 200);
}

#[tokio::test]
async fn a067_a_token_that_was_logged_out_is_refused_in_every_spelling() {
    let forge = Forge::new().await;
    let token = forge.app.login("jwt", EMAIL).await;
    let again = forge.app.login("jwt", EMAIL).await;
    forge.app.post("/auth/jwt/logout").by(&token).await.is(204);
    let text = token.text();
    let last = text.chars().last().unwrap() as u8;
    let mut spellings = vec![
        text.to_owned(),
        format!("{text}="),
        format!("{text}=="),
        format!("{text}."),
        format!(" {text}"),
        format!("{text} "),
    ];
    spellings.extend((1..4).map(|step| format!("{}{}", &text[..text.len() - 1], char::from(last ^ step))));
    // The same claims, signed again: a logout goes by `jti`.
    let payload = text.split('.').nth(1).unwrap();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    spellings.push(signed(SECRET.as_bytes(), HEADER, &claims));
    spellings.push(signed(SECRET.as_bytes(), HEADER, &format!(" {claims}")));
    for spelling in spellings {
        let answer = forge.app.get("/users/me").bearer(&spelling).await;
        assert_eq!(answer.status, 401, "{spelling:?}");
    }
    forge.app.post("/auth/jwt/logout").by(&token).await.is(401);
    assert_eq!(forge.app.me(&again).await, 200);
}

#[tokio::test]
async fn a067_the_second_spelling_of_an_ecdsa_signature_is_logged_out_too() {
    let key = JwtKey::es256(&Secret::new(EC)).unwrap();
    let app = wired(Wiring::usual().keys(JwtKeys::new(key))).await;
    app.register(EMAIL).await;
    let token = app.login("jwt", EMAIL).await;
    let (message, signature) = token.text().rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    negate(&mut bytes[32..]);
    let twin = format!("{message}.{}", encoded(bytes));
    assert_ne!(twin, token.text());
    app.get("/users/me").bearer(&twin).await.is(200);
    app.post("/auth/jwt/logout").by(&token).await.is(204);
    app.get("/users/me").bearer(&twin).await.is(401);
}

/// The order of the curve P-256, less the number.
fn negate(number: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut borrow = 0_i16;
    for (digit, order) in number.iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
}

#[test]
fn a068_secrets_that_are_short_or_out_of_a_manual_are_refused_at_the_start() {
    let short = KeyError::TooShort { least: 32 };
    let good = Secret::new(SECRET);
    for (secret, why) in [
        (String::new(), short),
        ("SECRET".to_owned(), short),
        (SECRET[..31].to_owned(), short),
        ("x".repeat(64), KeyError::Guessable),
        ("SECRET".repeat(9), KeyError::Guessable),
        (
            "a-string-secret-at-least-256-bits-long".to_owned(),
            KeyError::Guessable,
        ),
        (
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7".to_owned(),
            KeyError::Guessable,
        ),
        (EC_PUBLIC.to_owned(), KeyError::Invalid),
    ] {
        let secret = Secret::new(secret);
        let all = || Secrets::from_root(&good, "users").unwrap();
        assert_eq!(JwtKey::hs256(&secret).err(), Some(why));
        assert_eq!(Secrets::from_root(&secret, "users").err(), Some(why));
        assert_eq!(all().with_access(&secret).err(), Some(why));
        assert_eq!(all().with_reset(&secret).err(), Some(why));
        assert_eq!(all().with_verify(&secret).err(), Some(why));
        assert_eq!(all().also_root(&secret, "users").err(), Some(why));
    }
}

#[tokio::test]
async fn a_change_of_keys_logs_nobody_out() {
    let keys = || {
        BTreeMap::from([
            ("old", JwtKey::hs256(&Secret::new(SECRET)).unwrap()),
            ("new", JwtKey::es256(&Secret::new(EC)).unwrap()),
            ("later", JwtKey::eddsa(&Secret::new(ED)).unwrap()),
        ])
    };
    let set = |first: &str, others: &[&str]| {
        let others = others.iter().map(|name| keys()[name].clone());
        others.fold(JwtKeys::new(keys()[first].clone()), JwtKeys::also_verify)
    };
    let before = wired(Wiring::usual().keys(set("old", &[]))).await;
    before.register(EMAIL).await;
    let old = before.login("jwt", EMAIL).await;
    let old_cookie = before.login("cookie-jwt", EMAIL).await;

    let during = before.rewired(Wiring::usual().keys(set("new", &["old"])));
    assert_eq!(during.me(&old).await, 200);
    assert_eq!(during.me(&old_cookie).await, 200);
    let new = during.login("jwt", EMAIL).await;
    let kid = |token: &Token| {
        let header = token.text().split('.').next().unwrap().to_owned();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    };
    assert_eq!(kid(&old), keys()["old"].kid());
    assert_eq!(kid(&new), keys()["new"].kid());
    // Without a `kid`, as other issuers write tokens, every key of the algorithm is tried.
    let payload = old.text().split('.').nth(1).unwrap();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let nameless = signed(SECRET.as_bytes(), HEADER, &claims);
    during.get("/users/me").bearer(&nameless).await.is(200);
    // A `kid` of the one key with the signature of the other.
    let crossed = json!({"alg": "HS256", "typ": "JWT", "kid": keys()["new"].kid()}).to_string();
    let crossed = signed(SECRET.as_bytes(), &crossed, &claims);
    during.get("/users/me").bearer(&crossed).await.is(401);

    let after = during.rewired(Wiring::usual().keys(set("later", &["new"])));
    assert_eq!(after.me(&new).await, 200);
    assert_eq!(after.me(&old).await, 401, "the old key is gone");
    after.post("/auth/jwt/logout").by(&new).await.is(204);
    assert_eq!(after.me(&new).await, 401);
}

#[tokio::test]
async fn the_published_keys_are_those_by_which_others_check_our_tokens() {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};

    let (ec, ed) = (
        JwtKey::es256(&Secret::new(EC)).unwrap(),
        JwtKey::eddsa(&Secret::new(ED)).unwrap(),
    );
    let hmac = JwtKey::hs256(&Secret::new(SECRET)).unwrap();
    for (algorithm, keys) in [
        (
            Algorithm::ES256,
            JwtKeys::new(ec.clone())
                .also_verify(ed.clone())
                .also_verify(hmac.clone()),
        ),
        (
            Algorithm::EdDSA,
            JwtKeys::new(ed).also_verify(hmac).also_verify(ec),
        ),
    ] {
        let published = PublicKeys::of(&keys).unwrap();
        let wiring = Wiring::usual().keys(keys);
        let app = wired(wiring.mount(move |users| jwks_router(users, &published))).await;
        let id = app.user(EMAIL).await;
        let token = app.login("jwt", EMAIL).await;

        let answer = app.get("/.well-known/jwks.json").await.is(200);
        assert_eq!(answer.header("content-type"), "application/jwk-set+json");
        assert_eq!(answer.header("cache-control"), "public, max-age=600");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.body.contains("\"k\"") && !answer.body.contains("\"d\""));
        let set: JwkSet = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(set.keys.len(), 2, "no HMAC secret");

        let header = decode_header(token.text()).unwrap();
        let key = set.find(header.kid.as_deref().unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["axum-users:jwt"]);
        // The clock of the test stands still, and not at the present day.
        validation.validate_exp = false;
        let read = decode::<Value>(token.text(), &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
        assert_eq!(read.claims["sub"], id.as_str());

        let document = serde_json::to_value(&app.api).unwrap();
        let documented = &document["paths"]["/.well-known/jwks.json"]["get"];
        assert_eq!(documented["security"], json!([]));
        let content = &documented["responses"]["200"]["content"];
        let reference = &content["application/jwk-set+json"]["schema"]["$ref"];
        assert_eq!(reference, "#/components/schemas/JwkSet", "{documented}");
        app.post("/.well-known/jwks.json").await.is(405);
    }
}

#[test]
fn hmac_secrets_alone_are_not_published() {
    let hmac = JwtKeys::new(JwtKey::hs256(&Secret::new(SECRET)).unwrap());
    assert_eq!(PublicKeys::of(&hmac).err(), Some(KeyError::NothingPublic));
}
