//! The statements of a store, written once when it is made: building one costs more than sending it.

use std::fmt::Write as _;

use axum_users_core::shared::MOST;
use sea_orm::{
    ColumnTrait, DbBackend, IdenStatic, Iterable, Statement, Value,
    sea_query::{Alias, Expr, Query},
};

use crate::{
    UserEntity,
    tables::{Tables, quote},
};

/// The texts. `?` stands for a value in all of them until [`numbered`] has seen them.
pub(crate) struct Statements {
    pub(crate) backend: DbBackend,
    /// How many columns of the user come before ours.
    pub(crate) width: usize,
    /// Reads users with their epoch; a condition follows.
    read: String,
    pub(crate) lock: String,
    pub(crate) find: String,
    pub(crate) find_by_email: String,
    pub(crate) by_subject: Widths,
    pub(crate) revoked_among: Widths,
    pub(crate) by_digest: Widths,
    pub(crate) by_personal: Widths,
    pub(crate) set_epoch: String,
    pub(crate) delete_user: String,
    pub(crate) delete_tokens: String,
    pub(crate) delete_other_tokens: String,
    pub(crate) delete_personal: String,
    pub(crate) delete_epoch: String,
    pub(crate) move_token: String,
    pub(crate) insert_token: String,
    pub(crate) count_tokens: String,
    pub(crate) end_oldest_tokens: String,
    pub(crate) note_use: String,
    pub(crate) end_token: String,
    pub(crate) list_tokens: String,
    pub(crate) name_token: String,
    pub(crate) end_token_by_id: String,
    pub(crate) insert_personal: String,
    pub(crate) count_personal: String,
    pub(crate) note_personal_use: String,
    pub(crate) list_personal: String,
    pub(crate) end_personal: String,
    pub(crate) revoke: String,
    pub(crate) purge_tokens: String,
    pub(crate) purge_personal: String,
    pub(crate) purge_revoked: String,
    pub(crate) purge_outbox: String,
    pub(crate) purge_email_changes: String,
    pub(crate) email_is_kept: String,
    pub(crate) ask_email_change: String,
    pub(crate) cancel_email_change: String,
    pub(crate) forget_email_changes: String,
    pub(crate) confirm_email_change: String,
    pub(crate) undo_email_change: String,
    pub(crate) drop_later_email_changes: String,
    pub(crate) email_change_by_confirm: String,
    pub(crate) email_change_by_undo: String,
    pub(crate) lease: String,
    pub(crate) finish: String,
    pub(crate) retry: String,
    pub(crate) release: String,
    pub(crate) outbox: String,
}

impl Statements {
    #[expect(
        clippy::too_many_lines,
        reason = "one list of all statements is easier to review than parts of it"
    )]
    pub(crate) fn of<E: UserEntity>(backend: DbBackend) -> Self {
        let names = Tables::of::<E>();
        let table = |name: &str| names.quoted(backend, name);
        let (user, tokens, personal, epochs, revoked, pending, outbox) = (
            table(names.user()),
            table(&names.tokens()),
            table(&names.personal_tokens()),
            table(&names.epochs()),
            table(&names.revoked()),
            table(&names.email_changes()),
            table(&names.outbox()),
        );
        let id = quote(backend, E::ID.as_str());
        let email_key = quote(backend, E::EMAIL_KEY.as_str());
        let columns = columns::<E>(backend);
        let read = format!(
            "SELECT {columns}, e.epoch AS axum_users_epoch FROM {user} u LEFT JOIN {epochs} e ON e.user_id = u.{id}"
        );
        let mysql = backend == DbBackend::MySql;
        let returning = if mysql { "" } else { " RETURNING id" };
        let batch = |table: &str, key: &str, moment: &str| {
            let oldest = format!("WHERE {moment} <= ? ORDER BY {moment} LIMIT ?");
            match backend {
                DbBackend::MySql => format!("DELETE FROM {table} {oldest}"),
                // The subquery must be materialised: a plan that runs it twice takes more than the batch.
                DbBackend::Postgres => format!(
                    "WITH expired AS MATERIALIZED (SELECT {key} FROM {table} {oldest} FOR UPDATE SKIP LOCKED) \
                     DELETE FROM {table} t USING expired WHERE t.{key} = expired.{key}"
                ),
                _ => format!("DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} {oldest})"),
            }
        };
        let unexpired = "(expires_at IS NULL OR expires_at > ?)";
        let live = format!(
            "user_id = ? AND backend = ? \
             AND epoch = COALESCE((SELECT e.epoch FROM {epochs} e WHERE e.user_id = ?), 0) AND {unexpired}"
        );
        let oldest = format!("WHERE {live} ORDER BY created_at, id LIMIT ?");
        let facts = "t.id AS axum_users_token, t.created_at AS axum_users_created_at, \
                     t.expires_at AS axum_users_expires_at, t.last_seen_at AS axum_users_last_seen_at";
        let seen = "last_seen_at = CASE WHEN last_seen_at > ? THEN last_seen_at ELSE ? END";
        let due = format!(
            "SELECT id FROM {outbox} WHERE due_at <= ? AND done_at IS NULL ORDER BY due_at, id LIMIT ?"
        );
        let leased = "id, attempts, kind, recipient, subject, body, html";

        let email_change = format!(
            "SELECT {columns}, p.id AS axum_users_change, p.old_email AS axum_users_old_email, \
             p.old_verified AS axum_users_old_verified, p.new_email AS axum_users_new_email, \
             p.expires_at AS axum_users_expires_at, p.confirmed_at AS axum_users_confirmed_at \
             FROM {pending} p JOIN {user} u ON u.{id} = p.user_id"
        );

        let mut all = Self {
            backend,
            width: E::Column::iter().count(),
            lock: format!("SELECT u.{id} FROM {user} u WHERE u.{id} = ? FOR UPDATE"),
            find: format!("{read} WHERE u.{id} = ?"),
            find_by_email: format!("{read} WHERE u.{email_key} = ?"),
            by_subject: Widths::of(backend, |places| {
                format!(
                    "SELECT {columns}, e.epoch AS axum_users_epoch, \
                     (SELECT COUNT(*) FROM {revoked} r WHERE r.token_id IN ({places})) AS axum_users_revoked \
                     FROM {user} u LEFT JOIN {epochs} e ON e.user_id = u.{id} WHERE u.{id} IN ({places})"
                )
            }),
            revoked_among: Widths::of(backend, |places| {
                format!("SELECT token_id FROM {revoked} WHERE token_id IN ({places})")
            }),
            by_digest: Widths::of(backend, |places| {
                format!(
                    "SELECT {columns}, {facts}, t.epoch AS axum_users_epoch, t.digest AS axum_users_digest, \
                     t.backend AS axum_users_backend FROM {tokens} t JOIN {user} u ON u.{id} = t.user_id \
                     LEFT JOIN {epochs} e ON e.user_id = t.user_id \
                     WHERE t.digest IN ({places}) AND t.epoch = COALESCE(e.epoch, 0)"
                )
            }),
            by_personal: Widths::of(backend, |places| {
                format!(
                    "SELECT {columns}, {facts}, e.epoch AS axum_users_epoch, t.digest AS axum_users_digest, \
                     t.scopes AS axum_users_scopes FROM {personal} t JOIN {user} u ON u.{id} = t.user_id \
                     LEFT JOIN {epochs} e ON e.user_id = t.user_id WHERE t.digest IN ({places})"
                )
            }),
            set_epoch: if mysql {
                format!(
                    "INSERT INTO {epochs} (user_id, epoch) VALUES (?, ?) ON DUPLICATE KEY UPDATE epoch = VALUES(epoch)"
                )
            } else {
                format!(
                    "INSERT INTO {epochs} (user_id, epoch) VALUES (?, ?) \
                     ON CONFLICT (user_id) DO UPDATE SET epoch = excluded.epoch"
                )
            },
            delete_user: format!("DELETE FROM {user} WHERE {id} = ?"),
            delete_tokens: format!("DELETE FROM {tokens} WHERE user_id = ?"),
            delete_other_tokens: format!("DELETE FROM {tokens} WHERE user_id = ? AND digest <> ?"),
            delete_personal: format!("DELETE FROM {personal} WHERE user_id = ?"),
            delete_epoch: format!("DELETE FROM {epochs} WHERE user_id = ?"),
            move_token: format!(
                "UPDATE {tokens} SET epoch = ? WHERE user_id = ? AND digest = ? AND epoch = ?"
            ),
            insert_token: format!(
                "INSERT INTO {tokens} \
                 (user_id, backend, digest, epoch, created_at, last_seen_at, expires_at, user_agent, address) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?){returning}"
            ),
            count_tokens: format!(
                "SELECT COUNT(*), COALESCE((SELECT e.epoch FROM {epochs} e WHERE e.user_id = ?), 0) FROM {tokens} \
                 WHERE {live}"
            ),
            end_oldest_tokens: if mysql {
                format!("DELETE FROM {tokens} {oldest}")
            } else {
                format!("DELETE FROM {tokens} WHERE id IN (SELECT id FROM {tokens} {oldest})")
            },
            note_use: format!(
                "UPDATE {tokens} SET {seen}, expires_at = CASE WHEN expires_at < ? THEN ? ELSE expires_at END \
                 WHERE digest = ? AND {unexpired}"
            ),
            end_token: format!("DELETE FROM {tokens} WHERE digest = ? AND backend = ?"),
            list_tokens: format!(
                "SELECT id, name, created_at, last_seen_at, expires_at, user_agent, address FROM {tokens} \
                 WHERE {live} ORDER BY created_at DESC, id DESC LIMIT ?"
            ),
            name_token: format!("UPDATE {tokens} SET name = ? WHERE id = ? AND {live}"),
            end_token_by_id: format!("DELETE FROM {tokens} WHERE id = ? AND user_id = ? AND backend = ?"),
            insert_personal: format!(
                "INSERT INTO {personal} (user_id, digest, name, scopes, created_at, expires_at) \
                 VALUES (?, ?, ?, ?, ?, ?){returning}"
            ),
            count_personal: format!(
                "SELECT COUNT(*), COALESCE((SELECT e.epoch FROM {epochs} e WHERE e.user_id = ?), 0) FROM {personal} \
                 WHERE user_id = ? AND {unexpired}"
            ),
            note_personal_use: format!("UPDATE {personal} SET {seen} WHERE digest = ? AND {unexpired}"),
            list_personal: format!(
                "SELECT id, name, scopes, created_at, last_seen_at, expires_at FROM {personal} \
                 WHERE user_id = ? AND {unexpired} ORDER BY created_at DESC, id DESC"
            ),
            end_personal: format!("DELETE FROM {personal} WHERE id = ? AND user_id = ?"),
            revoke: if mysql {
                format!(
                    "INSERT INTO {revoked} (token_id, expires_at) VALUES (?, ?) \
                     ON DUPLICATE KEY UPDATE expires_at = GREATEST(expires_at, VALUES(expires_at))"
                )
            } else {
                format!(
                    "INSERT INTO {revoked} AS r (token_id, expires_at) VALUES (?, ?) ON CONFLICT (token_id) \
                     DO UPDATE SET expires_at = excluded.expires_at WHERE excluded.expires_at > r.expires_at"
                )
            },
            purge_tokens: batch(&tokens, "id", "expires_at"),
            purge_personal: batch(&personal, "id", "expires_at"),
            purge_revoked: batch(&revoked, "token_id", "expires_at"),
            purge_outbox: batch(&outbox, "id", "done_at"),
            purge_email_changes: batch(&pending, "id", "expires_at"),
            email_is_kept: format!(
                "SELECT id FROM {pending} WHERE old_email_key = ? AND user_id <> ? \
                 AND confirmed_at IS NOT NULL AND expires_at > ? LIMIT 1"
            ),
            ask_email_change: format!(
                "INSERT INTO {pending} (user_id, confirm_digest, undo_digest, old_email, old_email_key, old_verified, \
                 new_email, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            ),
            cancel_email_change: format!("DELETE FROM {pending} WHERE user_id = ? AND confirmed_at IS NULL"),
            forget_email_changes: format!("DELETE FROM {pending} WHERE user_id = ?"),
            confirm_email_change: format!(
                "UPDATE {pending} SET confirmed_at = ?, expires_at = ? \
                 WHERE id = ? AND user_id = ? AND confirmed_at IS NULL"
            ),
            undo_email_change: format!(
                "DELETE FROM {pending} WHERE id = ? AND user_id = ? AND (confirmed_at IS NOT NULL) = ?"
            ),
            drop_later_email_changes: format!("DELETE FROM {pending} WHERE user_id = ? AND id > ?"),
            email_change_by_confirm: format!("{email_change} WHERE p.confirm_digest = ?"),
            email_change_by_undo: format!("{email_change} WHERE p.undo_digest = ?"),
            lease: match backend {
                // The subquery must be materialised: a plan that runs it twice leases more than the limit.
                DbBackend::Postgres => format!(
                    "WITH due AS MATERIALIZED ({due} FOR UPDATE SKIP LOCKED) UPDATE {outbox} o \
                     SET due_at = ?, attempts = o.attempts + 1 FROM due WHERE o.id = due.id \
                     RETURNING o.id, o.attempts - 1 AS attempts, o.kind, o.recipient, o.subject, o.body, o.html"
                ),
                DbBackend::Sqlite => format!(
                    "UPDATE {outbox} SET attempts = attempts + 1, due_at = ?3 WHERE id IN ({}) \
                     RETURNING id, attempts - 1 AS attempts, kind, recipient, subject, body, html",
                    due.replacen('?', "?1", 1).replacen("LIMIT ?", "LIMIT ?2", 1)
                ),
                DbBackend::MySql | _ => format!(
                    "SELECT {leased} FROM {outbox} WHERE due_at <= ? AND done_at IS NULL ORDER BY due_at, id LIMIT ? \
                     FOR UPDATE SKIP LOCKED"
                ),
            },
            // A finished row is never due again, so that those that wait stay at the front of the index.
            finish: format!(
                "UPDATE {outbox} SET done_at = ?, outcome = ?, due_at = {}, recipient = '', subject = '', \
                 body = NULL, html = NULL WHERE id = ?",
                i64::MAX
            ),
            retry: format!("UPDATE {outbox} SET due_at = ? WHERE id = ? AND done_at IS NULL"),
            release: format!(
                "UPDATE {outbox} SET due_at = ?, attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END \
                 WHERE id = ? AND done_at IS NULL"
            ),
            outbox,
            read,
        };
        if backend == DbBackend::Postgres {
            for text in all.texts() {
                *text = numbered(text);
            }
        }
        all
    }

    fn texts(&mut self) -> [&mut String; 42] {
        [
            &mut self.lock,
            &mut self.find,
            &mut self.find_by_email,
            &mut self.set_epoch,
            &mut self.delete_user,
            &mut self.delete_tokens,
            &mut self.delete_other_tokens,
            &mut self.delete_personal,
            &mut self.delete_epoch,
            &mut self.move_token,
            &mut self.insert_token,
            &mut self.count_tokens,
            &mut self.end_oldest_tokens,
            &mut self.note_use,
            &mut self.end_token,
            &mut self.list_tokens,
            &mut self.name_token,
            &mut self.end_token_by_id,
            &mut self.insert_personal,
            &mut self.count_personal,
            &mut self.note_personal_use,
            &mut self.list_personal,
            &mut self.end_personal,
            &mut self.revoke,
            &mut self.purge_tokens,
            &mut self.purge_personal,
            &mut self.purge_revoked,
            &mut self.purge_outbox,
            &mut self.purge_email_changes,
            &mut self.email_is_kept,
            &mut self.ask_email_change,
            &mut self.cancel_email_change,
            &mut self.forget_email_changes,
            &mut self.confirm_email_change,
            &mut self.undo_email_change,
            &mut self.drop_later_email_changes,
            &mut self.email_change_by_confirm,
            &mut self.email_change_by_undo,
            &mut self.lease,
            &mut self.finish,
            &mut self.retry,
            &mut self.release,
        ]
    }

    /// A text that finds a user by a column of the application's own.
    pub(crate) fn find_by<C: IdenStatic>(&self, column: &C) -> String {
        let value = if self.backend == DbBackend::Postgres {
            "$1"
        } else {
            "?"
        };
        let column = quote(self.backend, column.as_str());
        format!("{} WHERE u.{column} = {value}", self.read)
    }

    /// One of the texts with its values.
    pub(crate) fn with(&self, text: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.backend, text, values)
    }

    /// A text that depends on the call, with its values.
    pub(crate) fn dynamic(&self, text: &str, values: Vec<Value>) -> Statement {
        if self.backend == DbBackend::Postgres {
            Statement::from_sql_and_values(self.backend, numbered(text), values)
        } else {
            Statement::from_sql_and_values(self.backend, text, values)
        }
    }
}

/// A statement about one thing, two, four, and so on up to [`MOST`]: few texts, each of which the database prepares once.
pub(crate) struct Widths(Vec<String>);

impl Widths {
    /// The texts that `write` makes, for a list of that many places.
    fn of(backend: DbBackend, write: impl Fn(&str) -> String) -> Self {
        let widths = (0..=MOST.ilog2()).map(|power| vec!["?"; 1 << power].join(", "));
        let texts = widths.map(|places| match backend {
            DbBackend::Postgres => numbered(&write(&places)),
            _ => write(&places),
        });
        Self(texts.collect())
    }

    /// The text for `count` things.
    pub(crate) fn text(&self, count: usize) -> &str {
        let power = count.next_power_of_two().trailing_zeros() as usize;
        self.0.get(power).map_or("", String::as_str)
    }

    /// The values of a list in the text for that many things; the last one fills what is left.
    pub(crate) fn filled<Q>(things: &[Q], value: impl Fn(&Q) -> Value) -> impl Iterator<Item = Value> {
        let missing = things.len().next_power_of_two() - things.len();
        let last = things.last().into_iter().cycle().take(missing);
        things.iter().chain(last).map(value)
    }
}

/// The columns of the user under their own names, so that the model reads them without a prefix; enums are cast to text.
fn columns<E: UserEntity>(backend: DbBackend) -> String {
    let mut select = Query::select();
    for column in E::Column::iter() {
        let place = Expr::col((Alias::new("u"), column));
        select.expr_as(column.select_as(place), Alias::new(column.as_str()));
    }
    let text = backend.build(&select).sql;
    text.strip_prefix("SELECT ").unwrap_or(&text).to_owned()
}

/// `$1`, `$2`, … for `?`.
fn numbered(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut parts = text.split('?');
    out.push_str(parts.next().unwrap_or_default());
    for (index, part) in parts.enumerate() {
        let _ = write!(out, "${}{part}", index + 1);
    }
    out
}
