//! What a customer has ordered.

use sea_orm::{ActiveValue::Set, DatabaseConnection, TransactionTrait, entity::prelude::*};

use super::wallet;

/// Orders go with their customer.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub customer_id: Uuid,
    pub item: String,
    pub cents: i64,
    #[sea_orm(belongs_to, from = "customer_id", to = "id", on_delete = "Cascade")]
    pub customer: BelongsTo<super::customer::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Pays out of the wallet and keeps the order, or does neither; `None` where the wallet is too empty.
pub(crate) async fn place(
    db: &DatabaseConnection,
    customer_id: Uuid,
    item: String,
    cents: i64,
) -> Result<Option<Model>, DbErr> {
    let tx = db.begin().await?;
    if !wallet::spend(&tx, customer_id, cents).await? {
        return Ok(None); // the transaction is rolled back as it is dropped
    }
    let order = ActiveModel {
        customer_id: Set(customer_id),
        item: Set(item),
        cents: Set(cents),
        ..Default::default()
    };
    let order = order.insert(&tx).await?;
    tx.commit().await?;
    Ok(Some(order))
}
