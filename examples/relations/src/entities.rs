//! The tables: customers, who are the users, and what belongs to them.

pub(crate) mod currency;
pub(crate) mod customer;
pub(crate) mod order;
pub(crate) mod wallet;

use axum_users::migrations::{up_with, user_columns};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, Schema,
    sea_query::{ColumnDef, Table},
};

use crate::app::Failed;

/// Makes the tables that are not there: the application's own, and those of the library beside the customers.
pub(crate) async fn migrate(db: &DatabaseConnection) -> Result<(), Failed> {
    up_with::<customer::Entity>(db, |tx| {
        Box::pin(async move {
            let backend = tx.get_database_backend();
            let mut customers = Table::create();
            customers.table(customer::Entity).if_not_exists().col(
                ColumnDef::new(customer::Column::Id)
                    .uuid()
                    .not_null()
                    .primary_key(),
            );
            for column in user_columns(backend) {
                customers.col(column);
            }
            customers.col(
                ColumnDef::new(customer::Column::Currency)
                    .string_len(3)
                    .not_null(),
            );

            let schema = Schema::new(backend);
            let others = [
                schema.create_table_from_entity(currency::Entity),
                schema.create_table_from_entity(wallet::Entity),
                schema.create_table_from_entity(order::Entity),
            ];
            tx.execute(&customers).await?;
            for mut table in others {
                tx.execute(table.if_not_exists()).await?;
            }
            tx.execute_unprepared(
                "INSERT INTO currency (code) VALUES ('EUR'), ('GBP') ON CONFLICT DO NOTHING",
            )
            .await?;
            Ok(())
        })
    })
    .await?;
    Ok(())
}
