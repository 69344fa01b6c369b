//! The table that was there before.

use axum_users::{
    EmailError, normalize_email,
    sea_orm::{self, ActiveValue::Set, DatabaseConnection, TransactionTrait, entity::prelude::*},
    user_entity,
};

/// A member: fields have the library's names, columns those of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "members")]
pub struct Model {
    /// The number on the card.
    #[sea_orm(primary_key, column_name = "member_no")]
    pub id: i64,
    /// The address, in normal form.
    #[sea_orm(unique, column_name = "mail")]
    pub email: String,
    /// The hash of the password; empty for a member who never chose one.
    #[sea_orm(column_name = "password_hash")]
    pub hashed_password: String,
    /// Whether the membership is paid.
    #[sea_orm(column_name = "enabled")]
    pub is_active: bool,
    /// Whether the address is confirmed.
    #[sea_orm(column_name = "mail_confirmed")]
    pub is_verified: bool,
    /// Whether the member sits at the desk.
    #[sea_orm(column_name = "desk")]
    pub is_superuser: bool,
    /// The name on the card.
    pub name: String,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

user_entity!(self, email_is_key);

/// Why the addresses of a table cannot be brought into normal form.
#[derive(Debug)]
pub enum AdoptError {
    /// The address of this member is none: mend it by hand.
    NoAddress(i64, EmailError),
    /// The database refuses; two members with one address, perhaps.
    Database(DbErr),
}

impl std::fmt::Display for AdoptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAddress(member, error) => write!(f, "the address of member {member}: {error}"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AdoptError {}

impl From<DbErr> for AdoptError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Brings addresses that were stored as they were typed into the form by which members are found. Run it once.
pub async fn adopt(db: &DatabaseConnection) -> Result<(), AdoptError> {
    let tx = db.begin().await?;
    for member in Entity::find().all(&tx).await? {
        let key = normalize_email(&member.email).map_err(|error| AdoptError::NoAddress(member.id, error))?;
        if key.as_str() != member.email {
            let mut changed: ActiveModel = member.into();
            changed.email = Set(key.as_str().to_owned());
            changed.update(&tx).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
