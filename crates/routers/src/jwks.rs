//! `GET /.well-known/jwks.json`.

use axum::{
    body::Bytes,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::map_response,
};
use axum_users_auth::{AxumUsers, openapi::Route, refusal::restyle};
use axum_users_core::{PublicKeys, UserApi};
use utoipa_axum::router::OpenApiRouter;

/// RFC 7517, section 8.5.1.
const JWK_SET: &str = "application/jwk-set+json";
/// Ten minutes: so long a new key has to be published before it signs, and so long one that was taken away may still be believed.
const CACHED: &str = "public, max-age=600";

/// Shows the public halves of signing keys to everybody, for services that check our tokens by themselves; to be merged at the
/// root, so that it is at `/.well-known/jwks.json`.
///
/// An answer may be kept for ten minutes. To change keys, publish the new one by
/// [`JwtKeys::also_verify`](axum_users_core::JwtKeys::also_verify) at least as long before it signs.
pub fn jwks_router<A: UserApi, S>(users: &AxumUsers<A>, keys: &PublicKeys) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    // Texts alone, which always become JSON.
    let json = Bytes::from(serde_json::to_vec(keys).unwrap_or_default());
    let answer = async move || {
        let headers = [
            (CONTENT_TYPE, JWK_SET),
            (CACHE_CONTROL, CACHED),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (headers, json)
    };
    let mut route = Route::get("/.well-known/jwks.json", answer)
        .id(users.operation_id("jwks:keys"))
        .tag("auth")
        .summary("Public keys")
        .description(
            "The keys by which the tokens that are signed here are checked, as a JWK Set (RFC 7517).",
        )
        .returns_shared_as::<PublicKeys>(JWK_SET, StatusCode::OK, "The keys, the one that signs first.")
        .sends_header(
            StatusCode::OK,
            "Cache-Control",
            "How long the answer may be kept.",
        );
    if let Some(family) = users.family() {
        route = route.named(family);
    }
    OpenApiRouter::default()
        .routes(route.into())
        .layer(map_response(restyle(users.style())))
}
