//! The SeaORM store and its migrations on SQLite, PostgreSQL and MariaDB.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its database fails")]
#![expect(
    clippy::single_match_else,
    reason = "databases are told apart by `match` throughout"
)]

use std::{
    future::Future,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum_users_core::{
    Accepts, Applied, Change, Claim, Denied, EmailAddress, EndSessions, Epoch, Expected, Inserted,
    LimitPolicy, ListUsers, Message, MessageKind, NewPersonalToken, NewToken, NewUser, NoExtra, OpaqueClaim,
    Outbox, OwnConflict, OwnRule, PasswordHash, PersonalTokenStore, Purged, Removed, Session, SessionStore,
    SetupError, StoreError, Subject, Timestamp, TokenDigest, TokenLimit, TokenStored, TokenUse, User,
    UserQuery, UserStore, normalize_email,
};
use axum_users_migrations::{MigrateError, Migrations, Migrator, State, migrate, up, up_with, user_columns};
use axum_users_sea_orm::{CompanionError, SeaOrmUsers, UserEntity, connect, users};
use axum_users_testing::Skipped;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DeriveIntoActiveModel, EntityTrait, QueryResult, Set,
    Statement, TransactionTrait,
    sea_query::{ColumnDef, Table},
};
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait::async_trait,
};
use uuid::Uuid;

/// An entity with a UUID and columns of its own.
mod account {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "account")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub email: String,
        #[sea_orm(unique)]
        pub email_key: String,
        #[sea_orm(column_name = "hashed_password")]
        pub hashed_password: Option<String>,
        pub is_active: bool,
        pub is_verified: bool,
        pub is_superuser: bool,
        pub nick: Option<String>,
        pub order: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// An entity with a counted key, whose address is its own normal form and whose password is never null.
mod staff {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "staff")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        #[sea_orm(unique, column_name = "login")]
        pub email: String,
        pub hashed_password: String,
        pub is_active: bool,
        pub is_verified: bool,
        pub is_superuser: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

axum_users_sea_orm::user_entity!(account);
axum_users_sea_orm::user_entity!(staff, email_is_key);

#[derive(DeriveIntoActiveModel)]
#[sea_orm(active_model = "account::ActiveModel")]
struct Profile {
    nick: Option<String>,
    order: i32,
}

#[derive(DeriveIntoActiveModel)]
#[sea_orm(active_model = "account::ActiveModel")]
struct Greedy {
    id: Uuid,
    order: i32,
    hashed_password: Option<String>,
    is_superuser: bool,
    email_key: String,
}

struct Base {
    backend: DbBackend,
    url: String,
    name: String,
    db: DatabaseConnection,
}

const POSTGRES: &str = "postgres://postgres@127.0.0.1:5432";
const MARIADB: &str = "mysql://root@127.0.0.1:3306";

impl Base {
    async fn new(backend: DbBackend) -> Option<Self> {
        let name = format!("axum_users_{}", Uuid::new_v4().simple());
        let url = match backend {
            DbBackend::Sqlite => format!("sqlite://{}/{name}.db", std::env::temp_dir().display()),
            _ => {
                let (server, home) = if backend == DbBackend::Postgres {
                    (POSTGRES, "postgres")
                } else {
                    (MARIADB, "mysql")
                };
                let admin = match connect(&format!("{server}/{home}")).await {
                    Ok(admin) => admin,
                    Err(err) => {
                        Skipped::because(format!("{backend:?} is not there: {err}")).report();
                        return None;
                    }
                };
                admin
                    .execute_unprepared(&format!("CREATE DATABASE {name}"))
                    .await
                    .unwrap();
                admin.close().await.unwrap();
                format!("{server}/{name}")
            }
        };
        let db = connect(&url).await.unwrap();
        Some(Self {
            backend,
            url,
            name,
            db,
        })
    }

    async fn drop(self) {
        self.db.close().await.unwrap();
        match self.backend {
            DbBackend::Sqlite => {
                let path = self.url.trim_start_matches("sqlite://");
                for end in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(format!("{path}{end}"));
                }
            }
            _ => {
                let (server, home, force) = if self.backend == DbBackend::Postgres {
                    (POSTGRES, "postgres", " WITH (FORCE)")
                } else {
                    (MARIADB, "mysql", "")
                };
                let admin = connect(&format!("{server}/{home}")).await.unwrap();
                admin
                    .execute_unprepared(&format!("DROP DATABASE {}{force}", self.name))
                    .await
                    .unwrap();
                admin.close().await.unwrap();
            }
        }
    }

    async fn accounts(&self) -> SeaOrmUsers<account::Entity> {
        account_table(&self.db).await;
        up::<account::Entity>(&self.db).await.unwrap();
        let users = SeaOrmUsers::new(self.db.clone());
        users.check().await.unwrap();
        users
    }

    async fn staff(&self) -> SeaOrmUsers<staff::Entity> {
        let mut table = Table::create();
        table.table("staff").col(
            ColumnDef::new("id")
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        );
        for mut column in user_columns(self.backend)
            .into_iter()
            .filter(|column| column.get_column_name() != "email")
        {
            if column.get_column_name() == "email_key" {
                column =
                    ColumnDef::new_with_type("login", axum_users_migrations::email_key_type(self.backend));
                column.not_null().unique_key();
            }
            table.col(column);
        }
        self.db.execute(&table).await.unwrap();
        up::<staff::Entity>(&self.db).await.unwrap();
        let users = SeaOrmUsers::new(self.db.clone());
        users.check().await.unwrap();
        users
    }
}

async fn account_table<C: ConnectionTrait>(db: &C) {
    let backend = db.get_database_backend();
    let mut table = Table::create();
    table
        .table("account")
        .col(ColumnDef::new("id").uuid().not_null().primary_key());
    for column in user_columns(backend) {
        table.col(column);
    }
    let mut nick = ColumnDef::new("nick");
    nick.string_len(8).unique_key();
    if backend == DbBackend::Sqlite {
        nick.extra("CHECK (length(nick) <= 8)");
    }
    table
        .col(&mut nick)
        .col(ColumnDef::new("order").integer().not_null());
    db.execute(&table).await.unwrap();
}

/// Runs a test on a fresh database of each kind.
async fn everywhere<F, R>(test: F)
where
    F: Fn(DbBackend, DatabaseConnection, String, Arc<Base>) -> R,
    R: Future<Output = ()>,
{
    for backend in [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql] {
        if let Some(base) = Base::new(backend).await {
            let base = Arc::new(base);
            test(backend, base.db.clone(), base.url.clone(), base.clone()).await;
            Arc::into_inner(base).unwrap().drop().await;
        }
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text)
}

fn profile(nick: Option<&str>) -> account::ActiveModel {
    SeaOrmUsers::<account::Entity>::columns(Profile {
        nick: nick.map(str::to_owned),
        order: 7,
    })
}

fn new_account(address: &str, nick: Option<&str>) -> NewUser<account::ActiveModel> {
    NewUser::new(email(address), Some(hash("h1")), profile(nick), at(1000))
}

async fn created<E>(users: &SeaOrmUsers<E>, new: NewUser<E::ActiveModel>) -> E::Model
where
    E: UserEntity,
{
    match users.insert(new, &|_| Vec::new()).await.unwrap() {
        Inserted::Created(user) => user,
        Inserted::EmailTaken => panic!("the address is taken"),
        _ => panic!("an own column was refused"),
    }
}

fn change<C: Default>(now: i64) -> Change<C> {
    Change::new(at(now))
}

async fn life<E>(users: &SeaOrmUsers<E>, new: impl Fn(&str) -> NewUser<E::ActiveModel>, key_after: &str)
where
    E: UserEntity,
    E::Model: User,
{
    let user = created(users, new("Jo@Example.com")).await;
    let id = user.id();
    let found = users.find(&id).await.unwrap().unwrap();
    assert_eq!(
        (found.email(), found.hashed_password(), found.epoch),
        (user.email(), Some("h1"), Epoch(0))
    );
    assert!(found.is_active() && !found.is_verified() && !found.is_superuser());
    let by_email = users
        .find_by_email(&normalize_email("JO@example.com").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(by_email.id(), id);
    let again = users
        .insert(new("jo@EXAMPLE.com"), &|_| Vec::new())
        .await
        .unwrap();
    assert!(matches!(again, Inserted::EmailTaken));
    // Under the usual collation of MariaDB these two are one.
    let accent = created(users, new("jö@example.com")).await;
    assert_ne!(accent.id(), id);
    assert!(users.find_by_login("josé@example.com").await.unwrap().is_none());

    let mut taken = change(2000);
    taken.set.email = Some(email("JÖ@example.com"));
    assert!(matches!(
        users.update(&id, taken).await.unwrap(),
        Applied::EmailTaken
    ));

    let mut full = change(2000);
    full.expect.hashed_password = Some(hash("h1"));
    full.set.hashed_password = Some(hash("h2"));
    full.set.email = Some(email("New@example.com"));
    full.set.is_verified = Some(true);
    full.end_sessions = EndSessions::All;
    let Applied::Applied(after) = users.update(&id, full).await.unwrap() else {
        panic!("not applied")
    };
    assert_eq!(
        (after.email(), after.hashed_password(), after.epoch),
        (key_after, Some("h2"), Epoch(1))
    );
    assert!(after.is_verified());
    let mut stale = change(2000);
    stale.expect.hashed_password = Some(hash("h1"));
    assert!(matches!(users.update(&id, stale).await.unwrap(), Applied::Stale));
    let nothing = users.update(&id, change(2000)).await.unwrap();
    assert!(matches!(nothing, Applied::Applied(stored) if stored.epoch == Epoch(1)));

    for (name, ended) in [("first", 0), ("second", 1)] {
        let mut login = NewToken::new(id.clone(), "db", TokenDigest::of(name), Epoch(1), at(1));
        login.limit = Some(TokenLimit {
            most: 1,
            policy: LimitPolicy::EndOldest,
        });
        let stored = users.insert_token(login).await.unwrap();
        assert!(matches!(stored, TokenStored::Stored { ended: other, .. } if other == ended));
    }
    let listed = users.list_tokens(&id, "db", at(1), 9).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(
        users
            .name_token(&id, "db", &listed[0].id, Some("phone"), at(1))
            .await
            .unwrap()
    );
    let personal = NewPersonalToken::new(
        id.clone(),
        TokenDigest::of("backup"),
        "backup",
        Epoch(1),
        at(1),
        9,
    );
    users.insert_personal_token(personal).await.unwrap();
    let backup = Claim::Personal(OpaqueClaim::new(TokenDigest::of("backup"), "personal"));
    let signed_in = users.resolve(&backup, at(2)).await.unwrap().unwrap();
    assert!(signed_in.user.id() == id && signed_in.session.epoch == Epoch(1));

    assert_eq!(
        users.delete(&id, Expected::new()).await.unwrap(),
        Removed::Removed
    );
    assert_eq!(
        users.delete(&id, Expected::new()).await.unwrap(),
        Removed::Missing
    );
    assert!(users.resolve(&backup, at(2)).await.unwrap().is_none());
    assert!(users.find(&id).await.unwrap().is_none());
    assert!(matches!(
        users.update(&id, change(1)).await.unwrap(),
        Applied::Missing
    ));
    let late = NewToken::new(id, "db", TokenDigest::of("late"), Epoch(0), at(1));
    assert!(matches!(
        users.insert_token(late).await.unwrap(),
        TokenStored::NoUser
    ));
}

#[tokio::test]
async fn a_user_with_a_uuid_lives_and_dies() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        life(&users, |address| new_account(address, None), "New@example.com").await;
    })
    .await;
}

#[tokio::test]
async fn a_user_with_a_counted_key_lives_and_dies() {
    everywhere(|_, _, _, base| async move {
        let users = base.staff().await;
        let new = |address: &str| {
            NewUser::new(
                email(address),
                Some(hash("h1")),
                SeaOrmUsers::<staff::Entity>::columns(()),
                at(1),
            )
        };
        life(&users, new, "new@example.com").await;
        let without = NewUser::new(
            email("no@example.com"),
            None,
            staff::ActiveModel::default(),
            at(1),
        );
        assert_eq!(created(&users, without).await.hashed_password(), None);
    })
    .await;
}

#[tokio::test]
async fn values_for_columns_of_the_library_are_ignored() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        let greedy = || {
            SeaOrmUsers::<account::Entity>::columns(Greedy {
                id: Uuid::nil(),
                order: 3,
                hashed_password: Some("mine".to_owned()),
                is_superuser: true,
                email_key: "other@example.com".to_owned(),
            })
        };
        let new = NewUser::new(email("a@example.com"), Some(hash("h1")), greedy(), at(1));
        let user = created(&users, new).await;
        assert_ne!(user.id, Uuid::nil());
        assert_eq!(
            (user.order, user.is_superuser, user.hashed_password.as_deref()),
            (3, false, Some("h1"))
        );
        assert_eq!(user.email_key, "a@example.com");
        let mut patch = change(2);
        patch.own = greedy();
        patch.own.order = Set(4);
        let Applied::Applied(after) = users.update(&user.id, patch).await.unwrap() else {
            panic!("not applied")
        };
        assert_eq!(after.user, account::Model { order: 4, ..user });
    })
    .await;
}

#[tokio::test]
async fn refused_values_of_own_columns_are_told_apart() {
    everywhere(|backend, _, _, base| async move {
        let users = base.accounts().await;
        created(&users, new_account("a@example.com", Some("ann"))).await;
        let bob = created(&users, new_account("b@example.com", Some("bob"))).await;
        let taken = users
            .insert(new_account("c@example.com", Some("ann")), &|_| Vec::new())
            .await
            .unwrap();
        let expected = OwnConflict::new(OwnRule::Unique, Some("nick".to_owned()));
        assert!(matches!(taken, Inserted::OwnConflict(conflict) if conflict == expected));
        let mut patch = change(2);
        patch.own = profile(Some("ann"));
        let taken = users.update(&bob.id, patch).await.unwrap();
        assert!(matches!(taken, Applied::OwnConflict(conflict) if conflict == expected));

        let long = users
            .insert(new_account("c@example.com", Some("far too long")), &|_| {
                Vec::new()
            })
            .await
            .unwrap();
        let Inserted::OwnConflict(long) = long else {
            panic!("{backend:?} took it")
        };
        assert_eq!(long.rule, OwnRule::Invalid);
        assert_eq!(
            long.column.as_deref(),
            (backend == DbBackend::MySql).then_some("nick")
        );

        let none = NewUser::new(
            email("d@example.com"),
            None,
            SeaOrmUsers::<account::Entity>::columns(NoExtra {}),
            at(1),
        );
        // Nobody gave the column a value: that is no fault of who registers.
        let none = users.insert(none, &|_| Vec::new()).await;
        let Err(StoreError::Fault(cause)) = none else {
            panic!("{backend:?} took it")
        };
        assert!(cause.to_string().contains("`order`"), "{cause}");
        assert!(users.find_by_login("c@example.com").await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn an_address_that_the_table_has_no_room_for_is_refused_as_the_value_of_email() {
    everywhere(|backend, db, _, base| async move {
        let (narrow, long) = match backend {
            DbBackend::Postgres => (
                "ALTER TABLE account ALTER COLUMN email TYPE varchar(20)",
                "long.enough.for.all@example.com",
            ),
            // The address fits into it, its letters do not.
            DbBackend::MySql => (
                "ALTER TABLE account MODIFY email varchar(320) CHARACTER SET latin1 NOT NULL",
                "\u{438}\u{432}\u{430}\u{43d}@example.com",
            ),
            _ => return,
        };
        let user = created(&base.accounts().await, new_account("a@example.com", None)).await;
        db.execute_unprepared(narrow).await.unwrap();
        // Statements that were prepared before the table changed would fail by themselves.
        let fresh = connect(&base.url).await.unwrap();
        let users = SeaOrmUsers::<account::Entity>::new(fresh.clone());
        let expected = if backend == DbBackend::MySql {
            OwnConflict::new(OwnRule::Invalid, Some("email".to_owned()))
        } else {
            // PostgreSQL does not name the column of a text that is too long.
            OwnConflict::new(OwnRule::Invalid, None)
        };
        let refused = users
            .insert(new_account(long, None), &|_| Vec::new())
            .await
            .unwrap();
        assert!(
            matches!(&refused, Inserted::OwnConflict(conflict) if *conflict == expected),
            "{refused:?}"
        );
        let mut moved = change(2);
        moved.set.email = Some(email(long));
        let refused = users.update(&user.id, moved).await.unwrap();
        assert!(
            matches!(&refused, Applied::OwnConflict(conflict) if *conflict == expected),
            "{refused:?}"
        );
        if backend == DbBackend::MySql {
            db.execute_unprepared("ALTER TABLE account MODIFY email varchar(20) NOT NULL")
                .await
                .unwrap();
            let long = new_account("long.enough.for.all@example.com", None);
            let refused = users.insert(long, &|_| Vec::new()).await.unwrap();
            assert!(matches!(&refused, Inserted::OwnConflict(conflict) if *conflict == expected));
        } else {
            // What it does name is a column that must not be null.
            db.execute_unprepared(
                "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE not_null_violation \
                 USING COLUMN = 'email_key', TABLE = 'account'; END $$ LANGUAGE plpgsql",
            )
            .await
            .unwrap();
            db.execute_unprepared(
                "CREATE TRIGGER refuse BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION refuse()",
            )
            .await
            .unwrap();
            let expected = OwnConflict::new(OwnRule::Invalid, Some("email".to_owned()));
            let refused = users
                .insert(new_account("b@example.com", None), &|_| Vec::new())
                .await
                .unwrap();
            assert!(matches!(&refused, Inserted::OwnConflict(conflict) if *conflict == expected));
        }
        fresh.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_user_to_whom_rows_of_the_application_refer_is_in_use() {
    everywhere(|backend, db, _, base| async move {
        let users = base.accounts().await;
        let id = created(&users, new_account("a@example.com", None)).await.id;
        let token = NewToken::new(id, "db", TokenDigest::of("token"), Epoch(0), at(1));
        users.insert_token(token).await.unwrap();
        let uuid = match backend {
            DbBackend::Postgres => "uuid",
            DbBackend::MySql => "binary(16)",
            _ => "blob",
        };
        let rules: &[&str] = match backend {
            DbBackend::MySql => &["", "ON DELETE RESTRICT"],
            _ => &["", "ON DELETE RESTRICT", "DEFERRABLE INITIALLY DEFERRED"],
        };
        for rule in rules {
            let table = format!(
                "CREATE TABLE invoice (owner {uuid} NOT NULL, \
                 CONSTRAINT invoice_owner FOREIGN KEY (owner) REFERENCES account (id) {rule})"
            );
            db.execute_unprepared(&table).await.unwrap();
            db.execute_unprepared("INSERT INTO invoice (owner) SELECT id FROM account")
                .await
                .unwrap();
            assert_eq!(
                users.delete(&id, Expected::new()).await.unwrap(),
                Removed::InUse,
                "{backend:?} {rule}"
            );
            let claim = Claim::Digest(OpaqueClaim::new(TokenDigest::of("token"), "db"));
            assert!(
                users.resolve(&claim, at(2)).await.unwrap().is_some(),
                "sessions stay"
            );
            db.execute_unprepared("DROP TABLE invoice").await.unwrap();
        }
        assert_eq!(
            users.delete(&id, Expected::new()).await.unwrap(),
            Removed::Removed
        );
    })
    .await;
}

async fn joined<T: Send + 'static>(tasks: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_racing_registrations_one_is_created() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        for round in 0..5 {
            let tasks = (0..8).map(|_| {
                let users = users.clone();
                tokio::spawn(async move {
                    let new = new_account(&format!("race{round}@example.com"), None);
                    users
                        .insert(new, &|user: &account::Model| vec![mail(&user.email)])
                        .await
                        .unwrap()
                })
            });
            let ended = joined(tasks.collect()).await;
            assert_eq!(
                ended
                    .iter()
                    .filter(|end| matches!(end, Inserted::Created(_)))
                    .count(),
                1
            );
            assert_eq!(
                ended
                    .iter()
                    .filter(|end| matches!(end, Inserted::EmailTaken))
                    .count(),
                7
            );
        }
        assert_eq!(
            users
                .lease(100, at(5000), Duration::from_secs(1))
                .await
                .unwrap()
                .len(),
            5
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_racing_changes_one_is_applied() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        for round in 0..5 {
            let id = created(&users, new_account(&format!("race{round}@example.com"), None))
                .await
                .id;
            let tasks = (0..8).map(|racer| {
                let users = users.clone();
                tokio::spawn(async move {
                    let mut reset = change(2000);
                    reset.expect.hashed_password = Some(hash("h1"));
                    reset.set.hashed_password = Some(hash(&format!("racer{racer}")));
                    reset.end_sessions = EndSessions::All;
                    reset.messages = vec![mail("x@example.com")];
                    users.update(&id, reset).await.unwrap()
                })
            });
            let ended = joined(tasks.collect()).await;
            assert_eq!(
                ended
                    .iter()
                    .filter(|end| matches!(end, Applied::Applied(_)))
                    .count(),
                1
            );
            assert_eq!(
                ended.iter().filter(|end| matches!(end, Applied::Stale)).count(),
                7
            );
            assert_eq!(users.find(&id).await.unwrap().unwrap().epoch, Epoch(1));

            let tasks = (0..8).map(|_| {
                let users = users.clone();
                tokio::spawn(async move {
                    let mut end = change(3000);
                    end.end_sessions = EndSessions::All;
                    users.update(&id, end).await.unwrap()
                })
            });
            joined(tasks.collect()).await;
            assert_eq!(users.find(&id).await.unwrap().unwrap().epoch, Epoch(9));
        }
        assert_eq!(
            users
                .lease(100, at(5000), Duration::from_secs(1))
                .await
                .unwrap()
                .len(),
            5
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_ends_of_sessions_of_many_users_do_not_block_each_other() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        let mut ids = Vec::new();
        for number in 0..16 {
            ids.push(
                created(&users, new_account(&format!("u{number}@example.com"), None))
                    .await
                    .id,
            );
        }
        let tasks = ids.into_iter().map(|id| {
            let users = users.clone();
            tokio::spawn(async move {
                let mut end = change(3000);
                end.end_sessions = EndSessions::All;
                users.update(&id, end).await.unwrap();
                users.delete(&id, Expected::new()).await.unwrap()
            })
        });
        assert!(
            joined(tasks.collect())
                .await
                .into_iter()
                .all(|gone| gone == Removed::Removed)
        );
    })
    .await;
}

#[tokio::test]
async fn claims_hold_while_their_session_lives() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        let id = created(&users, new_account("a@example.com", Some("ann"))).await.id;
        let said = |jti: &str, epoch| Subject::new(id, Session::new("jwt", jti, Epoch(epoch)).until(at(9000)));
        let subject = |epoch: i64| said("jti-1", epoch);
        let holds = async |claim: Claim<Uuid>, now: i64| users.resolve(&claim, at(now)).await.unwrap();
        let signed_in = holds(Claim::Subject(subject(0)), 2000).await.unwrap();
        assert_eq!((signed_in.user.id, signed_in.session.token_id.as_str()), (id, "jti-1"));
        assert!(holds(Claim::Subject(subject(0)), 9000).await.is_none());
        assert!(holds(Claim::Subject(subject(1)), 2000).await.is_none());
        users.revoke("jti-1", at(9000)).await.unwrap();
        users.revoke("jti-1", at(8000)).await.unwrap();
        assert!(holds(Claim::Subject(subject(0)), 2000).await.is_none());
        assert!(holds(Claim::Stateless(subject(0)), 2000).await.is_some());

        let digest = |name: &str| TokenDigest::of(name);
        let opaque = |name: &str, backend: &str| Claim::Digest(OpaqueClaim::new(digest(name), backend));
        for (name, end) in [("kept", None), ("lost", Some(at(5000)))] {
            let mut token = NewToken::new(id, "db", digest(name), Epoch(0), at(1000));
            token.expires_at = end;
            token.user_agent = Some("ä\0".repeat(300));
            token.client_address = Some("2001:db8::1".parse().unwrap());
            assert!(matches!(users.insert_token(token).await.unwrap(), TokenStored::Stored { ended: 0, .. }));
        }
        let session = holds(opaque("lost", "db"), 4999).await.unwrap().session;
        assert_eq!((session.created_at, session.expires_at), (Some(at(1000)), Some(at(5000))));
        assert!(holds(opaque("lost", "db"), 5000).await.is_none());
        assert!(holds(opaque("lost", "DB"), 4000).await.is_none());
        assert!(holds(opaque("other", "db"), 4000).await.is_none());

        let mut end = change(2000);
        end.end_sessions = EndSessions::AllExcept(digest("kept"));
        assert!(matches!(users.update(&id, end).await.unwrap(), Applied::Applied(stored) if stored.epoch == Epoch(1)));
        assert!(holds(opaque("kept", "db"), 4000).await.is_some());
        assert!(holds(opaque("lost", "db"), 4000).await.is_none());
        let after = said("jti-2", 1);
        assert!(holds(Claim::Subject(after.clone()), 2000).await.is_some());
        let old = said("jti-2", 0);
        assert!(holds(Claim::Subject(old), 2000).await.is_none());

        assert!(!users.end_token(&digest("kept"), "other").await.unwrap());
        assert!(users.end_token(&digest("kept"), "db").await.unwrap());
        assert!(!users.end_token(&digest("kept"), "db").await.unwrap());
        users.delete(&id, Expected::new()).await.unwrap();
        assert!(holds(Claim::Subject(after), 2000).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn what_has_expired_is_purged_in_batches() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        let id = created(&users, new_account("a@example.com", None)).await.id;
        for number in 0..3 {
            let mut token = NewToken::new(id, "db", TokenDigest::of(&number.to_string()), Epoch(0), at(1));
            token.expires_at = Some(at(100 + number));
            users.insert_token(token).await.unwrap();
            users
                .revoke(&format!("jti{number}"), at(100 + number))
                .await
                .unwrap();
        }
        users
            .insert_token(NewToken::new(id, "db", TokenDigest::of("x"), Epoch(0), at(1)))
            .await
            .unwrap();
        let mut token = NewPersonalToken::new(id, TokenDigest::of("backup"), "backup", Epoch(0), at(1), 9);
        token.expires_at = Some(at(101));
        users.insert_personal_token(token).await.unwrap();
        assert_eq!(users.purge(at(101), 4).await.unwrap(), Purged::new(3, 1));
        assert_eq!(users.purge(at(101), 4).await.unwrap(), Purged::new(0, 1));
        assert_eq!(users.purge(at(101), 4).await.unwrap(), Purged::default());
        assert_eq!(users.purge(at(500), 9).await.unwrap(), Purged::new(1, 1));
    })
    .await;
}

fn mail(to: &str) -> Message {
    Message::new(MessageKind::Verify, to, "Hello ✉", "text").with_html("<p>text</p>")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_leased_by_one_worker_and_erased_when_done() {
    everywhere(|backend, db, _, base| async move {
        let users = base.accounts().await;
        let mails = (0..30)
            .map(|number| mail(&format!("{number}@example.com")))
            .chain([mail("x").into_decoy()]);
        users.enqueue(mails.collect(), at(1000)).await.unwrap();
        assert!(
            users
                .lease(10, at(999), Duration::from_secs(9))
                .await
                .unwrap()
                .is_empty()
        );
        let tasks = (0..6).map(|_| {
            let users = users.clone();
            tokio::spawn(async move { users.lease(8, at(1000), Duration::from_secs(9)).await.unwrap() })
        });
        let mut leased: Vec<_> = joined(tasks.collect()).await.into_iter().flatten().collect();
        leased.extend(users.lease(40, at(1000), Duration::from_secs(9)).await.unwrap());
        let mut ids: Vec<i64> = leased.iter().map(|leased| leased.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((leased.len(), ids.len()), (31, 31));
        let decoys = leased.iter().filter(|leased| leased.message.is_decoy()).count();
        assert_eq!(decoys, 1);
        assert!(
            leased
                .iter()
                .all(|leased| leased.attempts == 0 && leased.message.kind == MessageKind::Verify)
        );
        assert_eq!(leased[0].message.subject, "Hello ✉");
        assert_eq!(leased[0].message.html.as_deref(), Some("<p>text</p>"));

        users.retry(ids[0], at(2000)).await.unwrap();
        let again = users.lease(40, at(2000), Duration::from_secs(1)).await.unwrap();
        assert_eq!(
            again
                .iter()
                .map(|leased| (leased.id, leased.attempts))
                .collect::<Vec<_>>(),
            [(ids[0], 1)]
        );
        users.sent(ids[0], at(2500)).await.unwrap();
        users.give_up(ids[1], at(2500)).await.unwrap();
        users.retry(ids[0], at(1)).await.unwrap();
        assert_eq!(
            users
                .lease(40, at(50_000), Duration::from_secs(1))
                .await
                .unwrap()
                .len(),
            29
        );
        let left = "SELECT CAST(COUNT(*) AS CHAR(9)) FROM account_outbox WHERE done_at IS NOT NULL \
                    AND recipient = '' AND subject = '' AND body IS NULL AND html IS NULL";
        let row = db
            .query_one_raw(Statement::from_string(backend, left))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap().trim(), "2");
        assert_eq!(
            users.purge(at(8 * 86_400_000), 10).await.unwrap(),
            Purged::new(0, 2)
        );
    })
    .await;
}

#[tokio::test]
async fn users_are_listed_in_the_order_of_bytes_through_the_index() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        for name in ["b_x", "bx", "a", "ä", "b%", "z"] {
            created(&users, new_account(&format!("{name}@example.com"), None)).await;
        }
        let listed = async |query: UserQuery| -> Vec<String> {
            let users = users.list(&query).await.unwrap();
            users
                .into_iter()
                .map(|user| user.email_key.split('@').next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(
            listed(UserQuery::new(10)).await,
            ["a", "b%", "b_x", "bx", "z", "ä"]
        );
        let mut query = UserQuery::new(2);
        query.after = normalize_email("b%@example.com").ok();
        assert_eq!(listed(query).await, ["b_x", "bx"]);
        let mut query = UserQuery::new(9);
        query.email_prefix = Some("b_".to_owned());
        assert_eq!(listed(query.clone()).await, ["b_x"]);
        query.email_prefix = Some("b".to_owned());
        assert_eq!(listed(query).await, ["b%", "b_x", "bx"]);
        let mut query = UserQuery::new(9);
        query.email = normalize_email("Ä@example.com").ok();
        assert_eq!(listed(query).await, ["ä"]);
    })
    .await;
}

/// What the store sends while `ask` runs, with its values.
async fn sent(
    db: &DatabaseConnection,
    ask: impl AsyncFnOnce(&SeaOrmUsers<account::Entity>),
) -> Vec<Statement> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut watched = db.clone();
    let statements = log.clone();
    watched.set_metric_callback(move |info| statements.lock().unwrap().push(info.statement.clone()));
    ask(&SeaOrmUsers::new(watched)).await;
    std::mem::take(&mut *log.lock().unwrap())
}

/// How the database finds the rows of a statement.
async fn plan_of(db: &DatabaseConnection, statement: Statement) -> String {
    let (explain, column) = match statement.db_backend {
        DbBackend::Sqlite => ("EXPLAIN QUERY PLAN", 3),
        DbBackend::Postgres => ("EXPLAIN", 0),
        _ => ("EXPLAIN FORMAT=JSON", 0),
    };
    let explained = Statement {
        sql: format!("{explain} {}", statement.sql),
        ..statement
    };
    let rows = db.query_all_raw(explained).await.unwrap();
    let line = |row: &QueryResult| row.try_get_by_index::<String>(column).unwrap() + "\n";
    rows.iter().map(line).collect()
}

fn row(number: u32) -> account::ActiveModel {
    let address = format!("{number}@example.com");
    account::ActiveModel {
        id: Set(Uuid::new_v4()),
        email: Set(address.clone()),
        email_key: Set(address),
        hashed_password: Set(None),
        is_active: Set(true),
        is_verified: Set(false),
        is_superuser: Set(false),
        nick: Set(None),
        order: Set(0),
    }
}

#[tokio::test]
async fn whatever_a_request_waits_for_is_found_through_an_index() {
    everywhere(|backend, _, _, base| async move {
        let users = base.accounts().await;
        let mut id = Uuid::nil();
        for number in 0..200 {
            let new = new_account(&format!("{number:03}@example.com"), None);
            id = created(&users, new).await.id;
            let digest = TokenDigest::of(&number.to_string());
            let mut token = NewToken::new(id, "db", digest, Epoch(0), at(1));
            token.expires_at = Some(at(9000));
            users.insert_token(token).await.unwrap();
            let mut ended = change(1);
            ended.end_sessions = if number % 2 == 0 {
                EndSessions::All
            } else {
                EndSessions::None
            };
            users.update(&id, ended).await.unwrap();
            users.revoke(&format!("jti-{number}"), at(9000)).await.unwrap();
        }
        let alone = connect_alone(&base.url).await;
        // So many that it would be slower to read and sort them all.
        let many: Vec<_> = (1000..4000).map(row).collect();
        for rows in many.chunks(500) {
            account::Entity::insert_many(rows.to_vec())
                .exec(&alone)
                .await
                .unwrap();
        }
        let prepare: &[&str] = match backend {
            DbBackend::Sqlite => &["ANALYZE"],
            // What counts is that there is another way, not what its planner thinks of so few rows.
            DbBackend::Postgres => &["SET enable_seqscan = off", "ANALYZE"],
            _ => &["ANALYZE TABLE account, account_tokens, account_epochs, account_revoked"],
        };
        for statement in prepare {
            alone.execute_unprepared(statement).await.unwrap();
        }
        let key = || normalize_email("100@example.com").unwrap();
        let list = |change: fn(&mut UserQuery)| {
            let mut query = UserQuery::new(5);
            change(&mut query);
            query
        };
        let statements = sent(&alone, async |users| {
            assert!(users.find(&id).await.unwrap().is_some());
            assert!(users.find_by_email(&key()).await.unwrap().is_some());
            assert!(users.find_by_login("100@example.com").await.unwrap().is_some());
            let opaque = Claim::Digest(OpaqueClaim::new(TokenDigest::of("199"), "db"));
            assert!(users.resolve(&opaque, at(2)).await.unwrap().is_some());
            let session = Session::new("jwt", "jti", Epoch(0)).until(at(9000));
            let subject = Subject::new(id, session);
            assert!(
                users
                    .resolve(&Claim::Subject(subject), at(2))
                    .await
                    .unwrap()
                    .is_some()
            );
            let after: fn(&mut UserQuery) = |query| query.after = normalize_email("100@example.com").ok();
            let exact: fn(&mut UserQuery) = |query| query.email = normalize_email("100@example.com").ok();
            let prefix: fn(&mut UserQuery) = |query| query.email_prefix = Some("10".to_owned());
            let both: fn(&mut UserQuery) = |query| {
                query.email_prefix = Some("1".to_owned());
                query.after = normalize_email("100@example.com").ok();
            };
            let first: fn(&mut UserQuery) = |_| ();
            for (change, found) in [(first, 5), (after, 5), (exact, 1), (prefix, 5), (both, 5)] {
                assert_eq!(users.list(&list(change)).await.unwrap().len(), found);
            }
        })
        .await;
        assert_eq!(statements.len(), 10, "{statements:?}");
        for statement in statements {
            let sql = statement.sql.clone();
            let plan = plan_of(&alone, statement).await;
            let reads_all = |line: &str| match backend {
                DbBackend::Sqlite => line.contains("SCAN") && !line.contains("USING"),
                DbBackend::Postgres => line.contains("Seq Scan"),
                _ => line.contains("\"access_type\": \"ALL\""),
            };
            assert!(!plan.lines().any(reads_all), "{sql}\n{plan}");
            for sort in ["Sort", "filesort", "TEMP B-TREE"] {
                assert!(!plan.contains(sort), "{sql}\n{plan}");
            }
        }
        alone.close().await.unwrap();
    })
    .await;
}

/// How the database would run a statement.
async fn plan(base: &Base, sql: &str) -> String {
    let (explain, column) = match base.backend {
        DbBackend::Sqlite => ("EXPLAIN QUERY PLAN", 3),
        DbBackend::Postgres => ("EXPLAIN", 0),
        _ => ("EXPLAIN FORMAT=JSON", 0),
    };
    let alone = connect_alone(&base.url).await;
    if base.backend == DbBackend::Postgres {
        alone
            .execute_unprepared("SET enable_seqscan = off")
            .await
            .unwrap();
    }
    let explained = Statement::from_string(base.backend, format!("{explain} {sql}"));
    let rows = alone.query_all_raw(explained).await.unwrap();
    alone.close().await.unwrap();
    let lines = rows
        .iter()
        .map(|row| row.try_get_by_index::<String>(column).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn tokens_are_found_through_their_indexes() {
    everywhere(|backend, db, _, base| async move {
        let users = base.accounts().await;
        for number in 0..20 {
            created(&users, new_account(&format!("u{number}@example.com"), None)).await;
        }
        many_tokens(&db).await;
        let bytes = |bytes: &str| match backend {
            DbBackend::Postgres => format!("'\\x{bytes}'"),
            _ => format!("X'{bytes}'"),
        };
        let id = match backend {
            DbBackend::Postgres => format!("'{}'", Uuid::nil()),
            _ => bytes(&"00".repeat(16)),
        };
        let mine = format!("user_id = {id}");
        let unexpired = "(expires_at IS NULL OR expires_at > 5)";
        let expired = |table: &str| {
            let oldest = "WHERE expires_at <= 5 ORDER BY expires_at LIMIT 100";
            match backend {
                DbBackend::MySql => format!("DELETE FROM {table} {oldest}"),
                DbBackend::Postgres => format!(
                    "WITH expired AS MATERIALIZED (SELECT id FROM {table} {oldest} FOR UPDATE SKIP LOCKED) \
                     DELETE FROM {table} t USING expired WHERE t.id = expired.id"
                ),
                _ => format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} {oldest})"),
            }
        };
        for table in ["account_tokens", "account_personal_tokens"] {
            let digest = match backend {
                DbBackend::Sqlite => format!("sqlite_autoindex_{table}_1"),
                DbBackend::Postgres => format!("{table}_digest_key"),
                _ => "\"key\": \"digest\"".to_owned(),
            };
            let (user_id, expires_at) = (format!("{table}_user_id"), format!("{table}_expires_at"));
            for (sql, index) in [
                (
                    format!("UPDATE {table} SET last_seen_at = 9 WHERE digest = {} AND {unexpired}", bytes(&"00".repeat(32))),
                    &digest,
                ),
                (
                    format!("SELECT id FROM {table} WHERE {mine} AND {unexpired} ORDER BY created_at DESC, id DESC LIMIT 200"),
                    &user_id,
                ),
                (format!("SELECT COUNT(*) FROM {table} WHERE {mine} AND {unexpired}"), &user_id),
                (expired(table), &expires_at),
            ] {
                let plan = plan(&base, &sql).await;
                assert!(plan.contains(index.as_str()), "{sql}: {plan}");
                assert!(!plan.contains("SCAN ") && !plan.contains("\"ALL\""), "{sql}: {plan}");
            }
            let plan = plan(&base, &expired(table)).await;
            assert!(!plan.contains("Sort") && !plan.contains("filesort") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    })
    .await;
}

/// A hundred tokens of each kind for every account, half of which are over at 50.
async fn many_tokens(db: &DatabaseConnection) {
    let digest = match db.get_database_backend() {
        DbBackend::Postgres => "sha256((u.email_key || i)::bytea)",
        DbBackend::MySql => "UNHEX(SHA2(CONCAT(u.email_key, i), 256))",
        _ => "randomblob(32)",
    };
    let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)";
    for insert in [
        format!(
            "INSERT INTO account_tokens (user_id, backend, digest, epoch, created_at, expires_at) {numbers} \
             SELECT u.id, 'db', {digest}, 0, i, i FROM n, account u"
        ),
        format!(
            "INSERT INTO account_personal_tokens (user_id, digest, name, created_at, expires_at) {numbers} \
             SELECT u.id, {digest}, 'backup', i, i FROM n, account u"
        ),
    ] {
        db.execute_unprepared(&insert).await.unwrap();
    }
    let tables = "account_tokens, account_personal_tokens";
    let analyze = match db.get_database_backend() {
        DbBackend::Postgres => format!("ANALYZE {tables}"),
        DbBackend::MySql => format!("ANALYZE TABLE {tables}"),
        _ => "ANALYZE".to_owned(),
    };
    db.execute_unprepared(&analyze).await.unwrap();
}

/// Whoever is held up by a row that is over waits alone: tokens are stored and used meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_keeps_nobody_from_their_tokens() {
    everywhere(|backend, db, url, base| async move {
        if backend == DbBackend::Sqlite {
            // Whoever writes there locks the database, for as long as one batch takes.
            return;
        }
        let users = base.accounts().await;
        let id = created(&users, new_account("a@example.com", None)).await.id;
        let mut used = NewToken::new(id, "db", TokenDigest::of("used"), Epoch(0), at(1));
        used.expires_at = Some(at(101));
        users.insert_token(used).await.unwrap();
        many_tokens(&db).await;
        let other = connect_alone(&url).await;
        let holds = other.begin().await.unwrap();
        holds
            .execute_unprepared("SELECT id FROM account_tokens WHERE expires_at = 50 FOR UPDATE")
            .await
            .unwrap();
        let purge = {
            let users = users.clone();
            tokio::spawn(async move { users.purge(at(100), 500).await.unwrap() })
        };
        if backend == DbBackend::MySql {
            until_one_waits(&db).await;
        }
        let work = async {
            for (name, end) in [("endless", None), ("over", Some(at(1))), ("new", Some(at(500)))] {
                let mut token = NewToken::new(id, "db", TokenDigest::of(name), Epoch(0), at(1));
                token.expires_at = end;
                token.limit = Some(TokenLimit {
                    most: 1000,
                    policy: LimitPolicy::Refuse,
                });
                users.insert_token(token).await.unwrap();
            }
            let renewed = TokenUse::new(TokenDigest::of("used"), at(60)).renewed_until(at(500));
            assert!(users.note_use(renewed).await.unwrap());
        };
        tokio::time::timeout(Duration::from_secs(5), work).await.unwrap();
        holds.rollback().await.unwrap();
        other.close().await.unwrap();
        let skipped = u64::from(backend == DbBackend::Postgres);
        assert!(purge.await.unwrap().tokens >= 200 - skipped);
        users.purge(at(100), 500).await.unwrap();
        let left = users.list_tokens(&id, "db", at(0), 500).await.unwrap();
        assert_eq!(left.len(), 3, "{left:?}");
    })
    .await;
}

/// Waits until a statement in this database waits for a lock.
async fn until_one_waits(db: &DatabaseConnection) {
    let sql = "SELECT 1 FROM information_schema.innodb_trx t JOIN information_schema.processlist p \
               ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE() AND t.trx_state = 'LOCK WAIT'";
    let waiting = Statement::from_string(DbBackend::MySql, sql);
    let found = async {
        while db.query_one_raw(waiting.clone()).await.unwrap().is_none() {
            // The server looks anew only where nobody has asked for a tenth of a second.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found)
        .await
        .unwrap();
}

/// A pool of one connection, whose settings last.
async fn connect_alone(url: &str) -> DatabaseConnection {
    let mut options = axum_users_sea_orm::connect_options(url);
    options.max_connections(1);
    sea_orm::Database::connect(options).await.unwrap()
}

#[tokio::test]
async fn a_companion_is_written_with_the_user_or_neither() {
    everywhere(|_, db, _, base| async move {
        base.accounts().await;
        db.execute_unprepared("CREATE TABLE wallet (owner varchar(320) NOT NULL PRIMARY KEY)")
            .await
            .unwrap();
        let users = SeaOrmUsers::<account::Entity>::new(db.clone()).with_companion(|tx, user| {
            Box::pin(async move {
                let local = user.email.split('@').next().unwrap_or_default();
                tx.execute_unprepared(&format!("INSERT INTO wallet (owner) VALUES ('{local}')"))
                    .await?;
                Ok(())
            })
        });
        created(&users, new_account("a@example.com", None)).await;
        let refused = users
            .insert(new_account("a@example.org", None), &|_| Vec::new())
            .await
            .unwrap();
        assert!(matches!(refused, Inserted::OwnConflict(conflict) if conflict.rule == OwnRule::Unique));
        assert!(users.find_by_login("a@example.org").await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_companion_may_refuse_a_user_for_reasons_of_its_own() {
    everywhere(|_, db, _, base| async move {
        base.accounts().await;
        let users = SeaOrmUsers::<account::Entity>::new(db.clone()).with_companion(|_, user| {
            let refused: CompanionError = if user.email.starts_with('m') {
                Denied::new("NO_SEAT_LEFT", "The table is full").into()
            } else {
                OwnConflict::new(OwnRule::Invalid, Some("seat".to_owned())).into()
            };
            Box::pin(async { Err(refused) })
        });
        let insert = async |email: &str| {
            users
                .insert(new_account(email, None), &|_| Vec::new())
                .await
                .unwrap()
        };
        assert!(
            matches!(insert("m@example.com").await, Inserted::Denied(denied) if denied.code == "NO_SEAT_LEFT")
        );
        let conflict = insert("a@example.com").await;
        assert!(
            matches!(conflict, Inserted::OwnConflict(conflict) if conflict.column.as_deref() == Some("seat"))
        );
        for email in ["m@example.com", "a@example.com"] {
            assert!(users.find_by_login(email).await.unwrap().is_none(), "{email}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_login_is_an_address_or_a_value_of_the_column_that_is_named() {
    everywhere(|_, _, _, base| async move {
        let plain = base.accounts().await;
        let users = plain.clone().with_login(account::Column::Nick, |typed| {
            (!typed.contains(' ')).then(|| typed.to_lowercase())
        });
        users.check().await.unwrap();
        let ada = created(&users, new_account("ada@example.com", Some("ada"))).await;
        let bob = created(&users, new_account("b@c.d", Some("bob"))).await;
        // Calls themselves like somebody's address, and gets nothing by it.
        created(&users, new_account("eve@example.com", Some("b@c.d"))).await;
        for (login, id) in [("ADA", ada.id), ("Ada@Example.com", ada.id), ("b@c.d", bob.id)] {
            let found = users.find_by_login(login).await.unwrap().unwrap();
            assert_eq!(found.id, id, "{login}");
        }
        for login in ["a da", "adam", "", "nobody@example.com", "ad%", "' OR 1=1 --"] {
            assert!(users.find_by_login(login).await.unwrap().is_none(), "{login}");
        }
        assert!(plain.find_by_login("ada").await.unwrap().is_none());
        // Tries are counted under one name for all spellings of one login.
        for (login, name) in [
            ("ADA", "ada"),
            ("Ada", "ada"),
            ("Ada@Example.COM", "ada@example.com"),
            ("a da", ""),
        ] {
            assert_eq!(users.login_name(login), name);
        }
        assert_eq!(plain.login_name("ADA"), plain.login_name("bob"));

        let mut all = Change::new(at(2000));
        all.end_sessions = EndSessions::All;
        users.update(&ada.id, all).await.unwrap();
        let found = users.find_by_login("ada").await.unwrap().unwrap();
        assert_eq!(found.epoch, Epoch(1), "read with the user");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_migrate_once() {
    everywhere(|_, db, url, _| async move {
        let tasks = (0..4).map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let db = connect(&url).await.unwrap();
                let ran = migrate(&db).await.unwrap();
                db.close().await.unwrap();
                ran
            })
        });
        let ran = joined(tasks.collect()).await;
        assert_eq!(ran.iter().sum::<usize>(), 2, "{ran:?}");
        assert_eq!(migrate(&db).await.unwrap(), 0);
        let states = Migrator::state(&db).await.unwrap();
        assert!(states.iter().all(|status| status.state == State::Applied));
        let users = SeaOrmUsers::<users::Entity>::new(db.clone());
        users.check().await.unwrap();
        let new = NewUser::new(email("a@example.com"), None, users::ActiveModel::default(), at(1));
        created(&users, new).await;
    })
    .await;
}

/// What the program writes.
fn program(arguments: &[&str]) -> String {
    let ended = Command::new(env!("CARGO_BIN_EXE_axum-users-migrate"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

#[tokio::test]
async fn what_the_program_prints_runs_and_is_what_it_makes_itself() {
    everywhere(|backend, db, url, _| async move {
        let dialect = match backend {
            DbBackend::Sqlite => "sqlite",
            DbBackend::Postgres => "postgres",
            _ => "mysql",
        };
        let script = program(&["print", "--database", dialect]);
        db.execute_unprepared(&script).await.unwrap();
        let users = SeaOrmUsers::<users::Entity>::new(db.clone());
        users.check().await.unwrap();
        let new = NewUser::new(email("a@example.com"), None, users::ActiveModel::default(), at(1));
        let user = created(&users, new).await;
        // Whoever changes over to the program keeps what there is.
        assert_eq!(program(&["up", "--database-url", &url]), "2 migrations ran\n");
        let status = program(&["status", "--database-url", &url]);
        assert!(
            status.lines().all(|line| line.starts_with("applied ")),
            "{status}"
        );
        users.check().await.unwrap();
        assert!(users.find(&user.id).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_make_the_table_of_the_application_once() {
    everywhere(|_, db, url, _| async move {
        let tasks = (0..4).map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let db = connect(&url).await.unwrap();
                let ran = up_with::<account::Entity>(&db, |tx| Box::pin(OwnMigrator::up(tx, None)))
                    .await
                    .unwrap();
                db.close().await.unwrap();
                ran
            })
        });
        let ran = joined(tasks.collect()).await;
        assert_eq!(ran.iter().sum::<usize>(), 1, "{ran:?}");
        let users = SeaOrmUsers::<account::Entity>::new(db.clone());
        users.check().await.unwrap();
        created(&users, new_account("a@example.com", None)).await;
    })
    .await;
}

#[tokio::test]
async fn a_statement_of_the_application_that_fails_leaves_nothing_behind() {
    everywhere(|backend, db, _, _| async move {
        let failed = up_with::<account::Entity>(&db, |tx| {
            Box::pin(async move {
                account_table(tx).await;
                tx.execute_unprepared("INSERT INTO nowhere VALUES (1)").await?;
                Ok(())
            })
        });
        assert!(matches!(failed.await, Err(MigrateError::Database(_))));
        if backend != DbBackend::MySql {
            account_table(&db).await;
        }
        // The lock is free again.
        assert_eq!(up::<account::Entity>(&db).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_database_that_another_process_writes_to_is_busy() {
    let base = Base::new(DbBackend::Sqlite).await.unwrap();
    let waits_for_nobody = connect_alone(&base.url).await;
    waits_for_nobody
        .execute_unprepared("PRAGMA busy_timeout = 0")
        .await
        .unwrap();
    let writing = base.db.begin().await.unwrap();
    writing
        .execute_unprepared("CREATE TABLE other (id integer)")
        .await
        .unwrap();
    let late = migrate(&waits_for_nobody).await;
    assert!(matches!(late, Err(MigrateError::Busy)), "{late:?}");
    writing.rollback().await.unwrap();
    assert_eq!(migrate(&waits_for_nobody).await.unwrap(), 2);
    waits_for_nobody.close().await.unwrap();
    base.drop().await;
}

struct AccountTable;

impl MigrationName for AccountTable {
    fn name(&self) -> &'static str {
        "m20250101_000000_account"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait refuses a lifetime that the trait does not write"
)]
#[async_trait]
impl MigrationTrait for AccountTable {
    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        account_table(manager.get_connection()).await;
        Ok(())
    }
}

/// What an application has that leaves the rest to `up_with`.
struct OwnMigrator;

impl MigratorTrait for OwnMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(AccountTable)]
    }
}

struct AppMigrator;

impl MigratorTrait for AppMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut list: Vec<Box<dyn MigrationTrait>> = vec![Box::new(AccountTable)];
        list.extend(Migrations::<account::Entity>::new().list());
        list
    }
}

#[tokio::test]
async fn migrations_run_in_the_migrator_of_an_application_and_beside_it() {
    everywhere(|_, db, _, base| async move {
        AppMigrator::up(&db, None).await.unwrap();
        SeaOrmUsers::<account::Entity>::new(db.clone())
            .check()
            .await
            .unwrap();
        base.staff().await;
        assert_eq!(migrate(&db).await.unwrap(), 2);
        assert_eq!(AppMigrator::get_pending_migrations(&db).await.unwrap().len(), 0);
    })
    .await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one misfit after the other")]
async fn a_database_that_does_not_fit_is_refused_with_what_to_do() {
    everywhere(|backend, db, _, _| async move {
        let users = SeaOrmUsers::<account::Entity>::new(db.clone());
        let refused = async || match users.check().await {
            Err(SetupError::Invalid(text)) => text,
            other => panic!("{backend:?}: {other:?}"),
        };
        assert!(refused().await.starts_with("table `account` is missing"));
        account_table(&db).await;
        let text = refused().await;
        assert!(
            text.starts_with("table `account_tokens` is missing; run the migrations"),
            "{text}"
        );
        up::<account::Entity>(&db).await.unwrap();
        users.check().await.unwrap();

        for sql in [
            "ALTER TABLE account_outbox DROP COLUMN outcome",
            "ALTER TABLE account_tokens DROP COLUMN name",
        ] {
            db.execute_unprepared(sql).await.unwrap();
        }
        let text = refused().await;
        assert!(
            text.starts_with("table `account_tokens` has no column `name`;"),
            "{text}"
        );
        db.execute_unprepared("ALTER TABLE account_tokens ADD COLUMN name varchar(255)")
            .await
            .unwrap();
        db.execute_unprepared("ALTER TABLE account_outbox ADD COLUMN outcome varchar(16)")
            .await
            .unwrap();
        users.check().await.unwrap();

        db.execute_unprepared("DROP TABLE account_personal_tokens")
            .await
            .unwrap();
        let text = refused().await;
        assert!(
            text.starts_with("table `account_personal_tokens` is missing; run the migrations"),
            "{text}"
        );

        for table in [
            "account_tokens",
            "account_epochs",
            "account_email_changes",
            "account",
        ] {
            db.execute_unprepared(&format!("DROP TABLE {table}"))
                .await
                .unwrap();
        }
        let (uuid, folded) = match backend {
            DbBackend::Postgres => ("uuid", "varchar(320) COLLATE \"en-x-icu\""),
            DbBackend::MySql => ("binary(16)", "varchar(320) COLLATE utf8mb4_unicode_ci"),
            _ => ("blob", "varchar(320) COLLATE NOCASE"),
        };
        let make = |id: &str, key: &str| {
            format!(
                "CREATE TABLE account (id {id} PRIMARY KEY, email varchar(320), email_key {key}, \
                 hashed_password text, is_active boolean, is_verified boolean, is_superuser boolean, \
                 nick varchar(8), {} integer)",
                if backend == DbBackend::MySql {
                    "`order`"
                } else {
                    "\"order\""
                }
            )
        };
        let again = async |sql: &str| {
            let _ = db.execute_unprepared("DROP TABLE account_tokens").await;
            let _ = db.execute_unprepared("DROP TABLE account_personal_tokens").await;
            let _ = db.execute_unprepared("DROP TABLE account_epochs").await;
            let _ = db.execute_unprepared("DROP TABLE account_email_changes").await;
            let _ = db.execute_unprepared("DROP TABLE account").await;
            db.execute_unprepared(sql).await.unwrap();
            for statement in axum_users_migrations::tables::<account::Entity>(backend) {
                db.execute_unprepared(&statement).await.unwrap();
            }
        };
        again(&make(uuid, "varchar(320)")).await;
        let text = refused().await;
        assert!(
            text.contains("has no unique index on `email_key` alone"),
            "{text}"
        );
        again(&make(uuid, &format!("{folded} UNIQUE"))).await;
        let text = refused().await;
        assert!(
            text.starts_with("column `email_key` of table `account` compares by "),
            "{text}"
        );
        let binary = match backend {
            DbBackend::Postgres => "COLLATE \"C\"",
            DbBackend::MySql => "COLLATE utf8mb4_bin",
            _ => "COLLATE BINARY",
        };
        again(&make(uuid, &format!("varchar(320) {binary} UNIQUE"))).await;
        users.check().await.unwrap();
        let by_nick = users
            .clone()
            .with_login(account::Column::Nick, |typed| Some(typed.to_owned()));
        let Err(SetupError::Invalid(text)) = by_nick.check().await else {
            panic!("{backend:?}: two users may have one login")
        };
        assert!(text.contains("has no unique index on `nick` alone"), "{text}");
        if backend == DbBackend::Sqlite {
            again(&make("varchar(36)", "varchar(320) UNIQUE")).await;
            let row =
                "INSERT INTO account (id, is_active) VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 1)";
            db.execute_unprepared(row).await.unwrap();
            let text = refused().await;
            assert!(text.contains("holds UUIDs as text"), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_kept_as_text_is_refused_before_the_tables_beside_it_are_made() {
    everywhere(|backend, db, _, _| async move {
        if backend == DbBackend::Sqlite {
            return;
        }
        let order = if backend == DbBackend::MySql {
            "`order`"
        } else {
            "\"order\""
        };
        db.execute_unprepared(&format!(
            "CREATE TABLE account (id CHAR(36) PRIMARY KEY, email varchar(320), email_key varchar(320) UNIQUE, \
             hashed_password text, is_active boolean, is_verified boolean, is_superuser boolean, \
             nick varchar(8), {order} integer)"
        ))
        .await
        .unwrap();
        let what = "column `id` of table `account` holds UUIDs as char";
        let refused = SeaOrmUsers::<account::Entity>::new(db.clone()).check().await;
        assert!(
            matches!(&refused, Err(SetupError::Invalid(text)) if text.starts_with(what)),
            "{refused:?}"
        );
        for refused in [
            up::<account::Entity>(&db).await.unwrap_err(),
            up_with::<account::Entity>(&db, |_| Box::pin(async { Ok(()) }))
                .await
                .unwrap_err(),
        ] {
            let MigrateError::Database(refused) = refused else {
                panic!("{refused:?}")
            };
            assert!(refused.to_string().contains(what), "{refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_database_that_went_away_is_unavailable_and_not_empty() {
    everywhere(|_, _, _, base| async move {
        let users = base.accounts().await;
        let gone = connect(&base.url).await.unwrap();
        let closed = SeaOrmUsers::<account::Entity>::new(gone.clone());
        gone.close().await.unwrap();
        let err = closed.find(&Uuid::nil()).await.unwrap_err();
        assert!(matches!(err, StoreError::Unavailable(_)), "{err:?}");
        let err = closed
            .insert(new_account("a@example.com", None), &|_| Vec::new())
            .await
            .unwrap_err();
        assert!(matches!(err, StoreError::Unavailable(_)), "{err:?}");
        assert!(users.find(&Uuid::nil()).await.unwrap().is_none());
    })
    .await;
}
