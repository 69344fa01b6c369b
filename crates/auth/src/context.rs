//! What a request says about itself.

use std::net::SocketAddr;

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, header, request::Parts},
};
use axum_users_core::{Context, Timestamp};

use crate::proxies::TrustedProxies;

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
