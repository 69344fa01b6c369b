//! What an entity must say about itself.

use axum_users_core::{User, UserChanges};
use sea_orm::{ActiveModelBehavior, EntityTrait, IntoActiveModel, Value};

/// A `SeaORM` entity whose rows are users; [`user_entity!`](crate::user_entity) implements it.
///
/// ```
/// use axum_users_sea_orm::{SeaOrmUsers, UserEntity};
/// use sea_orm::DatabaseConnection;
///
/// // Every entity that `user_entity!` is called for.
/// fn users<E: UserEntity>(db: DatabaseConnection) -> SeaOrmUsers<E> {
///     SeaOrmUsers::new(db)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity of users",
    label = "this entity does not implement `UserEntity`",
    note = "write `user_entity!(your_entity_module);` in the crate of the entity, or use `axum_users_sea_orm::users::Entity`"
)]
pub trait UserEntity:
    EntityTrait<
        Model: User<Id: Into<Value>> + IntoActiveModel<Self::ActiveModel>,
        ActiveModel: ActiveModelBehavior + Default + Send + Sync + 'static,
        Column: Send + Sync,
    >
{
    /// The key.
    const ID: Self::Column;
    /// The address that mail is sent to.
    const EMAIL: Self::Column;
    /// The normal form of the address, under a unique index in byte order; [`EMAIL`](Self::EMAIL) itself where that holds
    /// normal forms only.
    const EMAIL_KEY: Self::Column;
    /// The columns that the library writes: values for them that come from the application's own types are ignored.
    const OWNED: &'static [Self::Column];

    /// Sets the columns of `changes`.
    fn write(row: &mut Self::ActiveModel, changes: &UserChanges);

    /// Sets the hash of the password; `None` for a user without one.
    fn write_hash(row: &mut Self::ActiveModel, hash: Option<&str>);
}

/// What names a field that an entity lacks, in our words and before the compiler does in its own.
#[doc(hidden)]
pub mod fields {
    /// What stands for the column of a field that is not there.
    #[derive(Debug)]
    pub struct Missing;

    macro_rules! fields {
        ($($column:ident $message:literal),+ $(,)?) => {
            /// Stand-ins, behind the columns that are there.
            #[expect(non_upper_case_globals, reason = "they stand in for variants")]
            pub mod missing {
                $(pub const $column: super::Missing = super::Missing;)+
            }

            /// Implemented by the columns of entities.
            pub mod needed {
                $(
                    #[diagnostic::on_unimplemented(
                        message = $message,
                        label = "the `Model` of this entity lacks it",
                        note = "where the table calls the column otherwise, name it: `#[sea_orm(column_name = \"…\")]`"
                    )]
                    pub trait $column {}
                )+
            }

            /// Take the columns of entities only.
            #[expect(non_snake_case, reason = "they are called like the variants they take")]
            pub mod has {
                $(pub const fn $column<C: super::needed::$column>(_: &C) {})+
            }
        };
    }

    fields! {
        Id "users need the field `id`",
        Email "users need the field `email: String`",
        EmailKey "users need the field `email_key: String`, or `user_entity!(…, email_is_key)`",
        HashedPassword "users need the field `hashed_password: Option<String>`",
        IsActive "users need the field `is_active: bool`",
        IsVerified "users need the field `is_verified: bool`",
        IsSuperuser "users need the field `is_superuser: bool`",
    }
}

/// A type that a column for the hash of a password may have: `String` or `Option<String>`.
///
/// A `String` column keeps the empty text for a user without a password.
///
/// ```
/// use axum_users_sea_orm::HashColumn;
///
/// assert_eq!(HashColumn::hash(&String::new()), None, "the empty text is no password");
/// assert_eq!(<Option<String>>::keep(Some("$argon2id$…")).as_deref(), Some("$argon2id$…"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold the hash of a password",
    note = "declare `hashed_password` as `Option<String>`, or as `String`"
)]
pub trait HashColumn {
    /// The hash; `None` for a user without a password.
    fn hash(&self) -> Option<&str>;

    /// The value that keeps `hash`.
    fn keep(hash: Option<&str>) -> Self;
}

impl HashColumn for String {
    fn hash(&self) -> Option<&str> {
        (!self.is_empty()).then_some(self)
    }

    fn keep(hash: Option<&str>) -> Self {
        hash.unwrap_or_default().to_owned()
    }
}

impl HashColumn for Option<String> {
    fn hash(&self) -> Option<&str> {
        self.as_deref().filter(|hash| !hash.is_empty())
    }

    fn keep(hash: Option<&str>) -> Self {
        hash.map(str::to_owned)
    }
}

/// Makes the rows of an entity of yours users of this library.
///
/// Takes the module of the entity. Its `Model` needs the fields `id`, `email`, `email_key`, `hashed_password`, `is_active`,
/// `is_verified` and `is_superuser`, and may have any others; a missing one is a compile error. Columns of a table that
/// exists may have other names: `#[sea_orm(column_name = "password_hash")]`.
///
/// `email_key` holds the normal form of the address, by which users are found. An entity without it can say
/// `user_entity!(account, email_is_key);` its `email` then holds normal forms only, and mail goes to those.
///
/// ```
/// mod account {
///     use sea_orm::entity::prelude::*;
///
///     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
///     #[sea_orm(table_name = "account")]
///     pub struct Model {
///         #[sea_orm(primary_key, auto_increment = false)]
///         pub id: Uuid,
///         pub email: String,
///         #[sea_orm(unique)]
///         pub email_key: String,
///         pub hashed_password: Option<String>,
///         pub is_active: bool,
///         pub is_verified: bool,
///         pub is_superuser: bool,
///         pub first_name: String,
///     }
///
///     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
///     pub enum Relation {}
///     impl ActiveModelBehavior for ActiveModel {}
/// }
/// axum_users_sea_orm::user_entity!(account);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! user_entity {
    ($($entity:ident)::+) => {
        $crate::user_entity!(@entity ($($entity)::+) EmailKey (
            Id, Email, EmailKey, HashedPassword, IsActive, IsVerified, IsSuperuser
        ) |row, email| {
            row.email = $crate::__private::sea_orm::ActiveValue::Set(email.as_str().to_owned());
            row.email_key = $crate::__private::sea_orm::ActiveValue::Set(email.key().as_str().to_owned());
        });
    };
    ($($entity:ident)::+, email_is_key) => {
        $crate::user_entity!(@entity ($($entity)::+) Email (
            Id, Email, HashedPassword, IsActive, IsVerified, IsSuperuser
        ) |row, email| {
            row.email = $crate::__private::sea_orm::ActiveValue::Set(email.key().as_str().to_owned());
        });
    };
    (@entity ($($entity:ident)::+) $key:ident ($($owned:ident),+) |$row:ident, $email:ident| $write_email:block) => {
        const _: () = {
            use $($entity)::+::Column;
            $(impl $crate::__private::fields::needed::$owned for Column {})+

            #[expect(unused_imports, reason = "only for fields that the entity lacks")]
            use $crate::__private::fields::missing::*;
            {
                use $($entity)::+::Column::*;
                $($crate::__private::fields::has::$owned(&$owned);)+
            }
        };

        impl $crate::__private::core::User for $($entity)::+::Model {
            type Id = <<$($entity)::+::Entity as $crate::__private::sea_orm::EntityTrait>::PrimaryKey
                as $crate::__private::sea_orm::PrimaryKeyTrait>::ValueType;

            fn id(&self) -> Self::Id {
                ::core::clone::Clone::clone(&self.id)
            }

            fn email(&self) -> &str {
                &self.email
            }

            fn hashed_password(&self) -> ::core::option::Option<&str> {
                $crate::HashColumn::hash(&self.hashed_password)
            }

            fn is_active(&self) -> bool {
                self.is_active
            }

            fn is_verified(&self) -> bool {
                self.is_verified
            }

            fn is_superuser(&self) -> bool {
                self.is_superuser
            }
        }

        impl $crate::UserEntity for $($entity)::+::Entity {
            const ID: Self::Column = $($entity)::+::Column::Id;
            const EMAIL: Self::Column = $($entity)::+::Column::Email;
            const EMAIL_KEY: Self::Column = $($entity)::+::Column::$key;
            const OWNED: &'static [Self::Column] = {
                use $($entity)::+::Column;
                &[$(Column::$owned),+]
            };

            fn write($row: &mut Self::ActiveModel, changes: &$crate::__private::core::UserChanges) {
                if let ::core::option::Option::Some($email) = &changes.email {
                    $write_email
                }
                if let ::core::option::Option::Some(hash) = &changes.hashed_password {
                    <Self as $crate::UserEntity>::write_hash($row, ::core::option::Option::Some(hash.as_str()));
                }
                if let ::core::option::Option::Some(is_active) = changes.is_active {
                    $row.is_active = $crate::__private::sea_orm::ActiveValue::Set(is_active);
                }
                if let ::core::option::Option::Some(is_verified) = changes.is_verified {
                    $row.is_verified = $crate::__private::sea_orm::ActiveValue::Set(is_verified);
                }
                if let ::core::option::Option::Some(is_superuser) = changes.is_superuser {
                    $row.is_superuser = $crate::__private::sea_orm::ActiveValue::Set(is_superuser);
                }
            }

            fn write_hash(row: &mut Self::ActiveModel, hash: ::core::option::Option<&str>) {
                row.hashed_password = $crate::__private::sea_orm::ActiveValue::Set($crate::HashColumn::keep(hash));
            }
        }

        impl $crate::__private::sea_orm::IntoActiveModel<$($entity)::+::ActiveModel> for () {
            fn into_active_model(self) -> $($entity)::+::ActiveModel {
                ::core::default::Default::default()
            }
        }

        impl $crate::__private::sea_orm::IntoActiveModel<$($entity)::+::ActiveModel>
            for $crate::__private::core::NoExtra
        {
            fn into_active_model(self) -> $($entity)::+::ActiveModel {
                ::core::default::Default::default()
            }
        }
    };
}
