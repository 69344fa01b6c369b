//! The hooks that write mails.

use std::sync::Arc;

use axum_users_core::{
    Context, Message, MessageKind, Notice, Outbox, SetupError, Timestamp, Updated, User, UserHooks,
};

use crate::{Links, MemoryQueue, Templates, Wake, composer::Composer};

/// Hooks that mail the links which confirm an address, set a new password, and confirm and undo a change of address; and notices
/// of what has changed.
///
/// They write mails; a [`MailWorker`](crate::MailWorker) sends them. They serve every type of user, and go beside the
/// application's own hooks in a tuple: `type Hooks = (MailHooks, MyHooks)`. Clones share everything.
///
/// ```
/// use axum_users_core::InMemoryUsers;
/// use axum_users_mail::{Links, MailHooks, Templates};
///
/// let hooks = MailHooks::outbox(
///     &InMemoryUsers::new(), // any store with an outbox
///     &Links::new("https://app.example.com"),
///     &Templates::new("Camelot"),
/// )?;
/// # let _ = hooks;
/// # Ok::<_, axum_users_core::SetupError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MailHooks {
    composer: Arc<Composer>,
    delivery: Delivery,
    wake: Wake,
}

#[derive(Debug, Clone)]
enum Delivery {
    Outbox,
    Memory(MemoryQueue),
}

impl MailHooks {
    /// Mails become rows of the store's outbox, in the transaction of their cause: a process that is killed loses none.
    ///
    /// The store is there to prove that it has an outbox; it is not kept.
    ///
    /// # Errors
    /// [`SetupError`] where a link or a template is not as it must be.
    pub fn outbox<O: Outbox>(_store: &O, links: &Links, templates: &Templates) -> Result<Self, SetupError> {
        Self::new(links, templates, Delivery::Outbox)
    }

    /// Mails wait in the memory of this process, for a store without an outbox; hand the queue to a
    /// [`MailWorker`](crate::MailWorker).
    ///
    /// Mails that wait when the process ends are lost, and so is a mail that comes while 1000 others wait. People can ask
    /// for another one. A store with an outbox loses none: see [`outbox`](Self::outbox).
    ///
    /// # Errors
    /// [`SetupError`] where a link or a template is not as it must be.
    pub fn from_memory(links: &Links, templates: &Templates) -> Result<(Self, MemoryQueue), SetupError> {
        let queue = MemoryQueue::default();
        let hooks = Self::new(links, templates, Delivery::Memory(queue.clone()))?;
        Ok((hooks, queue))
    }

    fn new(links: &Links, templates: &Templates, delivery: Delivery) -> Result<Self, SetupError> {
        Ok(Self {
            composer: Arc::new(Composer::new(links, templates)?),
            delivery,
            wake: Wake::new(),
        })
    }

    /// What these hooks wake when there is a mail, for [`MailWorker::woken_by`](crate::MailWorker::woken_by).
    pub fn wake_handle(&self) -> Wake {
        self.wake.clone()
    }

    fn compose_rows(&self, message: impl FnOnce() -> Option<Message>) -> Vec<Message> {
        match self.delivery {
            Delivery::Outbox => message().into_iter().collect(),
            Delivery::Memory(_) => Vec::new(),
        }
    }

    fn hand_over(&self, now: Timestamp, message: impl FnOnce() -> Option<Message>) {
        if let Delivery::Memory(queue) = &self.delivery
            && let Some(message) = message()
        {
            let kind = message.kind;
            if !queue.push(message, now) {
                tracing::error!(
                    target: "axum_users::mail",
                    mail = kind.as_str(),
                    "the queue is full: a mail was dropped"
                );
            }
        }
        self.wake.wake();
    }
}

impl<U: User> UserHooks<U> for MailHooks {
    fn compose(&self, notice: &Notice<'_, U>, context: &Context) -> Vec<Message> {
        self.compose_rows(|| self.composer.compose(notice, context))
    }

    fn compose_decoy(&self, kind: MessageKind, context: &Context) -> Vec<Message> {
        // A mail from memory is written once the request has found its user; a decoy has no such moment of its own.
        if let Delivery::Memory(_) = self.delivery {
            self.hand_over(context.now, || self.composer.decoy(kind, context));
        }
        self.compose_rows(|| self.composer.decoy(kind, context))
    }

    fn delivers_mail(&self) -> bool {
        true
    }

    async fn on_after_notice(&self, notice: &Notice<'_, U>, context: &Context) {
        self.hand_over(context.now, || self.composer.compose(notice, context));
    }

    async fn on_after_register(&self, _: &U, _: &Context) {
        self.wake.wake();
    }

    async fn on_after_update(&self, _: &U, _: Updated, _: &Context) {
        self.wake.wake();
    }

    async fn on_after_request_verify(&self, user: &U, token: &str, context: &Context) {
        self.hand_over(context.now, || {
            self.composer.compose(&Notice::Verify { user, token }, context)
        });
    }

    async fn on_after_forgot_password(&self, user: &U, token: &str, context: &Context) {
        self.hand_over(context.now, || {
            self.composer
                .compose(&Notice::ResetPassword { user, token }, context)
        });
    }
}
