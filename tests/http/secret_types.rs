//! What holds a secret does not show it.

use std::fmt::Debug;

use axum_users::{
    AdminUpdate, BreachLookup, BreachedPasswords, CookieTransport, CurrentPasswordRequest, EmailAddress,
    Epoch, JwtKey, JwtKeys, JwtStrategy, MailToken, Message, MessageKind, NoExtra, OneTimeTokens, Password,
    PasswordHash, PasswordPolicy, PersonalTokenRequest, RedisSessions, Registration, RequestBody,
    ResetPasswordRequest, Secret, Secrets, Session, Timestamp, TokenDigest, TokenFacts, TokenPolicy,
    TokenPurpose, TokenRequest, UserCreate, UserPatch, UserUpdate, Verdict, WhenUnavailable,
    login_form::LoginForm, strategy::IssuedToken,
};
use axum_users_testing::Token;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, secrets};

/// The marks of secrets: none of them may be seen in any `Debug`.
const TOKEN: &str = "tok-3n-of-the-r0und-table";
const KEY: &str = "p9Kd2sLqXv7Ty4BnMz8RcWf5Gh1Ju6Ea";
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
const ADDRESS: &str = "arthur@camelot.bt";

#[track_caller]
fn hides(value: &impl Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        for secret in [TOKEN, KEY, HASH, PASSWORD] {
            assert!(!shown.contains(secret), "{shown}");
            let bytes = format!("{:?}", &secret.as_bytes()[..4]);
            assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
        }
    }
}

fn password() -> Password {
    Password::parse(PASSWORD).unwrap()
}

fn body<B: RequestBody>(value: Value) -> B {
    let Value::Object(object) = value else {
        panic!("an object")
    };
    B::from_object(object).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn passwords_are_not_shown() {
    let email = || EmailAddress::parse(ADDRESS).unwrap();
    hides(&password());
    hides(&PasswordHash::from_stored(HASH));
    hides(&Verdict::Right {
        upgrade: Some(PasswordHash::from_stored(HASH)),
    });
    hides(&Registration::new(email(), password()));
    let mut patch = UserPatch::new();
    patch.password = Some(password());
    patch.current_password = Some(password());
    hides(&patch);
    let fields = json!({"email": ADDRESS, "password": PASSWORD, "current_password": PASSWORD, "name": "backup", "password_confirm": PASSWORD});
    hides(&body::<UserCreate<NoExtra>>(fields.clone()));
    hides(&body::<UserUpdate<NoExtra>>(fields.clone()));
    hides(&body::<AdminUpdate<NoExtra>>(fields.clone()));
    hides(&body::<CurrentPasswordRequest>(fields.clone()));
    hides(&body::<PersonalTokenRequest>(fields));
    hides(&TokenFacts {
        subject: "7",
        email: ADDRESS,
        password_hash: Some(HASH),
        verified: true,
    });
}

#[tokio::test]
async fn the_form_of_a_login_is_not_shown() {
    let request = axum::http::Request::post("/login")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(format!(
            "username=arthur&password={}",
            PASSWORD.replace(' ', "+")
        )))
        .unwrap();
    let form = LoginForm::from_request_with(request, false).await.unwrap();
    assert_eq!(form.password, PASSWORD);
    hides(&form);
}

#[test]
fn tokens_are_not_shown() {
    let token = json!({"token": TOKEN, "password": PASSWORD});
    let reset: ResetPasswordRequest = body(token.clone());
    assert_eq!(reset.token.as_str(), TOKEN);
    hides(&reset);
    hides(&body::<TokenRequest>(token));
    hides(&MailToken::from(TOKEN));
    let session = Session::new("jwt", "1", Epoch(0));
    hides(&IssuedToken::new(TOKEN.to_owned(), session));
    let digest = TokenDigest::of(TOKEN);
    hides(&digest);
    assert_eq!(format!("{digest:?}"), "TokenDigest(…)");
    let text = format!("https://app.example.com/#token={TOKEN}");
    hides(
        &Message::new(MessageKind::ResetPassword, ADDRESS, "Reset", text.as_str()).with_html(text.as_str()),
    );
    hides(&Token::bearer(TOKEN));
    hides(&Token::cookie("__Host-session", TOKEN));
}

#[test]
fn keys_are_not_shown() {
    let secret = Secret::new(KEY);
    hides(&secret);
    let key = JwtKey::hs256(&secret).unwrap();
    hides(&key);
    let keys = JwtKeys::new(key.clone()).also_verify(key);
    hides(&keys);
    hides(&JwtStrategy::stateless(
        keys.clone(),
        std::time::Duration::from_mins(1),
    ));
    let all = Secrets::from_root(&secret, "users")
        .and_then(|all| all.with_reset(&secret))
        .and_then(|all| all.with_access(&secret))
        .unwrap();
    hides(&all);
    let tokens = OneTimeTokens::new(&all).unwrap();
    hides(&tokens);
    let facts = TokenFacts {
        subject: "7",
        email: ADDRESS,
        password_hash: Some(HASH),
        verified: true,
    };
    let now = Timestamp::from_secs(1_767_225_600);
    let issued = tokens
        .issue(TokenPurpose::Reset, &facts, now, &axum_users::SystemRandom)
        .unwrap();
    hides(&issued);
    let read = tokens.read(TokenPurpose::Reset, issued.as_str(), now).unwrap();
    assert_eq!(format!("{read:?}"), "ReadToken { purpose: Reset, .. }");
    let claims = json!({"sub": TOKEN, "aud": "app", "exp": 2_000_000_000});
    let token = keys.sign(&claims, "JWT").unwrap();
    hides(&keys.verify(&token, &TokenPolicy::new("app"), now).unwrap());
    let url = format!("redis://user:{TOKEN}@127.0.0.1:6379");
    hides(&RedisSessions::from_url(&url).unwrap());
    let smtp = format!("smtps://user:{TOKEN}@mail.example.com");
    hides(&axum_users::mail::Mailer::from_url(&smtp, "a@example.com").unwrap());
    hides(&CookieTransport::new("session"));
    hides(&secrets());
}

#[test]
fn a_policy_shows_neither_its_words_nor_its_list() {
    struct Listed(#[expect(dead_code, reason = "it is not to be seen")] &'static str);
    impl BreachedPasswords for Listed {
        fn is_breached<'a>(&'a self, _: &'a Password) -> BreachLookup<'a> {
            Box::pin(async { Ok(false) })
        }
    }
    let policy = PasswordPolicy::new().context_words([TOKEN]);
    hides(&policy.breached(Listed(PASSWORD), WhenUnavailable::Refuse));
}

/// So long that what an allocator writes into free memory leaves most of it.
const LONG: &str = "the first line of a secret that is long: 0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ, \
    and the second one: 9876543210 zyxwvutsrqponmlkjihgfedcba ZYXWVUTSRQPONMLKJIHGFEDCBA, and nothing more";

/// Nothing of the text is left in its place once the value is gone.
#[cfg(target_os = "linux")]
#[track_caller]
fn is_wiped<T>(value: T, text: impl Fn(&T) -> &[u8]) {
    use std::{fs::File, os::unix::fs::FileExt};

    let own = File::open("/proc/self/mem").expect("our memory can be read");
    let (address, length) = {
        let text = text(&value);
        (text.as_ptr().addr() as u64, text.len())
    };
    // Made before, or it might come to lie in that place.
    let mut left = vec![0; length];
    own.read_exact_at(&mut left, address).expect("it is still there");
    assert!(left == LONG.as_bytes(), "this is the place");
    left.fill(0);
    drop(value);
    // What is no longer ours at all stays nothing.
    let _ = own.read_exact_at(&mut left, address);
    let of_it = |part: &[u8]| LONG.as_bytes().windows(8).any(|window| window == part);
    assert!(!left.windows(8).any(of_it), "{}", String::from_utf8_lossy(&left));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn secrets_are_wiped_when_they_are_dropped() {
    is_wiped(Secret::new(LONG), |secret| secret.expose());
    is_wiped(Secret::new(LONG).clone(), |secret| secret.expose());
    is_wiped(Password::parse(LONG).unwrap(), |password| {
        password.expose().as_bytes()
    });
    is_wiped(PasswordHash::from_stored(LONG), |hash| hash.as_str().as_bytes());
    is_wiped(MailToken::from(LONG), |token| token.as_str().as_bytes());
    let fields = json!({"token": LONG, "password": LONG, "current_password": LONG, "email": ADDRESS, "name": "backup"});
    is_wiped(body::<ResetPasswordRequest>(fields.clone()), |body| {
        body.token.as_str().as_bytes()
    });
    is_wiped(body::<ResetPasswordRequest>(fields.clone()), |body| {
        body.password.expose().as_bytes()
    });
    is_wiped(body::<UserCreate<NoExtra>>(fields.clone()), |body| {
        body.password.expose().as_bytes()
    });
    is_wiped(body::<PersonalTokenRequest>(fields.clone()), |body| {
        body.current_password.as_ref().unwrap().expose().as_bytes()
    });
    let session = Session::new("token", "1", Epoch(0));
    is_wiped(IssuedToken::new(LONG.to_owned(), session), |token| {
        token.expose().as_bytes()
    });
    let form = axum::http::Request::post("/login")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(format!(
            "username=arthur&password={}",
            LONG.replace(' ', "+")
        )))
        .unwrap();
    let form = LoginForm::from_request_with(form, false).await.unwrap();
    is_wiped(form, |form| form.password.as_bytes());
}
