//! From an occasion to a mail.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum_users_core::{Context, Message, MessageKind, Notice, SetupError, User};

use crate::{
    Links, Templates,
    links::CheckedLinks,
    templates::{CheckedTemplates, Values},
};

/// As long as most addresses are, and owned by nobody (RFC 2606).
const NOBODY: &str = "first.last@example.invalid";

#[derive(Debug)]
pub(crate) struct Composer {
    links: CheckedLinks,
    templates: CheckedTemplates,
    token_len: AtomicUsize,
}

impl Composer {
    pub(crate) fn new(links: &Links, templates: &Templates) -> Result<Self, SetupError> {
        Ok(Self {
            links: links.check()?,
            templates: templates.check()?,
            token_len: AtomicUsize::new(280),
        })
    }

    pub(crate) fn compose<U: User>(&self, notice: &Notice<'_, U>, context: &Context) -> Option<Message> {
        let (kind, token) = (notice.kind(), notice.token());
        if let (MessageKind::Verify | MessageKind::ResetPassword, Some(token)) = (kind, token) {
            self.token_len.store(token.len(), Ordering::Relaxed);
        }
        self.write(kind, notice.to(), token, context)
    }

    /// A mail to nobody, with a token as long as the last real one.
    pub(crate) fn decoy(&self, kind: MessageKind, context: &Context) -> Option<Message> {
        let token = "x".repeat(self.token_len.load(Ordering::Relaxed));
        self.write(kind, NOBODY, Some(&token), context)
            .map(Message::into_decoy)
    }

    fn write(
        &self,
        kind: MessageKind,
        email: &str,
        token: Option<&str>,
        context: &Context,
    ) -> Option<Message> {
        if kind == MessageKind::Other {
            return None;
        }
        let link = token.and_then(|token| self.links.link(kind, token));
        let link = link.as_deref();
        let values = Values { link, email };
        match self.templates.render(context.locale.as_deref(), kind, values) {
            Ok(mail) => {
                let message = Message::new(kind, email, mail.subject, mail.text);
                Some(match mail.html {
                    Some(html) => message.with_html(html),
                    None => message,
                })
            }
            Err(error) => {
                // The kind alone: what a template engine says may quote a value.
                tracing::error!(
                    target: "axum_users::mail",
                    mail = kind.as_str(),
                    error = ?error.kind(),
                    "a mail could not be written"
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum_users_core::Timestamp;

    use super::*;

    #[test]
    fn decoy_is_as_long_as_a_real_mail() {
        let links = Links::new("https://app.example.com");
        let composer = Composer::new(&links, &Templates::new("Example")).unwrap();
        let context = Context::new(Timestamp::from_secs(0));
        for kind in [MessageKind::Verify, MessageKind::ResetPassword] {
            let token = "t".repeat(200);
            composer.token_len.store(token.len(), Ordering::Relaxed);
            let real = composer.write(kind, NOBODY, Some(&token), &context).unwrap();
            let decoy = composer.decoy(kind, &context).unwrap();
            assert!(decoy.is_decoy() && !real.is_decoy());
            assert_eq!(decoy.text.len(), real.text.len());
            assert_eq!(decoy.html.unwrap().len(), real.html.unwrap().len());
        }
        assert!(composer.decoy(MessageKind::Other, &context).is_none());
    }
}
