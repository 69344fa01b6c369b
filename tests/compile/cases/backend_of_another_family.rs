//! A backend of the customers signs in nobody of the staff.

use axum_users::{AdminUpdate, AxumUsers, Backend, IdOf, SeaOrmUsers, SetupError, UserApi, UserCreate, UserManager, UserRead, UserUpdate};
use axum_users::sea_orm_store::users::Entity;

struct Customers;
struct Staff;

macro_rules! family {
    ($family:ident) => {
        impl UserApi for $family {
            type Store = SeaOrmUsers<Entity>;
            type Hooks = ();
            type Read = UserRead<IdOf<Self::Store>>;
            type Create = UserCreate;
            type Update = UserUpdate;
            type AdminRead = UserRead<IdOf<Self::Store>>;
            type AdminUpdate = AdminUpdate;
        }
    };
}
family!(Customers);
family!(Staff);

fn users(manager: UserManager<Staff>, backend: Backend<Customers>) -> Result<AxumUsers<Staff>, SetupError> {
    AxumUsers::new(manager, [backend])
}

fn main() {}
