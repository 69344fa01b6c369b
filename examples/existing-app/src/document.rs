//! What the shop says of itself.

/// The document of the shop. Errors in it are [`Problem`](crate::Problem)s, see `users`.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Shop", description = "Everything a knight needs.", version = "1.4.0"),
    servers((url = "https://shop.example.com")),
    tags((name = "orders", description = "Orders"), (name = "session", description = "Signing in and out")),
)]
pub(crate) struct Shop;
