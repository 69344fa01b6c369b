//! The store.

use std::{fmt, future::Future, pin::pin, sync::Arc, time::Duration};

use axum_users_core::{
    Accepts, Applied, Change, Claim, Compose, Denied, EmailAddress, EmailChange, EmailKey, EndSessions,
    Epoch, Expected, IdOf, Inserted, Message, NewUser, OwnConflict, OwnRule, Random as _, Rehearsed, Removed,
    SetupError, SignedIn, StoreError, Stored, SystemRandom, Timestamp, User as _, UserChanges, UserStore,
    crash_point, normalize_email,
};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection,
    DatabaseTransaction, DbBackend, DbErr, FromQueryResult, IdenStatic, IntoActiveModel, IsolationLevel,
    Iterable, ModelTrait, QueryResult, SqliteTransactionMode, TransactionOptions, TransactionTrait, Value,
    sea_query::ColumnType,
};

use crate::{
    CompanionError, CompanionFuture, UserEntity,
    connect::no_answer,
    failure::{Cause, Place, cause, store_error},
    lookups::Lookups,
    statements::Statements,
    tables::Tables,
};

/// How often a command that lost a race is run before it is reported as unavailable.
const ATTEMPTS: u32 = 6;

/// How long a command may take, tries and the wait for a connection included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is looked for in a column, by what was typed as login.
type Typed = dyn Fn(&str) -> Option<String> + Send + Sync;

type Companion<M> =
    Arc<dyn for<'a> Fn(&'a DatabaseTransaction, &'a M) -> CompanionFuture<'a> + Send + Sync + 'static>;

/// By what users log in beside their e-mail address.
pub(crate) struct LoginBy<E: UserEntity> {
    pub(crate) column: E::Column,
    value: Box<Typed>,
    find: String,
}

/// Users in an SQL database, as rows of the entity `E`.
///
/// A clone shares the pool and the prepared texts of the statements, and is cheap. Works on `SQLite` (3.35 and later),
/// `PostgreSQL`, `MariaDB` (10.6 and later) and `MySQL` (8 and later).
///
/// Every command is one transaction, or one statement. A command that loses against another one (a deadlock, a
/// serialisation failure) is run again a few times before it is answered with [`StoreError::Unavailable`]; one without an
/// answer is so after ten seconds ([`timeout`](Self::timeout)).
///
/// ```
/// use axum_users_core::{SetupError, UserStore};
/// use axum_users_sea_orm::{SeaOrmUsers, connect, users};
///
/// async fn store(url: &str) -> Result<SeaOrmUsers<users::Entity>, SetupError> {
///     let store = SeaOrmUsers::new(connect(url).await?);
///     store.check().await?; // are the tables as they must be?
///     Ok(store)
/// }
/// ```
///
/// # Security
/// Values for columns that the library owns are ignored where they come from the application's own types
/// ([`UserEntity::OWNED`]); errors hold no values.
pub struct SeaOrmUsers<E: UserEntity> {
    pub(crate) db: DatabaseConnection,
    pub(crate) sql: Arc<Statements>,
    pub(crate) lookups: Arc<Lookups<E>>,
    timeout: Duration,
    companion: Option<Companion<E::Model>>,
    login_by: Option<Arc<LoginBy<E>>>,
}

impl<E: UserEntity> SeaOrmUsers<E> {
    /// Users in this database.
    ///
    /// [`check`](UserStore::check) tells whether its tables are as they must be; [`connect`](crate::connect) opens a pool
    /// with fitting settings.
    pub fn new(db: DatabaseConnection) -> Self {
        let sql = Arc::new(Statements::of::<E>(db.get_database_backend()));
        let lookups = Arc::new(Lookups::new(&db, &sql, TIMEOUT));
        Self {
            db,
            sql,
            lookups,
            timeout: TIMEOUT,
            companion: None,
            login_by: None,
        }
    }

    /// How long a command may take before it is given up as unavailable; 10 seconds by default.
    ///
    /// What a database, or the way to it, does with a command that was given up is not known: it is wholly done, or not at
    /// all.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self.lookups = Arc::new(Lookups::new(&self.db, &self.sql, limit));
        self
    }

    /// Writes rows that must exist with every new user, in the transaction that stores the user.
    ///
    /// An error rolls everything back. A broken rule of a table (unique, foreign key, length) is then answered like one of an
    /// own column; [`CompanionError`] has what else may be said. The work may be run again where the transaction lost a race.
    ///
    /// ```
    /// use axum_users_sea_orm::{SeaOrmUsers, users};
    /// use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
    ///
    /// fn users(db: DatabaseConnection) -> SeaOrmUsers<users::Entity> {
    ///     SeaOrmUsers::<users::Entity>::new(db).with_companion(|tx, user| {
    ///         Box::pin(async move {
    ///             let sql = "INSERT INTO wallet (user_id, cents) VALUES ($1, 0)";
    ///             tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, [user.id.into()])).await?;
    ///             Ok(())
    ///         })
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn with_companion<F>(mut self, write: F) -> Self
    where
        F: for<'a> Fn(&'a DatabaseTransaction, &'a E::Model) -> CompanionFuture<'a> + Send + Sync + 'static,
    {
        self.companion = Some(Arc::new(write));
        self
    }

    /// Lets users log in by a column of their own too: a user name, a phone number, a customer number.
    ///
    /// `value` says what the column holds for what was typed, and answers `None` for what it cannot hold. The column is text
    /// and has a unique index, without which [`check`](UserStore::check) fails.
    ///
    /// ```
    /// # mod account {
    /// #     use sea_orm::entity::prelude::*;
    /// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    /// #     #[sea_orm(table_name = "account")]
    /// #     pub struct Model {
    /// #         #[sea_orm(primary_key, auto_increment = false)]
    /// #         pub id: Uuid,
    /// #         pub email: String,
    /// #         pub email_key: String,
    /// #         pub hashed_password: Option<String>,
    /// #         pub is_active: bool,
    /// #         pub is_verified: bool,
    /// #         pub is_superuser: bool,
    /// #         pub username: String,
    /// #     }
    /// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    /// #     pub enum Relation {}
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// # }
    /// # axum_users_sea_orm::user_entity!(account);
    /// # fn users(db: sea_orm::DatabaseConnection) -> axum_users_sea_orm::SeaOrmUsers<account::Entity> {
    /// use axum_users_sea_orm::SeaOrmUsers;
    ///
    /// SeaOrmUsers::<account::Entity>::new(db).with_login(account::Column::Username, |typed| Some(typed.to_lowercase()))
    /// # }
    /// # fn main() {}
    /// ```
    ///
    /// # Security
    /// Whatever reads as an e-mail address is one and is never looked for in the column: nobody takes over a login by calling
    /// themselves like the address of another. Somebody who is not there costs one statement, as somebody who is.
    #[must_use]
    pub fn with_login<F>(mut self, column: E::Column, value: F) -> Self
    where
        F: Fn(&str) -> Option<String> + Send + Sync + 'static,
    {
        let (value, find) = (Box::new(value), self.sql.find_by(&column));
        self.login_by = Some(Arc::new(LoginBy { column, value, find }));
        self
    }

    /// The pool.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Runs a command, for as long as it may take.
    pub(crate) async fn once<T>(
        &self,
        command: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, StoreError> {
        within(self.timeout, command).await
    }

    /// Runs a command again while it loses races.
    pub(crate) async fn repeated<T, F, R>(&self, mut command: F) -> Result<T, StoreError>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T, DbErr>>,
    {
        self.once(async {
            let mut attempt = 1;
            loop {
                match command().await {
                    Err(err) if attempt < ATTEMPTS && cause(&err) == Cause::Conflict => {
                        tokio::time::sleep(Duration::from_millis(2 << attempt)).await;
                        attempt += 1;
                    }
                    done => return done,
                }
            }
        })
        .await
    }

    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let mut options = TransactionOptions::default();
        match self.sql.backend {
            // A transaction that reads first cannot become a writer once another one has written.
            DbBackend::Sqlite => options.sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate),
            // Repeatable read locks gaps, and two transactions that insert into one gap wait for each other.
            DbBackend::MySql => options.isolation_level = Some(IsolationLevel::ReadCommitted),
            _ => {}
        }
        self.db.begin_with_options(options).await
    }

    /// Locks the row of the user, which orders all commands on one user; false if there is none.
    pub(crate) async fn lock(&self, tx: &DatabaseTransaction, id: &Value) -> Result<bool, DbErr> {
        if self.sql.backend == DbBackend::Sqlite {
            return Ok(true);
        }
        let lock = self.sql.with(&self.sql.lock, [id.clone()]);
        Ok(tx.query_one_raw(lock).await?.is_some())
    }

    fn stored(&self, row: &QueryResult) -> Result<Stored<E::Model>, DbErr> {
        let user = E::Model::from_query_result(row, "")?;
        let epoch: Option<i64> = row.try_get_by_index(self.sql.width)?;
        Ok(Stored::new(user).at_epoch(Epoch(epoch.unwrap_or(0))))
    }

    async fn read<C: ConnectionTrait>(
        &self,
        db: &C,
        text: &str,
        value: Value,
    ) -> Result<Option<Stored<E::Model>>, DbErr> {
        let row = db.query_one_raw(self.sql.with(text, [value])).await?;
        row.map(|row| self.stored(&row)).transpose()
    }

    /// What a refused write means for the caller; `None` where it is no refusal of the caller's values.
    async fn refusal(&self, err: &DbErr, key: Option<&EmailKey>) -> Result<Option<Refusal>, DbErr> {
        let (rule, place) = match cause(err) {
            Cause::Refused { rule, place } => (rule, place),
            Cause::ForeignKey(place) => (OwnRule::Invalid, place),
            _ => return Ok(None),
        };
        let columns = match place {
            Place::Columns(columns) => columns,
            Place::Index(index) => self.columns_of_index(&index).await?,
            Place::Unknown => Vec::new(),
        };
        let is = |name: &String, column: &E::Column| name.eq_ignore_ascii_case(column.as_str());
        if rule == OwnRule::Unique {
            if columns
                .iter()
                .any(|name| is(name, &E::EMAIL_KEY) || is(name, &E::EMAIL))
            {
                return Ok(Some(Refusal::EmailTaken));
            }
            if let (true, Some(key)) = (columns.is_empty(), key)
                && self
                    .read(&self.db, &self.sql.find_by_email, key.as_str().into())
                    .await?
                    .is_some()
            {
                return Ok(Some(Refusal::EmailTaken));
            }
        }
        if columns
            .iter()
            .any(|name| is(name, &E::EMAIL_KEY) || is(name, &E::EMAIL))
        {
            // The table is narrower than an address may be, or of another character set: still the caller's value.
            return Ok(Some(Refusal::Own(OwnConflict::new(
                rule,
                Some("email".to_owned()),
            ))));
        }
        let owned = |name: &String| E::OWNED.iter().any(|column| is(name, column));
        if !columns.is_empty() && columns.iter().all(owned) {
            return Ok(None);
        }
        let column = columns.into_iter().find(|name| !owned(name));
        Ok(Some(Refusal::Own(OwnConflict::new(rule, column))))
    }

    /// `MariaDB` and `MySQL` name the index that refused a value, not its columns.
    async fn columns_of_index(&self, index: &str) -> Result<Vec<String>, DbErr> {
        let find = self.sql.with(
            "SELECT CAST(column_name AS CHAR) AS name FROM information_schema.statistics \
             WHERE table_schema = DATABASE() AND table_name = ? AND index_name = ? ORDER BY seq_in_index",
            [Tables::of::<E>().user().into(), index.into()],
        );
        let rows = self.db.query_all_raw(find).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// The row of a new user.
    fn row(new: &NewUser<E::ActiveModel>) -> Result<E::ActiveModel, DbErr> {
        let mut row = E::ActiveModel::new();
        for column in E::Column::iter().filter(|column| !owns::<E>(*column)) {
            if let Some(value) = new.own.get(column).into_value() {
                row.try_set(column, value)?;
            }
        }
        if row.is_not_set(E::ID) && *E::ID.def().get_column_type() == ColumnType::Uuid {
            row.try_set(E::ID, fresh_uuid()?.into())?;
        }
        let mut known = UserChanges::new();
        known.email = Some(new.email.clone());
        known.is_active = Some(new.is_active);
        known.is_verified = Some(new.is_verified);
        known.is_superuser = Some(new.is_superuser);
        E::write(&mut row, &known);
        E::write_hash(
            &mut row,
            new.hashed_password
                .as_ref()
                .map(axum_users_core::PasswordHash::as_str),
        );
        Ok(row)
    }

    async fn try_insert(
        &self,
        new: &NewUser<E::ActiveModel>,
        compose: Compose<'_, E::Model>,
    ) -> Result<Inserted<E::Model>, DbErr> {
        let row = Self::row(new)?;
        let tx = self.begin().await?;
        let user = match insert_row::<E>(row, &tx).await {
            Ok(user) => user,
            Err(err) => {
                tx.rollback().await?;
                return match self.refusal(&err, Some(new.email.key())).await? {
                    Some(Refusal::EmailTaken) => Ok(Inserted::EmailTaken),
                    Some(Refusal::Own(conflict)) => Ok(Inserted::OwnConflict(conflict)),
                    None => Err(err),
                };
            }
        };
        if let Some(companion) = &self.companion
            && let Err(error) = companion(&tx, &user).await
        {
            tx.rollback().await?;
            return match companion_refusal(error)? {
                CompanionRefusal::Denied(denied) => Ok(Inserted::Denied(denied)),
                CompanionRefusal::Own(conflict) => Ok(Inserted::OwnConflict(conflict)),
            };
        }
        let work = async {
            let (key, id) = (new.email.key(), user.id().into());
            if self.email_is_kept(&tx, key, id, new.at).await? {
                return Ok(false);
            }
            self.keep_messages(&tx, &compose(&user), new.at).await?;
            Ok(true)
        };
        match work.await {
            Ok(true) => {
                crash_point("user-before-commit").await;
                tx.commit().await?;
                crash_point("user-after-commit").await;
                Ok(Inserted::Created(user))
            }
            Ok(false) => {
                tx.rollback().await?;
                Ok(Inserted::EmailTaken)
            }
            Err(err) => {
                tx.rollback().await?;
                Err(err)
            }
        }
    }

    /// The work of [`try_insert`](Self::try_insert) for an address that nobody has, which is taken back.
    async fn try_rehearse(
        &self,
        new: &NewUser<E::ActiveModel>,
        messages: &[Message],
    ) -> Result<Rehearsed, DbErr> {
        let row = Self::row(new)?;
        let tx = self.begin().await?;
        let work = async {
            let user = insert_row::<E>(row, &tx).await.map_err(Failed::Row)?;
            if let Some(companion) = &self.companion {
                companion(&tx, &user).await.map_err(Failed::Companion)?;
            }
            let (key, id) = (new.email.key(), user.id().into());
            let kept = self.email_is_kept(&tx, key, id, new.at).await;
            kept.map_err(Failed::Row)
        };
        let done = work.await;
        tx.rollback().await?;
        match done {
            Ok(_) => {}
            Err(Failed::Companion(error)) => {
                return Ok(match companion_refusal(error)? {
                    CompanionRefusal::Denied(denied) => Rehearsed::Denied(denied),
                    CompanionRefusal::Own(conflict) => Rehearsed::OwnConflict(conflict),
                });
            }
            Err(Failed::Row(err)) => {
                return match self.refusal(&err, None).await? {
                    Some(Refusal::Own(conflict)) => Ok(Rehearsed::OwnConflict(conflict)),
                    _ => Err(err),
                };
            }
        }
        self.keep_messages(&self.db, messages, new.at).await?;
        Ok(Rehearsed::Done)
    }

    async fn try_update(
        &self,
        id: &IdOf<Self>,
        change: &Change<E::ActiveModel>,
    ) -> Result<Applied<E::Model>, DbErr> {
        let tx = self.begin().await?;
        match self.apply(&tx, id, change).await {
            Ok(Applied::Applied(stored)) => {
                crash_point("change-before-commit").await;
                tx.commit().await?;
                crash_point("change-after-commit").await;
                Ok(Applied::Applied(stored))
            }
            Ok(nothing) => {
                tx.rollback().await?;
                Ok(nothing)
            }
            Err((err, own)) => {
                tx.rollback().await?;
                let key = change.set.email.as_ref().map(EmailAddress::key);
                match if own { self.refusal(&err, key).await? } else { None } {
                    Some(Refusal::EmailTaken) => Ok(Applied::EmailTaken),
                    Some(Refusal::Own(conflict)) => Ok(Applied::OwnConflict(conflict)),
                    None => Err(err),
                }
            }
        }
    }

    /// The change inside its transaction; an error says whether it came from the row of the user.
    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        id: &IdOf<Self>,
        change: &Change<E::ActiveModel>,
    ) -> Result<Applied<E::Model>, (DbErr, bool)> {
        let ours = |err| (err, false);
        let key: Value = id.clone().into();
        if !self.lock(tx, &key).await.map_err(ours)? {
            return Ok(Applied::Missing);
        }
        let Some(before) = self.read(tx, &self.sql.find, key.clone()).await.map_err(ours)? else {
            return Ok(Applied::Missing);
        };
        if !change.expect.holds_for(&before) {
            return Ok(Applied::Stale);
        }
        if !self
            .settle_email_change(tx, &key, &change.email_change, change.at)
            .await
            .map_err(ours)?
        {
            return Ok(Applied::Stale);
        }
        let was = match change.email_change {
            EmailChange::Ask(_) => Some(before.user.clone()),
            _ => None,
        };
        let mut after = before;
        let mut row = change.own.clone();
        for column in E::OWNED {
            row.not_set(*column);
        }
        E::write(&mut row, &change.set);
        if row.is_changed() {
            row.try_set(E::ID, key.clone()).map_err(ours)?;
            after.user = row.update(tx).await.map_err(|err| (err, true))?;
            crash_point("change-sessions-not-ended").await;
        }
        if let Some(email) = &change.set.email
            && self
                .email_is_kept(tx, email.key(), key.clone(), change.at)
                .await
                .map_err(ours)?
        {
            return Ok(Applied::EmailTaken);
        }
        after.epoch = self
            .end_sessions(tx, &key, after.epoch, change.end_sessions)
            .await
            .map_err(ours)?;
        if change.end_sessions != EndSessions::None
            || matches!(change.email_change, EmailChange::Cancel | EmailChange::Ask(_))
        {
            self.cancel_email_change(tx, &key).await.map_err(ours)?;
        }
        if let (EmailChange::Ask(new), Some(was)) = (&change.email_change, &was) {
            self.keep_email_change(tx, was, new, change.at)
                .await
                .map_err(ours)?;
        }
        self.keep_messages(tx, &change.messages, change.at)
            .await
            .map_err(ours)?;
        Ok(Applied::Applied(after))
    }

    /// Ends sessions of a locked user; answers the epoch that holds then.
    async fn end_sessions(
        &self,
        tx: &DatabaseTransaction,
        id: &Value,
        epoch: Epoch,
        which: EndSessions,
    ) -> Result<Epoch, DbErr> {
        let kept = match which {
            EndSessions::None => return Ok(epoch),
            EndSessions::All | EndSessions::Everything => None,
            EndSessions::AllExcept(digest) => Some(Value::from(digest.as_bytes().to_vec())),
            _ => {
                return Err(DbErr::Custom(
                    "this store does not know this way to end sessions".to_owned(),
                ));
            }
        };
        let next = epoch.0.saturating_add(1);
        tx.execute_raw(self.sql.with(&self.sql.set_epoch, [id.clone(), next.into()]))
            .await?;
        if which == EndSessions::Everything {
            tx.execute_raw(self.sql.with(&self.sql.delete_personal, [id.clone()]))
                .await?;
        }
        match kept {
            None => {
                tx.execute_raw(self.sql.with(&self.sql.delete_tokens, [id.clone()]))
                    .await?;
            }
            Some(digest) => {
                let others = [id.clone(), digest.clone()];
                tx.execute_raw(self.sql.with(&self.sql.delete_other_tokens, others))
                    .await?;
                let moved = [next.into(), id.clone(), digest, epoch.0.into()];
                tx.execute_raw(self.sql.with(&self.sql.move_token, moved)).await?;
            }
        }
        Ok(Epoch(next))
    }

    async fn try_delete(&self, id: &IdOf<Self>, expect: &Expected) -> Result<Removed, DbErr> {
        let key: Value = id.clone().into();
        let tx = self.begin().await?;
        let work = async {
            if !self.lock(&tx, &key).await? {
                return Ok(Removed::Missing);
            }
            let before = self.read(&tx, &self.sql.find, key.clone()).await?;
            if before.is_some_and(|before| !expect.holds_for(&before)) {
                return Ok(Removed::Stale);
            }
            let texts = [
                &self.sql.delete_tokens,
                &self.sql.delete_personal,
                &self.sql.delete_epoch,
                &self.sql.forget_email_changes,
            ];
            for text in texts {
                tx.execute_raw(self.sql.with(text, [key.clone()])).await?;
            }
            let gone = tx
                .execute_raw(self.sql.with(&self.sql.delete_user, [key.clone()]))
                .await?;
            Ok(match gone.rows_affected() {
                0 => Removed::Missing,
                _ => Removed::Removed,
            })
        };
        // A foreign key may be looked at no earlier than at the end of the transaction.
        let ended = match work.await {
            Ok(Removed::Removed) => tx.commit().await.map(|()| Removed::Removed),
            nothing => {
                tx.rollback().await?;
                nothing
            }
        };
        match ended {
            Err(err) if matches!(cause(&err), Cause::ForeignKey(_)) => Ok(Removed::InUse),
            ended => ended,
        }
    }

    pub(crate) async fn keep_messages<C: ConnectionTrait>(
        &self,
        db: &C,
        messages: &[Message],
        at: Timestamp,
    ) -> Result<(), DbErr> {
        if messages.is_empty() {
            return Ok(());
        }
        let rows = vec!["(?, ?, ?, ?, ?, ?, ?, 0)"; messages.len()].join(", ");
        let text = format!(
            "INSERT INTO {} (kind, recipient, subject, body, html, created_at, due_at, attempts) VALUES {rows}",
            self.sql.outbox
        );
        let mut values: Vec<Value> = Vec::with_capacity(messages.len() * 7);
        for message in messages {
            values.extend([
                message.kind.as_str().into(),
                message.to.as_str().into(),
                message.subject.as_str().into(),
                Some(message.text.clone()).into(),
                message.html.clone().into(),
                at.as_millis().into(),
                at.as_millis().into(),
            ]);
        }
        db.execute_raw(self.sql.dynamic(&text, values)).await?;
        Ok(())
    }
}

enum Refusal {
    EmailTaken,
    Own(OwnConflict),
}

/// Inserts a user. A column that has to have a value and was given none is forgotten in the wiring: no fault of who registers.
async fn insert_row<E: UserEntity>(row: E::ActiveModel, tx: &DatabaseTransaction) -> Result<E::Model, DbErr> {
    let unset: Vec<&str> = E::Column::iter()
        .filter(|column| row.get(*column).is_not_set())
        .map(|column| column.as_str())
        .collect();
    row.insert(tx).await.map_err(|err| {
        let Cause::Refused {
            rule: OwnRule::Invalid,
            place: Place::Columns(columns),
        } = cause(&err)
        else {
            return err;
        };
        match unset.iter().find(|unset| columns.iter().any(|column| column == *unset)) {
            Some(forgotten) => DbErr::Custom(format!(
                "a new user has no value for the column `{forgotten}`, which has no default: set it where the fields of your \
                 registration become an `ActiveModel`, as by `#[sea_orm(set({forgotten} = \"…\"))]`, or give the column a default"
            )),
            None => err,
        }
    })
}

/// What of a new user failed.
enum Failed {
    Row(DbErr),
    Companion(CompanionError),
}

enum CompanionRefusal {
    Denied(Denied),
    Own(OwnConflict),
}

/// What the refusal of a companion means; the columns of its rows are not the user's.
fn companion_refusal(error: CompanionError) -> Result<CompanionRefusal, DbErr> {
    let err = match error {
        CompanionError::Denied(denied) => return Ok(CompanionRefusal::Denied(denied)),
        CompanionError::OwnConflict(conflict) => return Ok(CompanionRefusal::Own(conflict)),
        CompanionError::Database(err) => err,
    };
    let (rule, place) = match cause(&err) {
        Cause::Refused { rule, place } => (rule, place),
        Cause::ForeignKey(place) => (OwnRule::Invalid, place),
        _ => return Err(err),
    };
    let column = match place {
        Place::Columns(columns) => columns.into_iter().next(),
        Place::Index(_) | Place::Unknown => None,
    };
    Ok(CompanionRefusal::Own(OwnConflict::new(rule, column)))
}

/// What a database answers in time. Without an end a connection that fell silent would hold its request for ever.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, StoreError> {
    let mut work = pin!(work);
    // The connection goes back when `work` is dropped, and must be suspected by then.
    if let Ok(done) = tokio::time::timeout(limit, &mut work).await {
        return done.map_err(store_error);
    }
    no_answer();
    Err(StoreError::unavailable("the database gave no answer in time"))
}

fn owns<E: UserEntity>(column: E::Column) -> bool {
    E::OWNED.iter().any(|owned| owned.as_str() == column.as_str())
}

fn fresh_uuid() -> Result<uuid::Uuid, DbErr> {
    let mut bytes = [0; 16];
    SystemRandom
        .fill(&mut bytes)
        .map_err(|err| DbErr::Custom(err.to_string()))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

impl<E: UserEntity> Clone for SeaOrmUsers<E> {
    fn clone(&self) -> Self {
        Self {
            db: self.db.clone(),
            sql: Arc::clone(&self.sql),
            lookups: Arc::clone(&self.lookups),
            timeout: self.timeout,
            companion: self.companion.clone(),
            login_by: self.login_by.clone(),
        }
    }
}

impl<E: UserEntity> fmt::Debug for SeaOrmUsers<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeaOrmUsers")
            .field("table", &Tables::of::<E>().user())
            .field("backend", &self.sql.backend)
            .field("timeout", &self.timeout)
            .field("companion", &self.companion.is_some())
            .field("login_by", &self.login_by.as_ref().map(|by| by.column.as_str()))
            .finish_non_exhaustive()
    }
}

impl<E: UserEntity> UserStore for SeaOrmUsers<E> {
    type User = E::Model;
    type Columns = E::ActiveModel;

    async fn find(&self, id: &IdOf<Self>) -> Result<Option<Stored<E::Model>>, StoreError> {
        self.once(self.read(&self.db, &self.sql.find, id.clone().into()))
            .await
    }

    async fn find_by_email(&self, email: &EmailKey) -> Result<Option<Stored<E::Model>>, StoreError> {
        self.once(self.read(&self.db, &self.sql.find_by_email, email.as_str().into()))
            .await
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Stored<E::Model>>, StoreError> {
        if let Ok(key) = normalize_email(login) {
            return self.find_by_email(&key).await;
        }
        let Some(by) = &self.login_by else {
            return Ok(None);
        };
        match (by.value)(login) {
            Some(value) => self.once(self.read(&self.db, &by.find, value.into())).await,
            None => Ok(None),
        }
    }

    fn login_name(&self, login: &str) -> String {
        if let Ok(key) = normalize_email(login) {
            return key.as_str().to_owned();
        }
        let by = self.login_by.as_ref();
        // What is looked for in no column is nobody's: one name for all of it says enough.
        by.and_then(|by| (by.value)(login)).unwrap_or_default()
    }

    fn login_names(&self, user: &E::Model) -> Vec<String> {
        let mut names = vec![self.login_name(user.email())];
        if let Some(by) = &self.login_by
            && let Value::String(Some(login)) = user.get(by.column)
        {
            names.push(login);
        }
        names
    }

    async fn insert(
        &self,
        new: NewUser<E::ActiveModel>,
        compose: Compose<'_, E::Model>,
    ) -> Result<Inserted<E::Model>, StoreError> {
        self.repeated(|| self.try_insert(&new, compose)).await
    }

    async fn rehearse(
        &self,
        mut new: NewUser<E::ActiveModel>,
        messages: Vec<Message>,
    ) -> Result<Rehearsed, StoreError> {
        let nobody = fresh_uuid().map_err(store_error)?;
        new.email =
            EmailAddress::parse(&format!("{nobody}@axum-users.invalid")).map_err(StoreError::fault)?;
        self.repeated(|| self.try_rehearse(&new, &messages)).await
    }

    fn keeps_email_changes(&self) -> bool {
        true
    }

    async fn update(
        &self,
        id: &IdOf<Self>,
        change: Change<E::ActiveModel>,
    ) -> Result<Applied<E::Model>, StoreError> {
        self.repeated(|| self.try_update(id, &change)).await
    }

    async fn delete(&self, id: &IdOf<Self>, expect: Expected) -> Result<Removed, StoreError> {
        self.repeated(|| self.try_delete(id, &expect)).await
    }

    async fn resolve(
        &self,
        claim: &Claim<IdOf<Self>>,
        now: Timestamp,
    ) -> Result<Option<SignedIn<E::Model>>, StoreError> {
        self.answer(claim, now).await
    }

    async fn enqueue(&self, messages: Vec<Message>, at: Timestamp) -> Result<(), StoreError> {
        self.once(self.keep_messages(&self.db, &messages, at)).await
    }

    async fn check(&self) -> Result<(), SetupError> {
        let by = self.login_by.as_ref().map(|by| by.column.as_str());
        crate::check::check::<E>(&self.db, by).await
    }
}

// The compiler is to speak of what cannot be written, not of a trait of SeaORM.
#[diagnostic::do_not_recommend]
impl<E: UserEntity, X: IntoActiveModel<E::ActiveModel>> Accepts<X> for SeaOrmUsers<E> {
    fn columns(value: X) -> E::ActiveModel {
        value.into_active_model()
    }
}
