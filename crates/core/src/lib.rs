#![doc = include_str!("../README.md")]

mod clock;
mod context;
mod email;
mod hooks;
mod message;
mod password;
mod secret;
mod session;
mod store;
mod user;

pub use self::{
    clock::{Clock, Random, RandomError, SystemClock, SystemRandom, Timestamp},
    context::Context,
    email::{EmailAddress, EmailError, EmailKey},
    hooks::{Denied, FailedLogin, InvalidPassword, Notice, PasswordOwner, Updated, UserHooks},
    message::{Message, MessageKind},
    password::{Password, PasswordHash},
    secret::Secret,
    session::{Claim, EndSessions, NewToken, OpaqueClaim, Session, SignedIn, Subject, TokenDigest},
    store::{
        Accepts, Applied, Change, Compose, Expected, IdOf, Inserted, Leased, ListUsers, NewUser,
        Outbox, OwnConflict, OwnRule, SessionStore, SetupError, StoreError, TokenStored, UserQuery,
        UserStore,
    },
    user::{Epoch, Stored, User, UserChanges, UserId},
};
