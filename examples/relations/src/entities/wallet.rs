//! The one wallet of a customer.

use axum_users::CompanionError;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, entity::prelude::*, sea_query::ExprTrait as _};

use super::customer;

/// What a new customer finds in the wallet.
const WELCOME: i64 = 10_00;

/// A wallet goes with its customer.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallet")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: Uuid,
    pub currency: String,
    pub cents: i64,
    #[sea_orm(belongs_to, from = "customer_id", to = "id", on_delete = "Cascade")]
    pub customer: BelongsTo<customer::Entity>,
    #[sea_orm(belongs_to, from = "currency", to = "code")]
    pub kind: BelongsTo<super::currency::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Opens the wallet of a new customer. The database refuses a currency that it does not know.
pub(crate) async fn open(tx: &DatabaseTransaction, customer: &customer::Model) -> Result<(), CompanionError> {
    let wallet = ActiveModel {
        customer_id: Set(customer.id),
        currency: Set(customer.currency.clone()),
        cents: Set(WELCOME),
    };
    wallet.insert(tx).await?;
    Ok(())
}

/// Takes money out of a wallet; false where there is not so much in it.
pub(crate) async fn spend(tx: &DatabaseTransaction, customer_id: Uuid, cents: i64) -> Result<bool, DbErr> {
    let left = Expr::col(Column::Cents).sub(cents);
    let spent = Entity::update_many()
        .col_expr(Column::Cents, left)
        .filter(Column::CustomerId.eq(customer_id))
        .filter(Column::Cents.gte(cents))
        .exec(tx)
        .await?;
    Ok(spent.rows_affected == 1)
}
