//! Who buys here. Everybody may register.

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

/// The table of customers.
pub mod entity {
    #![expect(missing_docs, reason = "columns that say what they are")]
    #![expect(clippy::struct_excessive_bools, reason = "independent facts, a column each")]

    use axum_users::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "customers")]
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
        pub newsletter: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
user_entity!(entity);

/// The family of customers.
#[derive(Debug)]
pub struct Customers;

impl UserApi for Customers {
    type Store = SeaOrmUsers<entity::Entity>;
    type Hooks = ();
    type Read = UserRead<i64, Wishes>;
    type Create = UserCreate<Wishes>;
    type Update = UserUpdate;
    type AdminRead = UserRead<i64, Wishes>;
    type AdminUpdate = AdminUpdate;
}

/// A customer who is signed in.
pub type Customer = CurrentUser<Customers>;

/// What a customer likes to get.
#[derive(Debug, Serialize, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "entity::ActiveModel")]
pub struct Wishes {
    /// Whether news may be sent.
    #[serde(default)]
    pub newsletter: bool,
}

impl From<entity::Model> for Wishes {
    fn from(customer: entity::Model) -> Self {
        Self {
            newsletter: customer.newsletter,
        }
    }
}

/// Customers in a database, under keys of their own.
pub async fn customers(
    db: &DatabaseConnection,
    root: &Secret,
) -> Result<AxumUsers<Customers>, Box<dyn Error>> {
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
            table.col(
                ColumnDef::new(entity::Column::Newsletter)
                    .boolean()
                    .not_null()
                    .default(false),
            );
            tx.execute(&table).await?;
            Ok(())
        })
    })
    .await?;

    let store = SeaOrmUsers::new(db.clone());
    let secrets = Secrets::from_root(root, "customers")?;
    let jwt = JwtStrategy::new(secrets.access(), Duration::from_hours(1), store.clone());
    let opaque = DatabaseStrategy::new(store.clone(), Duration::from_hours(24 * 30));
    let backends = [
        Backend::new("jwt", BearerTransport::new(), jwt),
        Backend::new("cookie", CookieTransport::new("customer"), opaque),
    ];
    Ok(AxumUsers::new(UserManager::new(store, (), &secrets)?, backends)?.named("customer"))
}
