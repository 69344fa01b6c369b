//! Databases that a test does not have to clean up.

use axum_users_core::UserStore;
use axum_users_migrations::up;
use axum_users_sea_orm::{SeaOrmUsers, UserEntity, connect};
use sea_orm::{ConnectionTrait, DbBackend, Schema};

/// An empty store on a new SQLite database in memory: the table as the entity declares it, and those beside it.
///
/// What only your migrations know (checks, defaults, other tables) is not there. Where a test needs that, run them on
/// `connect("sqlite::memory:")` instead.
///
/// ```
/// use axum::Router;
/// use axum_users_sea_orm::{UsersApi, users};
/// use axum_users_testing::{TestApp, in_memory_sqlite};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = in_memory_sqlite::<users::Entity>().await; // or an entity of yours
/// let app = TestApp::<UsersApi>::over(store, (), |_| Router::new());
/// assert_eq!(app.user("arthur@camelot.bt").await.email, "arthur@camelot.bt");
/// # }
/// ```
pub async fn in_memory_sqlite<E: UserEntity>() -> SeaOrmUsers<E> {
    let db = connect("sqlite::memory:").await.expect("SQLite needs no server");
    let table = Schema::new(DbBackend::Sqlite).create_table_from_entity(E::default());
    db.execute(&table)
        .await
        .expect("the table of the entity can be made");
    up::<E>(&db).await.expect("the tables beside it can be made");
    let store = SeaOrmUsers::new(db);
    store.check().await.expect("the entity fits");
    store
}
