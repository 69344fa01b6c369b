//! Who asks, and when.

use std::net::IpAddr;

use crate::Timestamp;

/// What is known about a request or a job while an operation runs; handed to every hook.
///
/// An HTTP request fills it in by itself. A command line or a job makes one with [`Context::new`].
///
/// ```
/// use axum_users_core::{Context, Timestamp};
///
/// let context = Context::new(Timestamp::from_secs(0)).with_locale("de");
/// assert_eq!(context.locale.as_deref(), Some("de"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Context {
    /// The moment the operation began, by the injected clock.
    pub now: Timestamp,
    /// The address of the client, where it is known and trusted.
    pub client_address: Option<IpAddr>,
    /// The `User-Agent` header, cut to 255 characters.
    pub user_agent: Option<String>,
    /// The language the client prefers: the first of `Accept-Language`, for mails.
    pub locale: Option<String>,
    /// The `X-Request-Id` of the request, where it has a plain one.
    pub request_id: Option<String>,
    /// The id of the signed-in user who acts, as text.
    pub actor: Option<String>,
}

impl Context {
    /// A context of which only the time is known.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            client_address: None,
            user_agent: None,
            locale: None,
            request_id: None,
            actor: None,
        }
    }

    /// The same context with the address of the client.
    #[must_use]
    pub fn with_client_address(mut self, address: IpAddr) -> Self {
        self.client_address = Some(address);
        self
    }

    /// The same context with the user agent of the client, cut to 255 characters.
    #[must_use]
    pub fn with_user_agent(mut self, agent: &str) -> Self {
        self.user_agent = Some(agent.chars().take(255).collect());
        self
    }

    /// The same context with a preferred language.
    #[must_use]
    pub fn with_locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = Some(locale.into());
        self
    }

    /// The same context with an id that ties log lines together.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// The same context with the id of the user who acts.
    #[must_use]
    pub fn with_actor(mut self, id: &impl ToString) -> Self {
        self.actor = Some(id.to_string());
        self
    }
}
