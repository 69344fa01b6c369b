//! Which counters a request is charged to.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use super::{
    InMemoryLimits, KnownClient, LimitChange, LimitCharge, LimitKey, LimitStore, LimitVerdict, Quota,
    RateLimits,
};
use crate::{
    Context, EmailKey, Failure, MessageKind, Secret, SecurityEvent, StoreError, Timestamp, keys::keyed_hash,
    normalize_email, secrets::len,
};

/// How long a store that failed is left alone, so that not every login waits for it.
const PAUSE: Duration = Duration::from_secs(5);

/// What is counted. The names are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Logins,
    Failures,
    Account,
    AccountLong,
    SignedIn,
    SignedInLong,
    MailsTo,
    MailsOf,
    Registrations,
    MailedTokens,
    PersonalTokens,
}

impl Rule {
    const fn name(self) -> &'static str {
        match self {
            Self::Logins => "logins_of_client",
            Self::Failures => "failures_of_client",
            Self::Account => "failures_of_account",
            Self::AccountLong => "failures_of_account_in_the_long_run",
            Self::SignedIn => "failures_of_session_owner",
            Self::SignedInLong => "failures_of_session_owner_in_the_long_run",
            Self::MailsTo => "mails_to_target",
            Self::MailsOf => "mails_of_client",
            Self::Registrations => "registrations_of_client",
            Self::MailedTokens => "mailed_tokens_of_client",
            Self::PersonalTokens => "personal_tokens_of_client",
        }
    }

    const fn quota(self, limits: &RateLimits) -> Quota {
        match self {
            Self::Logins => limits.logins_of_client,
            Self::Failures => limits.failures_of_client,
            Self::Account | Self::SignedIn => limits.failures_of_account,
            Self::AccountLong | Self::SignedInLong => limits.failures_of_account_in_the_long_run,
            Self::MailsTo => limits.mails_to_target,
            Self::MailsOf => limits.mails_of_client,
            Self::Registrations => limits.registrations_of_client,
            Self::MailedTokens => limits.mailed_tokens_of_client,
            Self::PersonalTokens => limits.personal_tokens_of_client,
        }
    }
}

/// Attempts at the password of one account, by the login that was typed.
const ACCOUNT: [Rule; 2] = [Rule::Account, Rule::AccountLong];
/// Attempts of who has a session of the account.
const SIGNED_IN: [Rule; 2] = [Rule::SignedIn, Rule::SignedInLong];

/// Counts what is tried.
pub(crate) struct Limiter {
    limits: RateLimits,
    key: Secret,
    /// What counts while the store of the settings is down, or where there is none.
    local: InMemoryLimits,
    shared_again: AtomicI64,
}

/// Something that is being tried: a password, counted as wrong until something else is known; a mail, counted as sent.
#[must_use]
pub(crate) struct Attempt {
    charges: Vec<(Rule, LimitCharge)>,
    mark: Option<LimitKey>,
    known: bool,
}

impl Limiter {
    pub(crate) fn new(key: &Secret, limits: RateLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            key: key.clone(),
            local: InMemoryLimits::new(),
            shared_again: AtomicI64::new(i64::MIN),
        })
    }

    pub(crate) fn with(&self, limits: RateLimits) -> Arc<Self> {
        Self::new(&self.key, limits)
    }

    pub(crate) fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Somebody tries to log in as `login`, in its normal form.
    pub(crate) async fn login(&self, login: &str, context: &Context) -> Result<Attempt, Failure> {
        let client = client(context);
        let mut attempt = Attempt::new();
        if !self.limits.on {
            return Ok(attempt);
        }
        let Some(client) = client else {
            for rule in ACCOUNT {
                attempt.charges.push((rule, self.charge(rule, &[login])?));
            }
            return self.begin(attempt, context).await;
        };
        let mark = self.mark(login, &client)?;
        attempt.mark = Some(mark);
        let logins = self.charge(Rule::Logins, &[&client])?;
        attempt.charges.push((Rule::Logins, logins));
        for rule in [Rule::Failures, Rule::Account, Rule::AccountLong] {
            let whose = if rule == Rule::Failures { &client } else { login };
            let own = KnownClient::new(mark, self.name(rule, &[login, &client])?);
            attempt
                .charges
                .push((rule, self.charge(rule, &[whose])?.unless(own)));
        }
        self.begin(attempt, context).await
    }

    /// Who has a session of the account `id` tries its present password.
    pub(crate) async fn signed_in(&self, id: &str, context: &Context) -> Result<Attempt, Failure> {
        let mut attempt = Attempt::new();
        if self.limits.on {
            for rule in SIGNED_IN {
                attempt.charges.push((rule, self.charge(rule, &[id])?));
            }
        }
        self.begin(attempt, context).await
    }

    async fn begin(&self, mut attempt: Attempt, context: &Context) -> Result<Attempt, Failure> {
        attempt.known = self.take(&attempt.charges, context).await?;
        Ok(attempt)
    }

    /// The password was right: the failures of this account that were counted the same way are forgotten, and the client is
    /// known from now on. What the address has done otherwise stays.
    pub(crate) async fn right(&self, attempt: Attempt, context: &Context) {
        let mut changes: Vec<_> = attempt
            .charges
            .iter()
            .filter_map(|(rule, charge)| match rule {
                Rule::Logins => None,
                Rule::Failures => Some(attempt.give_back(charge)),
                _ => Some(LimitChange::Clear {
                    counter: charge.charged(attempt.known),
                }),
            })
            .collect();
        changes.extend(attempt.mark.map(|mark| self.know(mark, context.now)));
        self.settle(&changes, context.now).await;
    }

    /// Something of ours failed: it was not found out whether the password is right, or no mail was written.
    pub(crate) async fn undecided(&self, attempt: Attempt, context: &Context) {
        let back: Vec<_> = attempt
            .charges
            .iter()
            .map(|(_, charge)| attempt.give_back(charge))
            .collect();
        self.settle(&back, context.now).await;
    }

    /// The owner of the account has shown that it is theirs, by other means than the password: all failures that can be found
    /// are forgotten, and the client is known.
    pub(crate) async fn recovered(&self, login: &str, id: &str, context: &Context) {
        if self.limits.on
            && let Ok(changes) = self.recovery(login, id, context)
        {
            self.settle(&changes, context.now).await;
        }
    }

    fn recovery(&self, login: &str, id: &str, context: &Context) -> Result<Vec<LimitChange>, Failure> {
        let mut changes = Vec::new();
        let mut clear = |counter| changes.push(LimitChange::Clear { counter });
        for rule in ACCOUNT {
            clear(self.name(rule, &[login])?);
        }
        for rule in SIGNED_IN {
            clear(self.name(rule, &[id])?);
        }
        if let Some(client) = client(context) {
            for rule in ACCOUNT {
                clear(self.name(rule, &[login, &client])?);
            }
            changes.push(self.know(self.mark(login, &client)?, context.now));
        }
        Ok(changes)
    }

    /// A mail is to go to `target`, whether there is such a user or not.
    pub(crate) async fn mail(
        &self,
        kind: MessageKind,
        target: &EmailKey,
        context: &Context,
    ) -> Result<Attempt, Failure> {
        let mut attempt = Attempt::new();
        if self.limits.on {
            let parts = [kind.as_str(), target.as_str()];
            let to = self.charge(Rule::MailsTo, &parts)?;
            attempt.charges.push((Rule::MailsTo, to));
            if let Some(client) = client(context) {
                let of = self.charge(Rule::MailsOf, &[&client])?;
                attempt.charges.push((Rule::MailsOf, of));
            }
        }
        self.begin(attempt, context).await
    }

    /// A notice, if any, is to go to the mailbox of a user, as their address is stored.
    pub(crate) async fn notice(
        &self,
        kind: Option<MessageKind>,
        email: &str,
        context: &Context,
    ) -> Result<Attempt, Failure> {
        let mut attempt = Attempt::new();
        if self.limits.on
            && let Some(kind) = kind
            && let Ok(target) = normalize_email(email)
        {
            let to = self.charge(Rule::MailsTo, &[kind.as_str(), target.as_str()])?;
            attempt.charges.push((Rule::MailsTo, to));
        }
        self.begin(attempt, context).await
    }

    /// An account with the address `target` is about to be made, or its owner to be told of it.
    pub(crate) async fn registration_of(
        &self,
        target: &EmailKey,
        context: &Context,
    ) -> Result<Attempt, Failure> {
        let mut attempt = Attempt::new();
        if self.limits.on {
            let to = self.charge(Rule::MailsTo, &["register", target.as_str()])?;
            attempt.charges.push((Rule::MailsTo, to));
        }
        self.begin(attempt, context).await
    }

    /// A client tries to make an account.
    pub(crate) async fn registration(&self, context: &Context) -> Result<(), Failure> {
        self.of_address(Rule::Registrations, context).await
    }

    /// A client presents a mailed token.
    pub(crate) async fn mailed_token(&self, context: &Context) -> Result<(), Failure> {
        self.of_address(Rule::MailedTokens, context).await
    }

    /// A client tries to make a personal access token.
    pub(crate) async fn personal_token(&self, context: &Context) -> Result<(), Failure> {
        self.of_address(Rule::PersonalTokens, context).await
    }

    async fn of_address(&self, rule: Rule, context: &Context) -> Result<(), Failure> {
        if let Some(client) = client(context).filter(|_| self.limits.on) {
            let charge = self.charge(rule, &[&client])?;
            self.take(&[(rule, charge)], context).await?;
        }
        Ok(())
    }

    /// Whether the client was known; an error for too much.
    async fn take(&self, charges: &[(Rule, LimitCharge)], context: &Context) -> Result<bool, Failure> {
        if charges.is_empty() {
            return Ok(false);
        }
        let only: Vec<_> = charges.iter().map(|(_, charge)| *charge).collect();
        let verdict = match self.shared(context.now) {
            Some(store) => match store.take(&only, context.now).await {
                Ok(verdict) => Ok(verdict),
                Err(error) => {
                    self.leave_alone(&error, context);
                    self.local.take(&only, context.now).await
                }
            },
            None => self.local.take(&only, context.now).await,
        };
        match verdict? {
            LimitVerdict::Passed { known } => Ok(known),
            LimitVerdict::Refused {
                charge,
                retry_after,
                first,
            } => {
                if first && let Some((rule, _)) = charges.get(charge) {
                    SecurityEvent::RateLimited.emit_of(rule.name(), context);
                }
                Err(Failure::TooManyRequests { retry_after })
            }
        }
    }

    /// What was learned is worth less than the answer, so a failure is only noted.
    async fn settle(&self, changes: &[LimitChange], now: Timestamp) {
        if changes.is_empty() {
            return;
        }
        let settled = match self.shared(now) {
            Some(store) => store.settle(changes, now).await,
            None => self.local.settle(changes, now).await,
        };
        if let Err(error) = settled {
            tracing::warn!(target: "axum_users", causes = causes(&error), "a counter could not be corrected");
        }
    }

    fn shared(&self, now: Timestamp) -> Option<&Arc<dyn LimitStore>> {
        let store = self.limits.store.as_ref()?;
        (self.shared_again.load(Ordering::Relaxed) <= now.as_millis()).then_some(store)
    }

    fn leave_alone(&self, error: &StoreError, context: &Context) {
        let again = context.now.plus(PAUSE).as_millis();
        // Of many requests that met the same failure one tells about it.
        if self.shared_again.swap(again, Ordering::Relaxed) <= context.now.as_millis() {
            tracing::warn!(
                target: "axum_users",
                causes = causes(error),
                "limits are counted by this process alone: their store failed"
            );
            SecurityEvent::RateLimitsUnshared.emit(None, context);
        }
    }

    fn charge(&self, rule: Rule, parts: &[&str]) -> Result<LimitCharge, Failure> {
        Ok(LimitCharge::new(
            self.name(rule, parts)?,
            rule.quota(&self.limits),
        ))
    }

    fn name(&self, rule: Rule, parts: &[&str]) -> Result<LimitKey, Failure> {
        self.keyed(rule.name(), parts)
    }

    fn mark(&self, login: &str, client: &str) -> Result<LimitKey, Failure> {
        self.keyed("known", &[login, client])
    }

    fn know(&self, mark: LimitKey, now: Timestamp) -> LimitChange {
        LimitChange::Mark {
            mark,
            until: now.plus(self.limits.known_for),
        }
    }

    fn keyed(&self, what: &str, parts: &[&str]) -> Result<LimitKey, Failure> {
        let lengths: Vec<_> = parts.iter().map(|part| len(part)).collect();
        let mut all = vec![what.as_bytes()];
        // The lengths keep two lists of parts from being one text.
        for (length, part) in lengths.iter().zip(parts) {
            all.extend([&length[..], part.as_bytes()]);
        }
        let hash = keyed_hash(self.key.expose(), &all).map_err(Failure::internal)?;
        let half = hash
            .first_chunk()
            .ok_or_else(|| Failure::internal("a hash has 32 bytes"))?;
        Ok(LimitKey::new(*half))
    }
}

impl Attempt {
    fn new() -> Self {
        Self {
            charges: Vec::new(),
            mark: None,
            known: false,
        }
    }

    fn give_back(&self, charge: &LimitCharge) -> LimitChange {
        LimitChange::GiveBack {
            counter: charge.charged(self.known),
            quota: charge.quota,
        }
    }
}

/// The client as it is counted: nobody has more than one IPv4 address without cost, and 64 bits of an IPv6 address are for
/// free.
fn client(context: &Context) -> Option<String> {
    Some(match context.client_address?.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}/64")
        }
    })
}

fn causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limits.fmt(f)
    }
}
