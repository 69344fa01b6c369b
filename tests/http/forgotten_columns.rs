//! A column of the application's own that its wiring forgets to give a value.

use axum_users::{
    EmailAddress, NoExtra, Password, Registration, SeaOrmUsers, migrations, register_router,
    sea_orm::{
        ConnectionTrait, DatabaseConnection,
        sea_query::{ColumnDef, Table},
    },
    user_entity,
};
use axum_users_testing::Call;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use crate::harness::{App, Database, PASSWORD, UserTable};

mod entity {
    use axum_users::sea_orm;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "customer")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub email: String,
        #[sea_orm(unique)]
        pub email_key: String,
        pub hashed_password: Option<String>,
        pub is_active: bool,
        pub is_verified: bool,
        pub is_superuser: bool,
        pub plan: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
user_entity!(entity);

/// A table with a column that has to have a value, and a registration that gives none.
struct Customers;

impl UserTable for Customers {
    type Store = SeaOrmUsers<entity::Entity>;
    type Shown = NoExtra;
    type New = NoExtra;
    type Patch = NoExtra;

    async fn make(db: &DatabaseConnection) {
        let mut table = Table::create();
        table
            .table(entity::Entity)
            .col(ColumnDef::new(entity::Column::Id).uuid().not_null().primary_key());
        for mut column in migrations::user_columns(db.get_database_backend()) {
            table.col(&mut column);
        }
        table.col(ColumnDef::new(entity::Column::Plan).string_len(16).not_null());
        db.execute(&table)
            .await
            .expect("the table of customers can be made");
        migrations::up::<entity::Entity>(db)
            .await
            .expect("the tables beside it can be made");
    }

    fn store(db: DatabaseConnection) -> Self::Store {
        SeaOrmUsers::new(db)
    }
}

macro_rules! with_a_forgotten_column {
    ($($place:ident $database:ident),* $(,)?) => {
        $(mod $place {
            #[test]
            fn a_forgotten_column_is_a_fault_of_the_application_and_no_bad_value() {
                crate::harness::run::<crate::harness::$database<super::Customers>>(
                    super::is_a_fault_and_no_bad_value,
                );
            }
        })*
    };
}
with_a_forgotten_column!(sqlite Sqlite, postgres Postgres, mariadb MariaDb);

async fn is_a_fault_and_no_bad_value<D: Database>(app: &App<D>) {
    // Past the look at every answer, to which a 500 is a failed test.
    let (router, _) = OpenApiRouter::<()>::new()
        .merge(register_router(&app.users))
        .split_for_parts();
    Call::new(&router, "POST", "/register")
        .json(json!({"email": "arthur@camelot.bt", "password": PASSWORD}))
        .await
        .refused(500, "INTERNAL_SERVER_ERROR")
        .hides("plan");

    let registration = Registration::new(
        EmailAddress::parse("kay@camelot.bt").expect("an address"),
        Password::parse(PASSWORD).expect("a password"),
    );
    let manager = app.users.manager();
    let refused = manager
        .create_superuser(registration, Default::default(), &manager.context())
        .await;
    let logged = format!("{:?}", refused.err().expect("there is no plan"));
    assert!(logged.contains("no value for the column `plan`"), "{logged}");
    assert!(!logged.contains("camelot"), "{logged}");
}
