//! What the API takes and shows of an account beside the library's fields.

use axum_users::{
    AdminRead, UserRead, null_clears,
    sea_orm::{self, DeriveIntoActiveModel, prelude::Uuid},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::account::{self, Plan};

/// What everybody says at registration. The plan is not theirs to choose.
#[derive(Debug, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "account::ActiveModel", set(plan = "Plan::Free"))]
pub struct NewProfile {
    /// How to greet you.
    #[validate(length(min = 1, max = 80, message = "1 to 80 characters"))]
    pub first_name: String,
    /// What others see.
    #[validate(custom(function = plain))]
    pub nickname: Option<String>,
    /// Where you came from. It is never shown.
    #[validate(length(max = 40, message = "At most 40 characters"))]
    pub campaign: Option<String>,
}

/// What users see of themselves.
#[derive(Debug, Serialize, ToSchema)]
pub struct Profile {
    first_name: String,
    nickname: Option<String>,
    plan: Plan,
}

impl From<account::Model> for Profile {
    fn from(account: account::Model) -> Self {
        Self {
            first_name: account.first_name,
            nickname: account.nickname,
            plan: account.plan,
        }
    }
}

/// What users change of themselves.
#[derive(Debug, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "account::ActiveModel")]
pub struct ProfilePatch {
    /// How to greet you.
    #[validate(length(min = 1, max = 80, message = "1 to 80 characters"))]
    pub first_name: Option<String>,
    /// What others see; `null` takes it away.
    #[serde(default, deserialize_with = "null_clears")]
    #[validate(custom(function = plain))]
    pub nickname: Option<Option<String>>,
}

/// What users see of themselves, with the library's fields.
pub type AccountRead = UserRead<Uuid, Profile>;

/// What superusers see of everybody: what users see, and the note.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffProfile {
    first_name: String,
    nickname: Option<String>,
    plan: Plan,
    note: Option<String>,
}

impl From<account::Model> for StaffProfile {
    fn from(account: account::Model) -> Self {
        Self {
            first_name: account.first_name,
            nickname: account.nickname,
            plan: account.plan,
            note: account.note,
        }
    }
}

/// What superusers see of everybody, with the library's fields.
pub type StaffRead = AdminRead<Uuid, StaffProfile>;

/// What superusers change of everybody: the plan and the note are set here only.
#[derive(Debug, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "account::ActiveModel")]
pub struct StaffPatch {
    /// How to greet the user.
    #[validate(length(min = 1, max = 80, message = "1 to 80 characters"))]
    pub first_name: Option<String>,
    /// What the user pays for.
    pub plan: Option<Plan>,
    /// What colleagues are to know; `null` takes it away.
    #[serde(default, deserialize_with = "null_clears")]
    #[validate(length(max = 2000, message = "At most 2000 characters"))]
    pub note: Option<Option<String>>,
}

fn plain(nickname: &str) -> Result<(), ValidationError> {
    let fits =
        (3..=20).contains(&nickname.len()) && nickname.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits {
        return Ok(());
    }
    Err(ValidationError::new("nickname").with_message("3 to 20 letters and digits".into()))
}
