#![doc = include_str!("../README.md")]

mod api;
mod body;
mod clock;
mod context;
mod crash;
mod email;
mod email_change;
mod error;
mod event;
mod hooks;
mod jwks;
mod keys;
mod limits;
mod manager;
mod memory;
mod message;
mod null_clears;
mod password;
mod requests;
mod schemas;
mod secret;
mod secrets;
mod session;
#[doc(hidden)]
pub mod shared;
mod store;
mod token;
mod user;

#[doc(hidden)]
pub use self::crash::crash_point;
#[cfg(feature = "strength")]
pub use self::password::PasswordStrength;
pub use self::{
    api::{IdFor, UserApi, UserOf},
    body::{BodyError, RequestBody},
    clock::{Clock, Random, RandomError, SystemClock, SystemRandom, Timestamp},
    context::Context,
    email::{EmailAddress, EmailError, EmailKey, normalize_email, normalize_email_prefix},
    email_change::{
        EmailChange, EmailChangeRecord, EmailChangeStore, EmailChangeToken, EmailPolicy, NewEmailChange,
    },
    error::{
        ChangeEmailError, DeleteError, Failure, LoginError, PersonalTokenError, RegisterError, RequestError,
        ResetPasswordError, UpdateError, VerifyError,
    },
    event::{SECURITY_TARGET, SecurityEvent},
    hooks::{
        Denied, FailedLogin, InvalidPassword, Notice, PasswordOwner, RevocationReason, Revoked, TokenEvent,
        Updated, UserHooks,
    },
    jwks::{PublicKey, PublicKeys},
    keys::{JwtKey, JwtKeys, KeyError, SignError, TokenError, TokenPolicy, VerifiedClaims},
    limits::{
        InMemoryLimits, KnownClient, LimitChange, LimitCharge, LimitFuture, LimitKey, LimitStore,
        LimitVerdict, Quota, RateLimits,
    },
    manager::{Authentication, Page, PersonalTokenRules, UserManager},
    memory::{InMemoryUsers, MemoryUser},
    message::{Message, MessageKind},
    null_clears::null_clears,
    password::{
        Argon2Settings, BreachLookup, BreachLookupError, BreachedPasswords, HashCounts, HashError,
        HasherError, HasherSettings, Password, PasswordError, PasswordHash, PasswordHasher, PasswordPolicy,
        Verdict, WhenUnavailable,
    },
    requests::{
        CurrentPasswordRequest, EmailRequest, PersonalTokenRequest, ResetPasswordRequest, SessionNameRequest,
        TokenRequest,
    },
    schemas::{
        AdminRead, AdminUpdate, CreateUser, NoExtra, ReadUser, Registration, UpdateUser, UserCreate,
        UserPatch, UserRead, UserUpdate,
    },
    secret::Secret,
    secrets::Secrets,
    session::{
        Claim, EndSessions, LimitPolicy, NewPersonalToken, NewToken, OpaqueClaim, PersonalTokenRecord,
        Session, SessionKind, SignedIn, Subject, TokenDigest, TokenLimit, TokenRecord, TokenUse,
    },
    store::{
        Accepts, Applied, Change, Compose, Expected, IdOf, Inserted, Leased, ListUsers, NewUser, Outbox,
        OwnConflict, OwnRule, PersonalTokenStore, Purged, Rehearsed, Removed, SessionStore, SetupError,
        StoreError, TokenStored, UserQuery, UserStore,
    },
    token::{IssueError, MailToken, OneTimeTokens, ReadToken, TokenFacts, TokenLifetimeError, TokenPurpose},
    user::{Epoch, Stored, User, UserChanges, UserId},
};
