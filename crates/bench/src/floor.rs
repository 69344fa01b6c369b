//! The floor: a bare axum application that does the essential work of a look-up and of a login, and nothing else.

use std::{
    fmt::Write as _,
    sync::{Arc, mpsc},
    thread,
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
    serve::ListenerExt,
};
use axum_users::{
    Clock, Random, SystemClock, SystemRandom,
    sea_orm::sqlx::{self, postgres::PgPoolOptions},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Signature, DecodingKey, EncodingKey, Header, Validation};
use redis::{AsyncCommands as _, aio::ConnectionManager};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::oneshot};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::Result;

/// The audience of the floor's tokens.
pub(crate) const AUDIENCE: &str = "floor";

const BY_KEY: &str =
    "SELECT id, email, is_active, is_superuser, is_verified, full_name FROM account WHERE id = $1";
const BY_TOKEN: &str = "SELECT u.id, u.email, u.is_active, u.is_superuser, u.is_verified, u.full_name \
                        FROM account_tokens t \
                        JOIN account u ON u.id = t.user_id \
                        WHERE t.digest = $1 AND (t.expires_at IS NULL OR t.expires_at > $2)";
const BY_ADDRESS: &str = "SELECT id, hashed_password FROM account WHERE email_key = $1";
const NEW_TOKEN: &str = "INSERT INTO account_tokens (user_id, backend, digest, epoch, created_at, expires_at) \
                         VALUES ($1, 'floor', $2, 0, $3, $4)";
const LIFETIME_MILLIS: i64 = 3_600_000;

#[derive(Clone)]
struct Floor {
    pool: sqlx::PgPool,
    redis: Option<ConnectionManager>,
    keys: Arc<Keys>,
    hasher: mpsc::Sender<Job>,
}

struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

struct Job {
    password: String,
    hash: String,
    done: oneshot::Sender<bool>,
}

/// The claims of an access token, as the application writes them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: Uuid,
    pub(crate) aud: [String; 1],
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    pub(crate) epoch: i64,
}

type Row = (Uuid, String, bool, bool, bool, Option<String>);

#[derive(Serialize)]
struct Me {
    id: Uuid,
    email: String,
    is_active: bool,
    is_superuser: bool,
    is_verified: bool,
    full_name: Option<String>,
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct Bearer {
    access_token: String,
    token_type: &'static str,
}

/// Serves until the process ends; prints the address.
pub(crate) async fn serve(database_url: &str, secret: &str) -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    // As many connections as the application opens.
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .test_before_acquire(false)
        .connect(database_url)
        .await?;
    let mut validation = Validation::new(Signature::HS256);
    validation.set_audience(&[AUDIENCE]);
    let redis = match std::env::var("REDIS_URL") {
        Ok(url) => Some(ConnectionManager::new(redis::Client::open(url)?).await?),
        Err(_) => None,
    };
    let floor = Floor {
        pool,
        redis,
        keys: Arc::new(Keys {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation,
        }),
        hasher: hashing_thread(),
    };
    let router = Router::new()
        .route("/jwt/me", get(by_jwt))
        .route("/db/me", get(by_token))
        .route("/redis/me", get(by_key))
        .route("/jwt/login", post(jwt_login))
        .route("/db/login", post(token_login))
        .with_state(floor);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::print(&format!("listening on {}\n", listener.local_addr()?))?;
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn by_jwt(State(floor): State<Floor>, headers: HeaderMap) -> std::result::Result<Json<Me>, StatusCode> {
    let token = bearer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &floor.keys.decoding, &floor.keys.validation)
        .map_err(|_| StatusCode::UNAUTHORIZED)?
        .claims;
    let found = sqlx::query_as::<_, Row>(BY_KEY).bind(claims.sub);
    answer(found.fetch_optional(&floor.pool).await)
}

async fn by_token(
    State(floor): State<Floor>,
    headers: HeaderMap,
) -> std::result::Result<Json<Me>, StatusCode> {
    let token = bearer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let found = sqlx::query_as::<_, Row>(BY_TOKEN)
        .bind(Sha256::digest(token).to_vec())
        .bind(SystemClock.now().as_millis());
    answer(found.fetch_optional(&floor.pool).await)
}

/// Where the floor keeps whose a token is.
pub(crate) fn redis_key(token: &str) -> String {
    let digest = Sha256::digest(token);
    digest.iter().fold("floor:".to_owned(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    })
}

async fn by_key(State(floor): State<Floor>, headers: HeaderMap) -> std::result::Result<Json<Me>, StatusCode> {
    let token = bearer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let mut redis = floor.redis.ok_or(StatusCode::NOT_FOUND)?;
    let id: Option<String> = redis.get(redis_key(token)).await.map_err(fault)?;
    let id = id
        .and_then(|id| Uuid::parse_str(&id).ok())
        .ok_or(StatusCode::UNAUTHORIZED)?;
    let found = sqlx::query_as::<_, Row>(BY_KEY).bind(id);
    answer(found.fetch_optional(&floor.pool).await)
}

async fn jwt_login(
    State(floor): State<Floor>,
    Form(login): Form<Login>,
) -> std::result::Result<Json<Bearer>, StatusCode> {
    let id = sign_in(&floor, login).await?;
    let now = SystemClock.now().as_secs();
    let claims = Claims {
        sub: id,
        aud: [AUDIENCE.to_owned()],
        iat: now,
        exp: now + LIFETIME_MILLIS / 1000,
        jti: random::<16>()?,
        epoch: 0,
    };
    jsonwebtoken::encode(&Header::new(Signature::HS256), &claims, &floor.keys.encoding)
        .map(issued)
        .map_err(fault)
}

async fn token_login(
    State(floor): State<Floor>,
    Form(login): Form<Login>,
) -> std::result::Result<Json<Bearer>, StatusCode> {
    let id = sign_in(&floor, login).await?;
    let token = random::<32>()?;
    let now = SystemClock.now().as_millis();
    let insert = sqlx::query(NEW_TOKEN)
        .bind(id)
        .bind(Sha256::digest(&token).to_vec())
        .bind(now)
        .bind(now + LIFETIME_MILLIS);
    insert.execute(&floor.pool).await.map_err(fault)?;
    Ok(issued(token))
}

async fn sign_in(floor: &Floor, login: Login) -> std::result::Result<Uuid, StatusCode> {
    let found: Option<(Uuid, String)> = sqlx::query_as(BY_ADDRESS)
        .bind(login.username)
        .fetch_optional(&floor.pool)
        .await
        .map_err(fault)?;
    let (id, hash) = found.ok_or(StatusCode::BAD_REQUEST)?;
    let (done, result) = oneshot::channel();
    let job = Job {
        password: login.password,
        hash,
        done,
    };
    floor.hasher.send(job).map_err(fault)?;
    if result.await.map_err(fault)? {
        Ok(id)
    } else {
        Err(StatusCode::BAD_REQUEST)
    }
}

fn hashing_thread() -> mpsc::Sender<Job> {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::spawn(move || {
        let mut area = Vec::new();
        for job in jobs {
            let right = is_right(&mut area, &job.password, &job.hash).unwrap_or(false);
            let _ = job.done.send(right);
        }
    });
    sender
}

fn is_right(area: &mut Vec<Block>, password: &str, hash: &str) -> Option<bool> {
    let hash = argon2::PasswordHash::new(hash).ok()?;
    let params = Params::try_from(&hash).ok()?;
    area.resize(params.block_count(), Block::new());
    let mut tag = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.as_bytes(), hash.salt.as_ref()?, &mut tag, area)
        .ok()?;
    Some(hash.hash?.as_bytes() == tag)
}

fn answer(found: sqlx::Result<Option<Row>>) -> std::result::Result<Json<Me>, StatusCode> {
    match found {
        Ok(Some((id, email, true, is_superuser, is_verified, full_name))) => Ok(Json(Me {
            id,
            email,
            is_active: true,
            is_superuser,
            is_verified,
            full_name,
        })),
        Ok(_) => Err(StatusCode::UNAUTHORIZED),
        Err(err) => Err(fault(err)),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn issued(access_token: String) -> Json<Bearer> {
    Json(Bearer {
        access_token,
        token_type: "bearer",
    })
}

fn random<const N: usize>() -> std::result::Result<String, StatusCode> {
    let mut bytes = [0; N];
    SystemRandom.fill(&mut bytes).map_err(fault)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn fault<E: std::fmt::Display>(error: E) -> StatusCode {
    tracing::error!(%error, "a fault");
    StatusCode::INTERNAL_SERVER_ERROR
}

/// Some secret text of a run, in hexadecimal.
pub(crate) fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    SystemRandom.fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
