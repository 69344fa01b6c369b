//! The pages that links in mails lead to.
//!
//! The token stands behind the `#` of the link, where no server sees it. The page takes it from there, clears the address
//! bar, and posts it to the API when the user says so: programs that open links in mails ahead of their readers confirm
//! nothing. Scripts and styles come from files of ours, so that the policy needs no exception.

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::map_response,
    response::{Html, Response},
    routing::get,
};

pub(crate) fn router() -> Router {
    let script = |text: &'static str| get(([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text));
    let style = |text: &'static str| get(([(header::CONTENT_TYPE, "text/css; charset=utf-8")], text));
    Router::new()
        .route("/verify", get(Html(include_str!("pages/verify.html"))))
        .route(
            "/reset-password",
            get(Html(include_str!("pages/reset-password.html"))),
        )
        .route(
            "/confirm-email-change",
            get(Html(include_str!("pages/confirm-email-change.html"))),
        )
        .route(
            "/undo-email-change",
            get(Html(include_str!("pages/undo-email-change.html"))),
        )
        .route(
            "/pages/confirm-email-change.js",
            script(include_str!("pages/confirm-email-change.js")),
        )
        .route(
            "/pages/undo-email-change.js",
            script(include_str!("pages/undo-email-change.js")),
        )
        .route("/pages/page.css", style(include_str!("pages/page.css")))
        .route("/pages/page.js", script(include_str!("pages/page.js")))
        .route("/pages/verify.js", script(include_str!("pages/verify.js")))
        .route(
            "/pages/reset-password.js",
            script(include_str!("pages/reset-password.js")),
        )
        .layer(map_response(secure))
}

async fn secure(mut response: Response) -> Response {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
