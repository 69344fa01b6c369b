//! What the hooks write, and where it goes.

use axum_users_core::{MessageKind, Notice, UserHooks};
use axum_users_mail::{Links, MailHooks, MailTemplate, MailWorker, Templates};

use crate::{
    kit::{Ada, Pocket, TOKEN, TestClock, context, links, templates},
    store::Store,
};

fn decoys(hooks: &MailHooks, kind: MessageKind) -> usize {
    let decoys = UserHooks::<Ada>::compose_decoy(hooks, kind, &context());
    assert!(decoys.iter().all(axum_users_core::Message::is_decoy));
    decoys.len()
}

#[test]
fn outbox_gets_rows_for_users_and_for_nobody() {
    let hooks = MailHooks::outbox(&Store::default(), &links(), &templates()).unwrap();
    let notice = Notice::ResetPassword {
        user: &Ada,
        token: TOKEN,
    };
    let rows = hooks.compose(&notice, &context());
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].kind, MessageKind::ResetPassword);
    assert_eq!(rows[0].to, "ada@example.org");
    assert_eq!(decoys(&hooks, MessageKind::ResetPassword), 1);
    assert_eq!(decoys(&hooks, MessageKind::Verify), 1);
    assert_eq!(decoys(&hooks, MessageKind::Other), 0);
}

#[test]
fn language_of_the_request_is_used() {
    let german = MailTemplate::new("Hallo von {{ app_name }}", "{{ link }}");
    let templates = templates().for_locale("de", MessageKind::Verify, german);
    let hooks = MailHooks::outbox(&Store::default(), &links(), &templates).unwrap();
    let notice = Notice::Verify {
        user: &Ada,
        token: TOKEN,
    };
    let rows = hooks.compose(&notice, &context().with_locale("de-CH"));
    assert_eq!(rows[0].subject, "Hallo von Example");
}

#[test]
fn wrong_links_and_templates_are_found_at_the_start() {
    let store = Store::default();
    assert!(MailHooks::outbox(&store, &Links::new("app.example.com"), &templates()).is_err());
    assert!(MailHooks::from_memory(&links(), &Templates::new("")).is_err());
}

#[tokio::test]
async fn memory_sends_what_the_hooks_hand_over_and_leaves_out_decoys() {
    let (hooks, queue) = MailHooks::from_memory(&links(), &templates()).unwrap();
    let notice = Notice::Verify {
        user: &Ada,
        token: TOKEN,
    };
    assert!(hooks.compose(&notice, &context()).is_empty());
    hooks.on_after_request_verify(&Ada, TOKEN, &context()).await;
    hooks.on_after_forgot_password(&Ada, TOKEN, &context()).await;
    assert_eq!(decoys(&hooks, MessageKind::Verify), 0);
    assert_eq!(queue.len(), 3);

    let (pocket, _news) = Pocket::new();
    let worker = MailWorker::new(queue.clone(), pocket.clone(), TestClock::new());
    assert_eq!(worker.run_once().await.unwrap(), 3);
    assert!(queue.is_empty());
    let sent = pocket.sent.lock().unwrap();
    let kinds: Vec<_> = sent.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [MessageKind::Verify, MessageKind::ResetPassword]);
}

#[test]
fn notices_go_to_the_mailbox_that_they_concern_and_carry_a_link_only_where_there_is_one() {
    let hooks = MailHooks::outbox(&Store::default(), &links(), &templates()).unwrap();
    assert!(UserHooks::<Ada>::delivers_mail(&hooks));
    let new = "new.ada@example.org";
    for (notice, to, page) in [
        (
            Notice::ConfirmEmailChange {
                user: &Ada,
                email: new,
                token: TOKEN,
            },
            new,
            Some("confirm-email-change"),
        ),
        (
            Notice::UndoEmailChange {
                user: &Ada,
                token: TOKEN,
            },
            "ada@example.org",
            Some("undo-email-change"),
        ),
        (
            Notice::AlreadyRegistered {
                user: &Ada,
                token: TOKEN,
            },
            "ada@example.org",
            Some("reset-password"),
        ),
        (Notice::EmailChanged { user: &Ada }, "ada@example.org", None),
        (Notice::PasswordChanged { user: &Ada }, "ada@example.org", None),
    ] {
        let rows = hooks.compose(&notice, &context());
        assert_eq!(
            (rows.len(), rows[0].kind, rows[0].to.as_str()),
            (1, notice.kind(), to)
        );
        let html = rows[0].html.as_deref().unwrap_or_default().replace("&#x2f;", "/");
        for body in [&rows[0].text, &html] {
            match page {
                Some(page) => assert!(body.contains(&format!("/{page}#token={TOKEN}")), "{body}"),
                None => assert!(!body.contains("#token") && !body.contains("href"), "{body}"),
            }
        }
    }
}

#[tokio::test]
async fn memory_sends_notices_once_their_occasion_is_stored() {
    let (hooks, queue) = MailHooks::from_memory(&links(), &templates()).unwrap();
    let notice = Notice::PasswordChanged { user: &Ada };
    assert!(hooks.compose(&notice, &context()).is_empty() && queue.is_empty());
    hooks.on_after_notice(&notice, &context()).await;
    assert_eq!(queue.len(), 1);
}
