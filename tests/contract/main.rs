//! The contract of stores, on every SQL database, and that of strategies.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

mod strategies;

use std::cell::Cell;

use axum_users::{
    SeaOrmUsers, UserStore,
    migrations::migrate,
    sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult, Statement},
    sea_orm_store::{self, users},
};
use axum_users_testing::{
    leaks::{self, Kind, Watch},
    store_contract::{Skipped, StoreFixture},
};
use uuid::Uuid;

type Store = SeaOrmUsers<users::Entity>;

thread_local! {
    /// What is logged while a property is tested tells none of its addresses.
    static WATCH: Cell<Option<Watch>> = const { Cell::new(None) };
}

fn watch() {
    WATCH.set(Some(Watch::start()));
    for address in ["ada@example.com", "New.Ada@example.com", "bob@example.com"] {
        leaks::note(Kind::Address, address);
    }
}

/// A server on which every property gets a database of its own.
struct Server {
    what: &'static str,
    admin: &'static str,
    base: &'static str,
}

const POSTGRES: Server = Server {
    what: "PostgreSQL at 127.0.0.1:5432",
    admin: "postgres://postgres@127.0.0.1:5432/postgres",
    base: "postgres://postgres@127.0.0.1:5432",
};

const MARIADB: Server = Server {
    what: "MariaDB at 127.0.0.1:3306",
    admin: "mysql://root@127.0.0.1:3306/mysql",
    base: "mysql://root@127.0.0.1:3306",
};

impl Server {
    async fn store(&self) -> Result<Store, Skipped> {
        let admin = Database::connect(self.admin)
            .await
            .map_err(|_| Skipped::because(format!("there is no {}", self.what)))?;
        let name = format!("axum_users_{}", Uuid::new_v4().simple());
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .expect("a new database");
        Ok(migrated(&format!("{}/{name}", self.base)).await)
    }

    async fn discard(&self, store: Store) {
        drop(WATCH.take());
        let db = store.connection();
        let name = name_of(db).await;
        db.clone().close().await.expect("a closed pool");
        let admin = Database::connect(self.admin).await.expect("the server");
        admin
            .execute_unprepared(&format!("DROP DATABASE {name}"))
            .await
            .expect("a dropped database");
    }
}

async fn name_of(db: &DatabaseConnection) -> String {
    let backend = db.get_database_backend();
    let function = if backend == DbBackend::Postgres {
        "current_database()"
    } else {
        "database()"
    };
    let select = Statement::from_string(backend, format!("SELECT CAST({function} AS CHAR(64)) AS name"));
    let row = db.query_one_raw(select).await.expect("the name").expect("a row");
    let name: String = row.try_get("", "name").expect("a text");
    name.trim().to_owned()
}

async fn migrated(url: &str) -> Store {
    let db = sea_orm_store::connect(url).await.expect("a pool");
    migrate(&db).await.expect("the tables");
    let store = SeaOrmUsers::new(db);
    store.check().await.expect("a fit store");
    watch();
    store
}

/// All that the rows of the outbox say.
async fn outbox_text(store: &Store) -> Option<String> {
    let db = store.connection();
    let text = "SELECT recipient, subject, body, html FROM users_outbox";
    let select = Statement::from_string(db.get_database_backend(), text);
    let rows = db.query_all_raw(select).await.expect("the rows");
    let part = |row: &QueryResult, index| {
        row.try_get_by_index::<Option<String>>(index)
            .expect("a text")
            .unwrap_or_default()
    };
    Some(
        rows.iter()
            .flat_map(|row| (0..4).map(move |index| part(row, index)))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

struct Sqlite;
struct Postgres;
struct MariaDb;

impl StoreFixture for Sqlite {
    type Store = Store;

    async fn store(&self) -> Result<Store, Skipped> {
        let path = std::env::temp_dir().join(format!("axum_users_{}.sqlite", Uuid::new_v4().simple()));
        Ok(migrated(&format!("sqlite://{}", path.display())).await)
    }

    async fn outbox_text(&self, store: &Store) -> Option<String> {
        outbox_text(store).await
    }

    async fn discard(&self, store: Store) {
        drop(WATCH.take());
        let db = store.connection().clone();
        let list = Statement::from_string(db.get_database_backend(), "PRAGMA database_list");
        let row = db.query_one_raw(list).await.expect("the list").expect("a row");
        let file: String = row.try_get("", "file").expect("a path");
        db.close().await.expect("a closed pool");
        for file in [file.clone(), format!("{file}-wal"), format!("{file}-shm")] {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl StoreFixture for Postgres {
    type Store = Store;

    async fn store(&self) -> Result<Store, Skipped> {
        POSTGRES.store().await
    }

    async fn outbox_text(&self, store: &Store) -> Option<String> {
        outbox_text(store).await
    }

    async fn discard(&self, store: Store) {
        POSTGRES.discard(store).await;
    }
}

impl StoreFixture for MariaDb {
    type Store = Store;

    async fn store(&self) -> Result<Store, Skipped> {
        MARIADB.store().await
    }

    async fn outbox_text(&self, store: &Store) -> Option<String> {
        outbox_text(store).await
    }

    async fn discard(&self, store: Store) {
        MARIADB.discard(store).await;
    }
}

mod sqlite {
    axum_users_testing::store_contract!(super::Sqlite);
    axum_users_testing::email_change_contract!(super::Sqlite);
}
mod postgresql {
    axum_users_testing::store_contract!(super::Postgres);
    axum_users_testing::email_change_contract!(super::Postgres);
}
mod mariadb {
    axum_users_testing::store_contract!(super::MariaDb);
    axum_users_testing::email_change_contract!(super::MariaDb);
}
