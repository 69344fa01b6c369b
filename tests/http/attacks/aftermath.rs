//! What must hold after an attack, and where attacks can be made.

use std::fmt::Debug;

use serde_json::Value;

use crate::harness::{Answer, App, Call, Database, Token};

/// The server serves, and the account works as before: nothing of it was lost or raised.
pub(super) async fn still_works<D: Database>(app: &App<D>, email: &str) {
    let token = app.login("token", email).await;
    let me = app.get("/users/me").by(&token).await.is(200).json();
    assert_eq!(me["email"], email);
    assert_eq!(
        (&me["is_active"], &me["is_superuser"]),
        (&true.into(), &false.into())
    );
}

/// Is refused because of what was sent: neither taken, nor a fault of the server.
#[track_caller]
pub(super) fn assert_refused(answer: &Answer, what: impl Debug) {
    let status = answer.status;
    assert!(
        (400..500).contains(&status),
        "{status} to {what:.200?}: {}",
        answer.body
    );
    assert_eq!(answer.set_cookies(), [""; 0], "{what:.200?}");
    assert!(
        !answer.body.contains("access_token"),
        "{what:.200?}: {}",
        answer.body
    );
}

/// An operation of the document.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) takes_json: bool,
    pub(super) is_guarded: bool,
}

impl Operation {
    pub(super) fn call<D: Database>(&self, app: &App<D>) -> Call {
        app.call(&self.method, &self.path)
    }

    /// As the owner of the token, where somebody has to be signed in.
    pub(super) fn call_by<D: Database>(&self, app: &App<D>, token: &Token) -> Call {
        if self.is_guarded {
            self.call(app).by(token)
        } else {
            self.call(app)
        }
    }

    pub(super) fn is_safe(&self) -> bool {
        self.method == "GET"
    }
}

/// Everything that is documented, with `id` in the place of ids.
pub(super) fn operations<D: Database>(app: &App<D>, id: &str) -> Vec<Operation> {
    let document = serde_json::to_value(&app.api).expect("a document is JSON");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("the document has paths") {
        for (method, operation) in item.as_object().expect("a path has operations") {
            if operation.get("responses").is_none() {
                continue;
            }
            let security = operation["security"].as_array();
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.replace("{user_id}", id).replace("{id}", id),
                takes_json: operation["requestBody"]["content"]["application/json"].is_object(),
                is_guarded: security.is_some_and(|schemes| !schemes.is_empty()),
            });
        }
    }
    assert!(all.len() > 30, "{all:?}");
    all
}

/// Those of them that read JSON.
pub(super) fn json_operations<D: Database>(app: &App<D>, id: &str) -> Vec<Operation> {
    let mut all = operations(app, id);
    all.retain(|operation| operation.takes_json);
    assert!(all.len() >= 9, "{all:?}");
    all
}

/// Is no fault, and says nothing about the inside of the server.
#[track_caller]
pub(super) fn assert_tells_nothing(answer: &Answer) {
    crate::harness::assert_tells_nothing(answer.status, &answer.headers, &answer.body);
}

/// Which account that is, as a superuser sees it.
pub(super) fn id_in(user: &Value) -> &str {
    user["id"].as_str().expect("the key is a text")
}
