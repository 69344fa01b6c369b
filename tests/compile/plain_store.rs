//! A store that keeps users, and neither sessions nor lists of them.

use axum_users::{
    Applied, Change, Claim, Compose, EmailKey, IdOf, InMemoryUsers, Inserted, Message, NewUser, SetupError, SignedIn, StoreError,
    Stored, Timestamp, UserStore,
};

#[derive(Clone)]
pub struct PlainStore(pub InMemoryUsers);

type User = <InMemoryUsers as UserStore>::User;
type Columns = <InMemoryUsers as UserStore>::Columns;

impl UserStore for PlainStore {
    type User = User;
    type Columns = Columns;

    async fn find(&self, id: &IdOf<Self>) -> Result<Option<Stored<User>>, StoreError> {
        self.0.find(id).await
    }

    async fn find_by_email(&self, email: &EmailKey) -> Result<Option<Stored<User>>, StoreError> {
        self.0.find_by_email(email).await
    }

    async fn insert(&self, new: NewUser<Columns>, compose: Compose<'_, User>) -> Result<Inserted<User>, StoreError> {
        self.0.insert(new, compose).await
    }

    async fn update(&self, id: &IdOf<Self>, change: Change<Columns>) -> Result<Applied<User>, StoreError> {
        self.0.update(id, change).await
    }

    async fn delete(&self, id: &IdOf<Self>, expect: axum_users::Expected) -> Result<axum_users::Removed, StoreError> {
        self.0.delete(id, expect).await
    }

    async fn resolve(&self, claim: &Claim<IdOf<Self>>, now: Timestamp) -> Result<Option<SignedIn<User>>, StoreError> {
        self.0.resolve(claim, now).await
    }

    async fn enqueue(&self, messages: Vec<Message>, at: Timestamp) -> Result<(), StoreError> {
        self.0.enqueue(messages, at).await
    }

    async fn check(&self) -> Result<(), SetupError> {
        self.0.check().await
    }
}
