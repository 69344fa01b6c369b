//! Hooks run in order, and those that come before may refuse.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum_users_core::{
    Context, DeleteError, Denied, EmailAddress, Epoch, FailedLogin, InvalidPassword, LoginError, NewToken,
    Password, PasswordOwner, PersonalTokenRules, Purged, RegisterError, Revoked, SessionStore, TokenDigest,
    TokenEvent, UpdateError, Updated, User, UserHooks,
};
use serde_json::json;

use crate::stage::{
    ADA, HOUR, NEW_PASSWORD, PASSWORD, Stage, body, email, password, registration, signed_in,
};

const MINUTE: Duration = Duration::from_mins(1);

/// Writes down what it is called for; refuses addresses and passwords that say so.
pub(crate) struct Recorder {
    name: &'static str,
    calls: Arc<Mutex<Vec<String>>>,
    refuses: Arc<Mutex<Option<&'static str>>>,
}

impl Recorder {
    pub(crate) fn new(name: &'static str, calls: &Arc<Mutex<Vec<String>>>) -> Self {
        Self {
            name,
            calls: Arc::clone(calls),
            refuses: Arc::default(),
        }
    }

    /// Refuses this occasion from now on.
    pub(crate) fn refuse(&self, occasion: &'static str) {
        *self.refuses.lock().unwrap() = Some(occasion);
    }

    fn note(&self, occasion: &str) {
        self.calls
            .lock()
            .unwrap()
            .push(format!("{} {occasion}", self.name));
    }

    fn judge(&self, occasion: &str) -> Result<(), Denied> {
        self.note(occasion);
        if *self.refuses.lock().unwrap() == Some(occasion) {
            return Err(Denied::new("NOT_TODAY", "Not today"));
        }
        Ok(())
    }
}

impl<U: User> UserHooks<U> for Recorder {
    async fn validate_password(
        &self,
        _: &Password,
        owner: PasswordOwner<'_, U>,
        _: &Context,
    ) -> Result<(), InvalidPassword> {
        let known = if owner.user.is_some() { "known" } else { "new" };
        self.judge(&format!("validate_password of {known}"))
            .map_err(|denied| InvalidPassword::new(denied.code, denied.reason))
    }
    async fn on_before_register(&self, _: &EmailAddress, _: &Context) -> Result<(), Denied> {
        self.judge("before_register")
    }
    async fn on_after_register(&self, _: &U, _: &Context) {
        self.note("after_register");
    }
    async fn on_before_login(&self, _: &U, _: &Context) -> Result<(), Denied> {
        self.judge("before_login")
    }
    async fn on_after_login(&self, _: &U, _: &Context) {
        self.note("after_login");
    }
    async fn on_failed_login(&self, attempt: FailedLogin<'_, U>, _: &Context) {
        let who = if attempt.user.is_some() {
            "somebody"
        } else {
            "nobody"
        };
        self.note(&format!("failed_login of {who}"));
    }
    async fn on_after_logout(&self, _: &U, _: &Context) {
        self.note("after_logout");
    }
    async fn on_token(&self, event: TokenEvent<'_, U::Id>, _: &Context) {
        self.note(&match event {
            TokenEvent::Issued { session, .. } => format!("issued {}", session.backend),
            TokenEvent::Renewed { session, .. } => format!("renewed {}", session.backend),
            TokenEvent::Revoked { which, reason, .. } => {
                let which = match which {
                    Revoked::Session { token_id, .. } => format!("session {token_id}"),
                    Revoked::PersonalToken { .. } => "personal token".to_owned(),
                    Revoked::Oldest { count, .. } => format!("oldest {count}"),
                    Revoked::Many(which) => format!("{which:?}"),
                    _ => "something new".to_owned(),
                };
                format!("revoked {which} by {}", reason.as_str())
            }
            TokenEvent::Expired { count } => format!("expired {count}"),
            _ => "something new".to_owned(),
        });
    }
    async fn on_before_update(&self, _: &U, _: Updated, _: &Context) -> Result<(), Denied> {
        self.judge("before_update")
    }
    async fn on_after_update(&self, _: &U, changes: Updated, _: &Context) {
        let flags = [
            (changes.email, "email"),
            (changes.password, "password"),
            (changes.active, "active"),
            (changes.superuser, "superuser"),
            (changes.verified, "verified"),
        ];
        let named: Vec<_> = flags
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| *name)
            .collect();
        self.note(&format!("after_update of {}", named.join("+")));
    }
    async fn on_after_request_verify(&self, _: &U, token: &str, _: &Context) {
        assert!(!token.is_empty());
        self.note("after_request_verify");
    }
    async fn on_after_verify(&self, user: &U, _: &Context) {
        assert!(user.is_verified(), "hooks see the user as it is stored");
        self.note("after_verify");
    }
    async fn on_after_forgot_password(&self, _: &U, token: &str, _: &Context) {
        assert!(!token.is_empty());
        self.note("after_forgot_password");
    }
    async fn on_after_reset_password(&self, _: &U, _: &Context) {
        self.note("after_reset_password");
    }
    async fn on_before_delete(&self, _: &U, _: &Context) -> Result<(), Denied> {
        self.judge("before_delete")
    }
    async fn on_after_delete(&self, _: &U, _: &Context) {
        self.note("after_delete");
    }
}

impl Stage {
    /// What the hooks were called for since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn first(&self) -> &Recorder {
        &self.manager.hooks().1
    }
}

/// Both recorders of the tuple, in order, for each of these occasions.
fn both(occasions: &[&str]) -> Vec<String> {
    let order = ["first", "second"];
    occasions
        .iter()
        .flat_map(|occasion| order.map(|name| format!("{name} {occasion}")))
        .collect()
}

#[tokio::test]
async fn hooks_of_a_tuple_run_in_order_at_every_occasion() {
    let stage = Stage::new();
    let (manager, context) = (&stage.manager, stage.context());

    let ada = stage.user(ADA).await;
    assert_eq!(
        stage.calls(),
        both(&["before_register", "validate_password of new", "after_register"])
    );

    assert!(!stage.lets_in(ADA, "wrong").await);
    assert_eq!(stage.calls(), both(&["failed_login of somebody"]));
    assert!(!stage.lets_in("nobody@example.com", "wrong").await);
    assert_eq!(stage.calls(), both(&["failed_login of nobody"]));

    manager.admit(&ada, false, &context).await.unwrap();
    let session = signed_in(&ada, None).session;
    manager.signed_in(&ada, &session, 2, &context).await;
    manager.signed_out(&ada, &session, &context).await;
    assert_eq!(
        stage.calls(),
        both(&[
            "before_login",
            "issued cookie",
            "revoked oldest 2 by limit",
            "after_login",
            "revoked session 1 by logout",
            "after_logout"
        ])
    );

    let rules = PersonalTokenRules::new("personal");
    let request = body(json!({ "name": "backup", "current_password": PASSWORD }));
    let token = manager
        .create_personal_token(
            &signed_in(&ada, None),
            request,
            TokenDigest::of("backup"),
            &rules,
            &context,
        )
        .await
        .unwrap();
    manager
        .end_personal_token(&ada, &token.id, &context)
        .await
        .unwrap();
    assert_eq!(
        stage.calls(),
        both(&["issued personal", "revoked personal token by by_owner"])
    );

    let token = stage.verify_token(ADA).await;
    manager.verify(&token, &context).await.unwrap();
    assert_eq!(stage.calls(), both(&["after_request_verify", "after_verify"]));

    let token = stage.reset_token(ADA).await;
    manager
        .reset_password(&token, password(NEW_PASSWORD), &context)
        .await
        .unwrap();
    assert_eq!(
        stage.calls(),
        both(&[
            "after_forgot_password",
            "validate_password of known",
            "revoked All by password_reset",
            "after_reset_password"
        ])
    );

    let ada = stage.now(&ada).await.user;
    let all = json!({
        "email": "new@example.com", "password": PASSWORD,
        "is_active": false, "is_superuser": true, "is_verified": false,
    });
    let ada = manager.update(&ada, body(all), &context).await.unwrap();
    let after = "after_update of email+password+active+superuser+verified";
    assert_eq!(
        stage.calls(),
        both(&[
            "validate_password of known",
            "before_update",
            "revoked Everything by deactivated",
            after
        ])
    );

    manager.delete(&ada, &context).await.unwrap();
    assert_eq!(
        stage.calls(),
        both(&["before_delete", "revoked Everything by deleted", "after_delete"])
    );
}

#[tokio::test]
async fn hooks_are_told_how_many_tokens_a_purge_found_over() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let now = stage.context().now;
    for n in 0..5 {
        let digest = TokenDigest::of(&n.to_string());
        let mut token = NewToken::new(ada.id, "cookie", digest, Epoch(0), now.minus(HOUR));
        token.expires_at = Some(now.minus(MINUTE));
        stage.store.insert_token(token).await.unwrap();
        stage
            .store
            .revoke(&n.to_string(), now.minus(MINUTE))
            .await
            .unwrap();
    }
    // Over for less than a minute: a machine whose clock is behind may still take it.
    stage.store.revoke("late", now).await.unwrap();
    stage.calls();
    let purged = stage.manager.purge(2, &stage.context()).await.unwrap();
    assert_eq!(purged, Purged::new(5, 5));
    assert_eq!(stage.calls(), both(&["expired 5"]));
    stage.manager.purge(2, &stage.context()).await.unwrap();
    assert_eq!(stage.calls(), both(&[]), "there is nothing to tell");
}

#[tokio::test]
async fn nobody_is_registered_where_a_hook_refuses() {
    let stage = Stage::new();
    stage.first().refuse("before_register");
    let refused = stage
        .manager
        .register(registration(ADA, PASSWORD), &stage.context())
        .await;
    let Err(RegisterError::Denied(denied)) = refused else {
        panic!("the hook refuses")
    };
    assert_eq!((&*denied.code, &*denied.reason), ("NOT_TODAY", "Not today"));
    assert_eq!(
        stage.calls(),
        ["first before_register"],
        "the second is not asked"
    );
    assert!(!stage.lets_in(ADA, PASSWORD).await);
}

#[tokio::test]
async fn password_is_refused_where_a_hook_refuses_it() {
    let stage = Stage::new();
    stage.first().refuse("validate_password of new");
    let refused = stage
        .manager
        .register(registration(ADA, PASSWORD), &stage.context())
        .await;
    let Err(RegisterError::InvalidPassword(invalid)) = refused else {
        panic!("the hook refuses")
    };
    assert_eq!(invalid.code, "NOT_TODAY");
}

#[tokio::test]
async fn no_session_begins_where_a_hook_refuses() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage.first().refuse("before_login");
    let refused = stage.manager.admit(&ada, false, &stage.context()).await;
    assert!(matches!(refused, Err(LoginError::Denied(_))));
}

#[tokio::test]
async fn nothing_is_changed_where_a_hook_refuses() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage.first().refuse("before_update");
    let change = body(json!({ "email": "new@example.com", "is_superuser": true }));
    let refused = stage.manager.update(&ada, change, &stage.context()).await;
    assert!(matches!(refused, Err(UpdateError::Denied(_))));
    assert_eq!(stage.now(&ada).await.user, ada);
}

#[tokio::test]
async fn nobody_is_deleted_where_a_hook_refuses() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage.first().refuse("before_delete");
    let refused = stage.manager.delete(&ada, &stage.context()).await;
    assert!(matches!(refused, Err(DeleteError::Denied(_))));
    assert!(stage.lets_in(ADA, PASSWORD).await);
}

#[tokio::test]
async fn hooks_are_told_of_nothing_that_did_not_happen() {
    let stage = Stage::new();
    stage.user(ADA).await;
    stage.calls();
    let context = stage.context();
    let taken = stage
        .manager
        .register(registration("ADA@example.com", PASSWORD), &context)
        .await;
    assert!(matches!(taken, Err(RegisterError::AlreadyExists)));
    stage
        .manager
        .forgot_password(&email("nobody@example.com"), &context)
        .await
        .unwrap();
    stage
        .manager
        .request_verify(&email("nobody@example.com"), &context)
        .await
        .unwrap();
    stage.manager.verify("no token", &context).await.unwrap_err();
    stage
        .manager
        .reset_password("no token", password(NEW_PASSWORD), &context)
        .await
        .unwrap_err();
    assert_eq!(
        stage.calls(),
        both(&["before_register", "validate_password of new"])
    );
}
