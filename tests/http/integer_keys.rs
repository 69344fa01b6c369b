//! Users whose keys the database counts.

use axum_users::{
    NoExtra, SeaOrmUsers, migrations,
    sea_orm::{
        ConnectionTrait, DatabaseConnection,
        sea_query::{ColumnDef, Table},
    },
    user_entity,
};
use serde_json::{Value, json};

use crate::harness::{App, BACKENDS, Database, OTHER_PASSWORD, PASSWORD, Token, UserTable};

mod entity {
    use axum_users::sea_orm;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "knight")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub email: String,
        #[sea_orm(unique)]
        pub email_key: String,
        pub hashed_password: Option<String>,
        pub is_active: bool,
        pub is_verified: bool,
        pub is_superuser: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
user_entity!(entity);

struct Knights;

impl UserTable for Knights {
    type Store = SeaOrmUsers<entity::Entity>;
    type Shown = NoExtra;
    type New = NoExtra;
    type Patch = NoExtra;

    async fn make(db: &DatabaseConnection) {
        let mut table = Table::create();
        let mut id = ColumnDef::new(entity::Column::Id);
        id.big_integer().not_null().auto_increment().primary_key();
        table.table(entity::Entity).col(&mut id);
        for column in migrations::user_columns(db.get_database_backend()) {
            table.col(column);
        }
        db.execute(&table)
            .await
            .expect("the table of knights can be made");
        migrations::up::<entity::Entity>(db)
            .await
            .expect("the tables beside it can be made");
    }

    fn store(db: DatabaseConnection) -> Self::Store {
        SeaOrmUsers::new(db)
    }
}

/// Makes a test of each function on every SQL database.
macro_rules! with_counted_keys {
    ($($test:ident),* $(,)?) => {
        with_counted_keys!(@on sqlite Sqlite: $($test)*);
        with_counted_keys!(@on postgres Postgres: $($test)*);
        with_counted_keys!(@on mariadb MariaDb: $($test)*);
    };
    (@on $place:ident $database:ident: $($test:ident)*) => {
        mod $place {
            $(#[test]
            fn $test() {
                crate::harness::run::<crate::harness::$database<super::Knights>>(super::$test);
            })*
        }
    };
}
with_counted_keys! {
    keys_are_numbers_in_bodies_paths_and_tokens,
    texts_that_are_no_key_are_not_found,
    lists_go_on_after_the_last_key,
    mailed_tokens_name_the_user_by_number,
    deleted_users_leave_their_key_to_nobody,
}

const EMAIL: &str = "arthur@camelot.bt";
const KAY: &str = "kay@camelot.bt";

/// The claims of a JWT, from its second part.
fn claims(token: &Token) -> Value {
    let text = token.text().split('.').nth(1).expect("a JWT");
    let bits = text
        .bytes()
        .fold((0_u32, 0, Vec::new()), |(bits, count, mut bytes), letter| {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let value = alphabet
                .iter()
                .position(|known| *known == letter)
                .expect("base64url");
            let (bits, count) = (bits << 6 | u32::try_from(value).expect("6 bits"), count + 6);
            if count < 8 {
                return (bits, count, bytes);
            }
            bytes.push(u8::try_from(bits >> (count - 8) & 0xFF).expect("8 bits"));
            (bits & ((1 << (count - 8)) - 1), count - 8, bytes)
        });
    serde_json::from_slice(&bits.2).expect("claims are JSON")
}

impl<D: Database> App<D> {
    async fn knight(&self, email: &str) -> i64 {
        self.register(email).await["id"]
            .as_i64()
            .expect("the key is a number")
    }
}

async fn keys_are_numbers_in_bodies_paths_and_tokens<D: Database>(app: &App<D>) {
    let (first, second) = (app.knight(EMAIL).await, app.knight(KAY).await);
    assert!(first < second);
    app.superuser("merlin@camelot.bt").await;
    let admin = app.login("token", "merlin@camelot.bt").await;
    for backend in BACKENDS {
        let session = app.login(backend, KAY).await;
        if backend.ends_with("jwt") {
            assert_eq!(claims(&session)["sub"], json!(second.to_string()), "{backend}");
        }
        let me = app.get("/users/me").by(&session).await.is(200).json();
        assert_eq!(me["id"], second);
        let by_id = format!("/users/{second}");
        assert_eq!(app.get(&by_id).by(&admin).await.is(200).json(), me);
        app.get(&by_id).by(&session).await.refused(403, "FORBIDDEN");
    }
    let body = json!({"is_verified": true});
    let path = format!("/users/{first}");
    let changed = app.patch(&path).by(&admin).json(body).await.is(200).json();
    assert_eq!(
        (&changed["id"], &changed["email"]),
        (&json!(first), &json!(EMAIL))
    );
    let id = &serde_json::to_value(&app.api).expect("JSON")["paths"]["/users/{id}"]["get"]["parameters"][0];
    assert_eq!(id["schema"]["type"], "integer");
}

async fn texts_that_are_no_key_are_not_found<D: Database>(app: &App<D>) {
    let id = app.knight(EMAIL).await;
    app.superuser("merlin@camelot.bt").await;
    let admin = app.login("token", "merlin@camelot.bt").await;
    let near = [
        format!("0{id}"),
        format!("+{id}"),
        format!("{id}.0"),
        format!("%20{id}"),
        format!("{id}%20"),
    ];
    let far = [
        "x",
        "-1",
        "0",
        "01",
        "1e0",
        "0x1",
        "9223372036854775807",
        "9223372036854775808",
        "-0",
    ];
    let far = far.map(str::to_owned);
    let huge = "9".repeat(400);
    let uuid = "00000000-0000-4000-8000-000000000001".to_owned();
    for text in near.into_iter().chain(far).chain([huge, uuid]) {
        let path = format!("/users/{text}");
        app.get(&path).by(&admin).await.refused(404, "NOT_FOUND");
        app.patch(&path)
            .by(&admin)
            .json(json!({}))
            .await
            .refused(404, "NOT_FOUND");
        app.delete(&path).by(&admin).await.refused(404, "NOT_FOUND");
    }
    app.get(&format!("/users/{id}")).by(&admin).await.is(200);
}

async fn lists_go_on_after_the_last_key<D: Database>(app: &App<D>) {
    let mut keys = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        keys.push(app.knight(&format!("{name}@camelot.bt")).await);
    }
    keys.push(
        app.superuser("merlin@camelot.bt")
            .await
            .parse()
            .expect("a number"),
    );
    let admin = app.login("token", "merlin@camelot.bt").await;
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = app
            .get(&format!("/users?limit=2{after}"))
            .by(&admin)
            .await
            .is(200)
            .json();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        found.extend(items.iter().filter_map(|user| user["id"].as_i64()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        after = format!("&after={next}");
    }
    assert_eq!(found, keys);
}

async fn mailed_tokens_name_the_user_by_number<D: Database>(app: &App<D>) {
    let id = app.knight(EMAIL).await;
    app.knight(KAY).await;
    let token = app.verify_token(EMAIL).await;
    let verified = app.verify(&token).await.is(200).json();
    assert_eq!(
        (&verified["id"], &verified["is_verified"]),
        (&json!(id), &json!(true))
    );
    let token = app.reset_token(EMAIL).await;
    app.reset(&token, OTHER_PASSWORD).await.is(200);
    app.try_login("jwt", EMAIL, OTHER_PASSWORD).await.is(200);
    app.try_login("jwt", KAY, PASSWORD).await.is(200);
}

async fn deleted_users_leave_their_key_to_nobody<D: Database>(app: &App<D>) {
    app.superuser("merlin@camelot.bt").await;
    let admin = app.login("token", "merlin@camelot.bt").await;
    let id = app.knight(EMAIL).await;
    let sessions = app.login_everywhere(EMAIL).await;
    let path = format!("/users/{id}");
    app.delete(&path).by(&admin).await.is(204);
    app.get(&path).by(&admin).await.refused(404, "NOT_FOUND");
    assert!(app.knight(EMAIL).await > id);
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 401, "{backend}");
    }
}
