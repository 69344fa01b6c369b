//! A ready-made entity, for an application whose users have no columns of their own: table `users`, keys are UUIDs.

use sea_orm::entity::prelude::*;

/// A user.
///
/// ```
/// use axum_users_sea_orm::users;
/// use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
///
/// async fn unconfirmed(db: &DatabaseConnection) -> Result<u64, DbErr> {
///     users::Entity::find().filter(users::Column::IsVerified.eq(false)).count(db).await
/// }
/// ```
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The address as it was typed.
    #[sea_orm(column_type = "String(StringLen::N(320))")]
    pub email: String,
    /// The normal form of the address.
    #[sea_orm(column_type = "String(StringLen::N(320))", unique)]
    pub email_key: String,
    /// The hash of the password; `None` for a user who has none.
    #[sea_orm(column_type = "String(StringLen::N(1024))", nullable)]
    pub hashed_password: Option<String>,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the address is confirmed.
    pub is_verified: bool,
    /// Whether the user may manage other users.
    pub is_superuser: bool,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// No relations; entities of the application may refer to this one.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

crate::user_entity!(self);
