//! Serves the example at <http://127.0.0.1:8000>, on a SQLite file beside it.

use std::{env, error::Error, net::SocketAddr};

use axum_users::{Secret, connect};
use example_existing_app::{router, users};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let root = Secret::new(env::var("AUTH_SECRET")?);
    let users = users(connect("sqlite:existing-app.db").await?, &root).await?;
    let listener = TcpListener::bind("127.0.0.1:8000").await?;
    // Limits for each client address need to know it.
    let app = router(&users)?.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await?;
    Ok(())
}
