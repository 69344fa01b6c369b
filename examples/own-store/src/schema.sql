CREATE TABLE IF NOT EXISTS users (
    id              INTEGER PRIMARY KEY AUTOINCREMENT, -- a key that was somebody's never becomes another one's
    email           TEXT    NOT NULL,
    email_key       TEXT    NOT NULL UNIQUE,           -- SQLite compares bytes, as it must be
    hashed_password TEXT    NULL,
    is_active       INTEGER NOT NULL,
    is_verified     INTEGER NOT NULL,
    is_superuser    INTEGER NOT NULL,
    full_name       TEXT    NULL CHECK (length(full_name) <= 40),
    epoch           INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    backend      TEXT    NOT NULL,
    digest       BLOB    NOT NULL UNIQUE,
    epoch        INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NULL,
    expires_at   INTEGER NULL,
    name         TEXT    NULL,
    user_agent   TEXT    NULL,
    address      TEXT    NULL
);
CREATE INDEX IF NOT EXISTS tokens_user_id ON tokens (user_id);
CREATE INDEX IF NOT EXISTS tokens_expires_at ON tokens (expires_at);

CREATE TABLE IF NOT EXISTS personal_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest       BLOB    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    scopes       TEXT    NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NULL,
    expires_at   INTEGER NULL
);
CREATE INDEX IF NOT EXISTS personal_tokens_user_id ON personal_tokens (user_id);
CREATE INDEX IF NOT EXISTS personal_tokens_expires_at ON personal_tokens (expires_at);

CREATE TABLE IF NOT EXISTS revoked (
    token_id   TEXT    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS revoked_expires_at ON revoked (expires_at);

-- Changes of address that wait for their new mailbox, or can still be undone from the old one.
CREATE TABLE IF NOT EXISTS email_changes (
    id             INTEGER PRIMARY KEY AUTOINCREMENT, -- later changes have larger ones
    user_id        INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    confirm_digest BLOB    NOT NULL UNIQUE,
    undo_digest    BLOB    NOT NULL UNIQUE,
    old_email      TEXT    NOT NULL,
    old_email_key  TEXT    NOT NULL,
    old_verified   INTEGER NOT NULL,
    new_email      TEXT    NOT NULL,
    expires_at     INTEGER NOT NULL,
    confirmed_at   INTEGER NULL
);
CREATE INDEX IF NOT EXISTS email_changes_user_id ON email_changes (user_id);
CREATE INDEX IF NOT EXISTS email_changes_old_email_key ON email_changes (old_email_key);
CREATE INDEX IF NOT EXISTS email_changes_expires_at ON email_changes (expires_at);

-- A mail that is sent or given up is gone, and with it address and link.
CREATE TABLE IF NOT EXISTS outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT    NOT NULL,
    recipient TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    html      TEXT    NULL,
    due_at    INTEGER NOT NULL,
    attempts  INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS outbox_due_at ON outbox (due_at);
