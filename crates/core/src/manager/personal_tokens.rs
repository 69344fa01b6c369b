//! Tokens that users make for machines.

use std::time::Duration;

use crate::{
    Context, NewPersonalToken, PersonalTokenError, PersonalTokenRecord, PersonalTokenRequest,
    PersonalTokenStore, RevocationReason, Revoked, SecurityEvent, Session, SessionKind, SignedIn, StoreError,
    TokenDigest, TokenEvent, TokenStored, User, UserApi, UserManager, UserOf,
    manager::update::CurrentPasswordError,
};

/// What an application lets personal access tokens be.
///
/// ```
/// use axum_users_core::PersonalTokenRules;
///
/// let rules = PersonalTokenRules::new("personal");
/// assert_eq!((rules.most, rules.scopes.len()), (100, 0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersonalTokenRules {
    /// The backend they are presented to.
    pub backend: String,
    /// The scopes there are.
    pub scopes: Vec<String>,
    /// How long one may live; `None` for ever.
    pub longest: Option<Duration>,
    /// How many a user may have.
    pub most: u32,
}

impl PersonalTokenRules {
    /// At most 100 tokens for each user, without scopes, each good for a year at most.
    pub fn new(backend: impl Into<String>) -> Self {
        Self {
            backend: backend.into(),
            scopes: Vec::new(),
            longest: Some(Duration::from_hours(24 * 365)),
            most: 100,
        }
    }
}

impl<A: UserApi<Store: PersonalTokenStore>> UserManager<A> {
    /// Stores a personal access token of whoever asks, by the digest of its text.
    ///
    /// # Errors
    /// [`PersonalTokenError`]; nothing is stored then.
    pub async fn create_personal_token(
        &self,
        current: &SignedIn<UserOf<A>>,
        request: PersonalTokenRequest,
        digest: TokenDigest,
        rules: &PersonalTokenRules,
        context: &Context,
    ) -> Result<PersonalTokenRecord, PersonalTokenError> {
        self.limiter.personal_token(context).await?;
        let user = &current.user;
        if self.requires_current_password() {
            self.check_current_password(user, request.current_password, context)
                .await?;
        }
        let known = |scope: &String| rules.scopes.contains(scope);
        if request
            .scopes
            .as_ref()
            .is_some_and(|scopes| !scopes.iter().all(known))
        {
            return Err(PersonalTokenError::UnknownScope);
        }
        let lifetime = request.lifetime.or(rules.longest);
        if let (Some(lifetime), Some(longest)) = (lifetime, rules.longest)
            && lifetime > longest
        {
            return Err(PersonalTokenError::TooLong);
        }
        let (id, now) = (user.id(), context.now);
        let mut token = NewPersonalToken::new(
            id.clone(),
            digest,
            request.name,
            current.session.epoch,
            now,
            rules.most,
        );
        token.scopes = request.scopes;
        token.expires_at = lifetime.map(|lifetime| now.plus(lifetime));
        let mut record = PersonalTokenRecord::new("", token.name.clone(), now);
        record.scopes.clone_from(&token.scopes);
        record.expires_at = token.expires_at;
        record.id = match self.store().insert_personal_token(token).await? {
            TokenStored::Stored { id, .. } => id.to_string(),
            TokenStored::LimitReached => return Err(PersonalTokenError::LimitReached),
            TokenStored::NoUser => return Err(PersonalTokenError::Missing),
            TokenStored::Stale => return Err(PersonalTokenError::SessionEnded),
        };
        Self::emit(SecurityEvent::PersonalTokenCreated, user, context);
        let mut session = Session::new(rules.backend.as_str(), record.id.as_str(), current.session.epoch);
        session.kind = SessionKind::Personal;
        session.created_at = Some(now);
        session.expires_at = record.expires_at;
        session.scopes.clone_from(&record.scopes);
        let event = TokenEvent::Issued {
            user_id: &id,
            session: &session,
        };
        self.tell(event, context).await;
        Ok(record)
    }

    /// The live personal access tokens of a user, the latest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store fails.
    pub async fn personal_tokens(
        &self,
        user: &UserOf<A>,
        context: &Context,
    ) -> Result<Vec<PersonalTokenRecord>, StoreError> {
        self.store().list_personal_tokens(&user.id(), context.now).await
    }

    /// Ends a personal access token of a user; false if there is none with this id.
    ///
    /// # Errors
    /// [`StoreError`] where the store fails.
    pub async fn end_personal_token(
        &self,
        user: &UserOf<A>,
        id: &str,
        context: &Context,
    ) -> Result<bool, StoreError> {
        let user_id = user.id();
        let ended = self.store().end_personal_token(&user_id, id).await?;
        if ended {
            Self::emit(SecurityEvent::PersonalTokenEnded, user, context);
            let which = Revoked::PersonalToken { token_id: id };
            self.tell_revoked(&user_id, which, RevocationReason::ByOwner, context)
                .await;
        }
        Ok(ended)
    }
}

impl From<CurrentPasswordError> for PersonalTokenError {
    fn from(error: CurrentPasswordError) -> Self {
        match error {
            CurrentPasswordError::Refused => Self::InvalidCurrentPassword,
            CurrentPasswordError::Failed(failure) => Self::Failed(failure),
        }
    }
}
