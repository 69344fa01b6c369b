//! The tokens that an app would mail, as lines of a file.

use std::{io, path::PathBuf};

use axum_users::{Context, MessageKind, Notice, User, UserHooks};
use serde::Serialize;
use tokio::{fs::OpenOptions, io::AsyncWriteExt};

/// Appends each mailed token to a file, before the request is answered.
///
/// That an answer takes longer for an address with an account is right for tests, and wrong anywhere else.
pub(crate) struct TokensFile(pub(crate) Option<PathBuf>);

#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    email: &'a str,
    token: &'a str,
}

impl TokensFile {
    async fn keep(&self, line: Line<'_>) {
        if let Err(error) = self.append(&line).await {
            tracing::error!(%error, "a token could not be written to TOKENS_FILE");
        }
    }

    async fn append(&self, line: &Line<'_>) -> io::Result<()> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = OpenOptions::new().append(true).create(true).open(path).await?;
        // In one piece, so that lines of requests at the same time do not mix.
        file.write_all(&text).await?;
        file.flush().await
    }
}

impl<U: User> UserHooks<U> for TokensFile {
    fn delivers_mail(&self) -> bool {
        true
    }

    async fn on_after_notice(&self, notice: &Notice<'_, U>, _: &Context) {
        let kind = match notice.kind() {
            MessageKind::AlreadyRegistered => "reset",
            other => other.as_str(),
        };
        if let Some(token) = notice.token() {
            let email = notice.to();
            self.keep(Line { kind, email, token }).await;
        }
    }

    async fn on_after_request_verify(&self, user: &U, token: &str, _: &Context) {
        let (kind, email) = ("verify", user.email());
        self.keep(Line { kind, email, token }).await;
    }

    async fn on_after_forgot_password(&self, user: &U, token: &str, _: &Context) {
        let (kind, email) = ("reset", user.email());
        self.keep(Line { kind, email, token }).await;
    }
}
