//! Whom tokens stand for: the statements that most requests need.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum_users_core::{
    Claim, Epoch, IdOf, OpaqueClaim, Session, SessionKind, SignedIn, StoreError, Subject, Timestamp,
    TokenDigest, User, UserStore, shared::Shared,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, ModelTrait, QueryResult,
};

use crate::{
    SeaOrmUsers, UserEntity,
    failure::store_error,
    statements::{Statements, Widths},
    store::within,
};

/// The questions about tokens, each kind with its queue.
pub(crate) struct Lookups<E: UserEntity> {
    subjects: Shared<SubjectQuestion<IdOf<SeaOrmUsers<E>>>, SubjectAnswer<E>>,
    tokens: Shared<TokenDigest, Option<Row<E::Model>>>,
    personal: Shared<TokenDigest, Option<Row<E::Model>>>,
}

/// The user and the epoch that holds for them.
type SubjectAnswer<E> = Option<(<E as EntityTrait>::Model, Epoch)>;

/// A token that names its user.
#[derive(Clone)]
struct SubjectQuestion<Id> {
    user_id: Id,
    token_id: String,
}

/// The row of an opaque token with its user.
#[derive(Clone)]
struct Row<M> {
    user: M,
    id: i64,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_seen_at: Option<Timestamp>,
    epoch: Epoch,
    kind: RowKind,
}

#[derive(Clone)]
enum RowKind {
    Login { backend: String },
    Personal { scopes: Option<String> },
}

impl<E: UserEntity> Lookups<E> {
    pub(crate) fn new(db: &DatabaseConnection, sql: &Arc<Statements>, limit: Duration) -> Self {
        let with = || (db.clone(), Arc::clone(sql));
        let (by_subject, by_digest, by_personal) = (with(), with(), with());
        Self {
            subjects: Shared::new(move |questions| {
                let (db, sql) = by_subject.clone();
                async move { within(limit, subjects::<E>(&db, &sql, &questions)).await }
            }),
            tokens: Shared::new(move |digests| {
                let (db, sql) = by_digest.clone();
                async move { within(limit, tokens::<E>(&db, &sql, &digests, false)).await }
            }),
            personal: Shared::new(move |digests| {
                let (db, sql) = by_personal.clone();
                async move { within(limit, tokens::<E>(&db, &sql, &digests, true)).await }
            }),
        }
    }
}

impl<E: UserEntity> SeaOrmUsers<E> {
    pub(crate) async fn answer(
        &self,
        claim: &Claim<IdOf<Self>>,
        now: Timestamp,
    ) -> Result<Option<SignedIn<E::Model>>, StoreError> {
        match claim {
            Claim::Subject(subject) | Claim::Stateless(subject) if subject.session.is_over(now) => Ok(None),
            Claim::Subject(Subject { user_id, session, .. }) => {
                let question = SubjectQuestion {
                    user_id: user_id.clone(),
                    token_id: session.token_id.clone(),
                };
                let found = self.lookups.subjects.ask(question).await?;
                let found = found.filter(|(_, epoch)| *epoch == session.epoch);
                Ok(found.map(|(user, _)| SignedIn::new(user, session.clone())))
            }
            Claim::Stateless(subject) => {
                let found = self.find(&subject.user_id).await?;
                Ok(found.map(|stored| SignedIn::stateless(stored, subject)))
            }
            Claim::Digest(opaque) => {
                let row = self.lookups.tokens.ask(opaque.digest).await?;
                row.and_then(|row| signed_in(row, opaque, now)).transpose()
            }
            Claim::Personal(opaque) => {
                let row = self.lookups.personal.ask(opaque.digest).await?;
                row.and_then(|row| signed_in(row, opaque, now)).transpose()
            }
            _ => Ok(None),
        }
    }
}

/// Whom a row signs in by a token of this backend at this moment.
fn signed_in<M>(
    row: Row<M>,
    opaque: &OpaqueClaim,
    now: Timestamp,
) -> Option<Result<SignedIn<M>, StoreError>> {
    let mut session = Session::new(opaque.backend.as_str(), row.id.to_string(), row.epoch)
        .since(row.created_at)
        .until(row.expires_at);
    if session.is_over(now) {
        return None;
    }
    match row.kind {
        RowKind::Login { backend } if backend == opaque.backend => {}
        RowKind::Login { .. } => return None,
        RowKind::Personal { scopes } => {
            session.kind = SessionKind::Personal;
            match crate::personal::scopes(scopes) {
                Ok(scopes) => session.scopes = scopes,
                Err(err) => return Some(Err(store_error(err))),
            }
        }
    }
    session.digest = Some(opaque.digest);
    session.last_seen_at = row.last_seen_at;
    Some(Ok(SignedIn::new(row.user, session)))
}

async fn subjects<E: UserEntity>(
    db: &DatabaseConnection,
    sql: &Statements,
    questions: &[SubjectQuestion<IdOf<SeaOrmUsers<E>>>],
) -> Result<Vec<Option<(E::Model, Epoch)>>, DbErr> {
    let token_ids = || Widths::filled(questions, |question| question.token_id.as_str().into());
    let user_ids = Widths::filled(questions, |question| question.user_id.clone().into());
    let find = sql.with(sql.by_subject.text(questions.len()), token_ids().chain(user_ids));
    let mut found = HashMap::with_capacity(questions.len());
    let mut revoked = 0_i64;
    for row in db.query_all_raw(find).await? {
        let user = E::Model::from_query_result(&row, "")?;
        let epoch: Option<i64> = row.try_get_by_index(sql.width)?;
        revoked = row.try_get_by_index(sql.width + 1)?;
        found.insert(user.id(), (user, Epoch(epoch.unwrap_or(0))));
    }
    let dead = match (revoked, questions) {
        (0, _) => Vec::new(),
        (_, [only]) => vec![only.token_id.clone()],
        // Which of them, is asked only where there are some.
        _ => {
            let among = sql.with(sql.revoked_among.text(questions.len()), token_ids());
            let rows = db.query_all_raw(among).await?;
            let ids = rows.iter().map(|row| row.try_get_by_index(0));
            ids.collect::<Result<_, _>>()?
        }
    };
    Ok(answers(questions, |question| {
        let found = found.get(&question.user_id)?;
        (!dead.contains(&question.token_id)).then(|| found.clone())
    }))
}

async fn tokens<E: UserEntity>(
    db: &DatabaseConnection,
    sql: &Statements,
    digests: &[TokenDigest],
    personal: bool,
) -> Result<Vec<Option<Row<E::Model>>>, DbErr> {
    let texts = if personal {
        &sql.by_personal
    } else {
        &sql.by_digest
    };
    let values = Widths::filled(digests, |digest| digest.as_bytes().to_vec().into());
    let find = sql.with(texts.text(digests.len()), values);
    let mut found = HashMap::with_capacity(digests.len());
    for row in db.query_all_raw(find).await? {
        let (digest, row) = token_row::<E::Model>(&row, sql.width, personal)?;
        found.insert(digest, row);
    }
    Ok(answers(digests, |digest| {
        found.get(digest.as_bytes().as_slice()).cloned()
    }))
}

fn answers<Q, A>(questions: &[Q], answer: impl Fn(&Q) -> Option<A>) -> Vec<Option<A>> {
    questions.iter().map(answer).collect()
}

fn token_row<M: ModelTrait + FromQueryResult>(
    row: &QueryResult,
    width: usize,
    personal: bool,
) -> Result<(Vec<u8>, Row<M>), DbErr> {
    let created_at: i64 = row.try_get_by_index(width + 1)?;
    let expires_at: Option<i64> = row.try_get_by_index(width + 2)?;
    let last_seen_at: Option<i64> = row.try_get_by_index(width + 3)?;
    let epoch: Option<i64> = row.try_get_by_index(width + 4)?;
    let digest = row.try_get_by_index(width + 5)?;
    let kind = if personal {
        RowKind::Personal {
            scopes: row.try_get_by_index(width + 6)?,
        }
    } else {
        RowKind::Login {
            backend: row.try_get_by_index(width + 6)?,
        }
    };
    let row = Row {
        user: M::from_query_result(row, "")?,
        id: row.try_get_by_index(width)?,
        created_at: Timestamp::from_millis(created_at),
        expires_at: expires_at.map(Timestamp::from_millis),
        last_seen_at: last_seen_at.map(Timestamp::from_millis),
        epoch: Epoch(epoch.unwrap_or(0)),
        kind,
    };
    Ok((digest, row))
}
