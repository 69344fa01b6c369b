#![doc = include_str!("../README.md")]

mod docs;
mod routes;
mod settings;
mod tokens_file;
mod users;

use std::{
    error::Error,
    io::{IsTerminal, Write, stderr, stdout},
    net::SocketAddr,
    process::ExitCode,
};

use axum::{Router, http::StatusCode, middleware::map_response};
use axum_users::{Refusal, connect, migrations::migrate, refusal::restyle};
use clap::Parser;
use tokio::{net::TcpListener, time::Duration};
use tracing_subscriber::EnvFilter;

use crate::{settings::Settings, users::Wired};

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .init();
    match serve(&settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: &Settings) -> Result<(), Failed> {
    settings.warn_of_what_has_no_effect();
    let secrets = settings.secrets()?;
    let listener = TcpListener::bind(settings.bind).await?;
    let address = listener.local_addr()?;
    let db = connect(&settings.database_url).await?;
    migrate(&db).await?;
    let wired = users::users(db, &secrets, settings)?;
    wired.users.check().await?;
    users::make_superuser(&wired.users, settings).await?;
    let app = app(&wired)?.into_make_service_with_connect_info::<SocketAddr>();
    writeln!(
        stdout(),
        "listening on http://{address}, docs at http://{address}/docs/"
    )?;
    let served = axum::serve(listener, app).with_graceful_shutdown(signal()?);
    Ok(served.await?)
}

fn app(wired: &Wired) -> Result<Router, Failed> {
    let (api, document) = routes::api(wired)?;
    Ok(api
        .merge(docs::router(&document)?)
        .fallback(async || Refusal::not_found())
        .method_not_allowed_fallback(async || Refusal::plain(StatusCode::METHOD_NOT_ALLOWED))
        .layer(map_response(restyle(wired.users.style()))))
}

/// Ready when the process is asked to end; unfinished requests have ten seconds then.
fn signal() -> Result<impl Future<Output = ()> + Send + 'static, Failed> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        tokio::spawn(async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            tracing::warn!("some requests did not finish in time");
            std::process::exit(1);
        });
    })
}

fn report(error: &dyn Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    // Nobody is left to tell if even this fails.
    let _ = writeln!(stderr(), "error: {text}");
}
