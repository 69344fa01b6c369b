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
