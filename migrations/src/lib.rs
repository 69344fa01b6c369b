#![doc = include_str!("../README.md")]

mod columns;
mod migration;
mod run;
mod sql;

pub use self::{
    columns::{email_key_type, user_columns},
    migration::{HISTORY, Migrations, Migrator},
    run::{MigrateError, OwnMigrations, State, Status, migrate, up, up_with},
    sql::{tables, users_table},
};
