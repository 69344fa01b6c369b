-- The table as the club has had it for years, on SQLite.
CREATE TABLE members (
    member_no INTEGER PRIMARY KEY AUTOINCREMENT,
    mail VARCHAR(320) NOT NULL UNIQUE,
    password_hash VARCHAR(255) NOT NULL DEFAULT '',
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    mail_confirmed BOOLEAN NOT NULL DEFAULT FALSE,
    desk BOOLEAN NOT NULL DEFAULT FALSE,
    name VARCHAR(80) NOT NULL
);
