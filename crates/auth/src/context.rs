//! What a request says about itself.

use std::{net::SocketAddr, sync::Once};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, header, request::Parts},
};
use axum_users_core::{Context, Timestamp};

use crate::proxies::{FORWARDED_FOR, TrustedProxies};

/// What was said about the addresses of clients, once for each set of users.
#[derive(Debug)]
pub(crate) struct Addresses {
    unknown: Once,
    forwarded: Once,
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            unknown: Once::new(),
            forwarded: Once::new(),
        }
    }
}

impl Addresses {
    /// Says what keeps limits by address from working.
    pub(crate) fn look(&self, parts: &Parts, context: &Context, trusts_proxies: bool) {
        if context.client_address.is_none() {
            self.unknown.call_once(|| {
                tracing::warn!(
                    target: "axum_users",
                    "the addresses of clients are not known, so that limits by address do not apply: serve with \
                     `into_make_service_with_connect_info::<SocketAddr>()`"
                );
            });
        } else if !trusts_proxies && parts.headers.contains_key(FORWARDED_FOR) {
            self.forwarded.call_once(|| {
                tracing::warn!(
                    target: "axum_users",
                    "a request has `X-Forwarded-For`, and no proxy is trusted: if all clients come through a proxy, name it \
                     by `trust_proxy`, or all of them share the limits of its address"
                );
            });
        }
    }
}

/// What is known about a request. The client's address is that of the connection, or what a trusted proxy says it is.
pub(crate) fn from_request(now: Timestamp, parts: &Parts, proxies: &TrustedProxies) -> Context {
    let mut context = Context::new(now);
    if let Some(agent) = text(&parts.headers, header::USER_AGENT.as_str()) {
        context = context.with_user_agent(agent);
    }
    if let Some(locale) = text(&parts.headers, header::ACCEPT_LANGUAGE.as_str()).and_then(first_language) {
        context = context.with_locale(locale);
    }
    if let Some(id) = text(&parts.headers, "x-request-id").filter(|id| is_plain(id, 64)) {
        context = context.with_request_id(id);
    }
    if let Some(ConnectInfo(address)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        context = context.with_client_address(proxies.client(address.ip(), &parts.headers));
    }
    context
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn first_language(header: &str) -> Option<&str> {
    let first = header.split([',', ';']).next()?.trim();
    is_plain(first, 35).then_some(first)
}

fn is_plain(text: &str, most: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= most && text.bytes().all(plain)
}
