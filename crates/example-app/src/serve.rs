//! From start to graceful end.

use std::{
    io::{Write, stdout},
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::StatusCode,
    middleware::{Next, from_fn},
    response::Response,
    serve::ListenerExt,
};
use axum_users::{
    Refusal, SetupError, SystemClock, connect_options,
    mail::{MailWorker, Mailer},
};
use sea_orm::{Database, DatabaseConnection};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};
use tracing::Instrument;

use crate::{
    Failed, account, cors, docs, pages, purge, routes, secret,
    settings::Settings,
    users::{self, Wired},
};

/// How long requests and the mail in hand may take to finish once the process is told to stop.
const GRACE: Duration = Duration::from_secs(20);

pub(crate) async fn open(settings: &Settings) -> Result<DatabaseConnection, Failed> {
    settings.database()?;
    let mut options = connect_options(&settings.database_url);
    // Writers wait for each other in SQLite, and each connection costs memory.
    options.max_connections(4);
    let db = Database::connect(options).await;
    Ok(db.map_err(|error| format!("the database of DATABASE_URL: {error}"))?)
}

pub(crate) async fn serve(settings: &Settings) -> Result<(), Failed> {
    let listener = TcpListener::bind(settings.bind).await?;
    let address = listener.local_addr()?;
    let db = open(settings).await?;
    account::migrate(&db).await?;
    let root = secret::root(settings)?;
    let wired = users::users(db.clone(), &root, &public_url(settings, address)?, settings)?;
    let Wired { users, wake, .. } = &wired;
    users.check().await?;
    users::make_superuser_of(users, settings).await?;
    let app = app(&wired, settings)?.into_make_service_with_connect_info::<SocketAddr>();

    let stopped = on_signal()?;
    let worker = MailWorker::new(
        users.manager().store().clone(),
        Mailer::from_url(&settings.mail_url, &settings.mail_from)?,
        SystemClock,
    );
    let mails = tokio::spawn(worker.woken_by(wake).run(until(stopped.clone())));
    let purge = tokio::spawn(purge::hourly(users.clone(), until(stopped.clone())));
    writeln!(
        stdout(),
        "listening on http://{address}, docs at http://{address}/docs/"
    )?;
    let listener = listener.tap_io(|connection| {
        // An answer is small and written at once: nothing is gained by waiting for more.
        let _ = connection.set_nodelay(true);
    });
    let served = axum::serve(listener, app).with_graceful_shutdown(until(stopped.clone()));
    tokio::select! {
        served = served.into_future() => served?,
        () = async { until(stopped).await; sleep(GRACE).await } => {
            tracing::warn!("some requests did not finish in time");
        }
    }
    if timeout(GRACE, mails).await.is_err() {
        tracing::warn!("a mail did not finish in time; it will be sent again");
    }
    let _ = timeout(GRACE, async { tokio::join!(purge, users.settle()) }).await;
    db.close().await?;
    tracing::info!("stopped");
    Ok(())
}

fn public_url(settings: &Settings, address: SocketAddr) -> Result<String, SetupError> {
    match &settings.public_url {
        Some(url) => Ok(url.clone()),
        None if address.ip().is_loopback() => Ok(format!("http://{address}")),
        None => Err(SetupError::Invalid(
            "PUBLIC_URL is required where others than this machine can connect".to_owned(),
        )),
    }
}

fn app(wired: &Wired, settings: &Settings) -> Result<Router, Failed> {
    let (api, document) = routes::api(wired)?;
    Ok(api
        .merge(pages::router())
        .merge(docs::router(&document)?)
        .fallback(async || Refusal::not_found())
        .method_not_allowed_fallback(async || Refusal::plain(StatusCode::METHOD_NOT_ALLOWED))
        .layer(cors::layer(settings.frontend_origins())?)
        .layer(from_fn(log)))
}

/// One line for each request, with the pattern of its path: the path itself or the query may hold an address or a token.
async fn log(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("-", MatchedPath::as_str);
    let span = tracing::info_span!("request", method = %request.method(), path);
    let started = Instant::now();
    async {
        let response = next.run(request).await;
        let ms = started.elapsed().as_millis();
        tracing::info!(status = response.status().as_u16(), ms, "answered");
        response
    }
    .instrument(span)
    .await
}

/// Closes when the process is asked to end.
fn on_signal() -> Result<watch::Receiver<()>, Failed> {
    let (sender, receiver) = watch::channel(());
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        tracing::info!("stopping: no new requests, the present ones are finished");
        drop(sender);
    });
    Ok(receiver)
}

async fn until(mut stopped: watch::Receiver<()>) {
    // The channel carries nothing: it closes.
    let _ = stopped.changed().await;
}
