//! Who works here. Nobody registers: a colleague makes the account.

use std::{error::Error, time::Duration};

use axum_users::{
    AdminUpdate, AxumUsers, Backend, BearerTransport, CookieTransport, CurrentUser, DatabaseStrategy,
    JwtStrategy, SeaOrmUsers, Secret, Secrets, UserApi, UserCreate, UserManager, UserRead, UserUpdate,
    migrations::{up_with, user_columns},
    sea_orm::{
        self, ConnectionTrait, DatabaseConnection, DeriveIntoActiveModel,
        sea_query::{ColumnDef, Table},
    },
    user_entity,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

/// The table of staff.
pub mod entity {
    #![expect(missing_docs, reason = "columns that say what they are")]

    use axum_users::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "staff")]
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
        pub desk: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
user_entity!(entity);

/// The family of staff.
#[derive(Debug)]
pub struct Staff;

impl UserApi for Staff {
    type Store = SeaOrmUsers<entity::Entity>;
    type Hooks = ();
    type Read = UserRead<i64, Desk>;
    type Create = UserCreate<Desk>;
    type Update = UserUpdate;
    type AdminRead = UserRead<i64, Desk>;
    type AdminUpdate = AdminUpdate;
}

/// A member of staff who is signed in.
pub type Clerk = CurrentUser<Staff>;

/// Where somebody sits.
#[derive(Debug, Serialize, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "entity::ActiveModel")]
pub struct Desk {
    /// The name of the desk.
    pub desk: String,
}

impl From<entity::Model> for Desk {
    fn from(staff: entity::Model) -> Self {
        Self { desk: staff.desk }
    }
}

/// Staff in a database, under keys of its own.
pub async fn staff(db: &DatabaseConnection, root: &Secret) -> Result<AxumUsers<Staff>, Box<dyn Error>> {
    up_with::<entity::Entity>(db, |tx| {
        Box::pin(async move {
            let mut table = Table::create();
            table.table(entity::Entity).if_not_exists();
            table.col(
                ColumnDef::new(entity::Column::Id)
                    .big_integer()
                    .not_null()
                    .auto_increment()
                    .primary_key(),
            );
            for mut column in user_columns(tx.get_database_backend()) {
                table.col(&mut column);
            }
            table.col(ColumnDef::new(entity::Column::Desk).string_len(80).not_null());
            tx.execute(&table).await?;
            Ok(())
        })
    })
    .await?;

    let store = SeaOrmUsers::new(db.clone());
    let secrets = Secrets::from_root(root, "staff")?;
    let jwt = JwtStrategy::new(secrets.access(), Duration::from_mins(15), store.clone());
    let opaque = DatabaseStrategy::new(store.clone(), Duration::from_hours(8));
    let backends = [
        Backend::new("jwt", BearerTransport::new(), jwt),
        Backend::new("cookie", CookieTransport::new("staff"), opaque),
    ];
    Ok(AxumUsers::new(UserManager::new(store, (), &secrets)?, backends)?.named("staff"))
}
