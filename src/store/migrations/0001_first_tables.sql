-- People and what they may do. `name` is the canonical sign-in name; `id` is what everything else knows.
CREATE TABLE users (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name       TEXT    NOT NULL UNIQUE,
    password   TEXT,
    roles      TEXT    NOT NULL,
    disabled   INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id      BLOB    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id);

-- One row a request. No index but the row id: every further one costs each request more than it saves a reader.
CREATE TABLE query_logs (
    id             INTEGER PRIMARY KEY,
    time_ms        INTEGER NOT NULL,
    correlation_id TEXT    NOT NULL,
    method         TEXT    NOT NULL,
    route          TEXT    NOT NULL,
    status         INTEGER NOT NULL,
    code           TEXT,
    stage          TEXT,
    duration_us    INTEGER NOT NULL,
    bytes_in       INTEGER NOT NULL,
    bytes_out      INTEGER NOT NULL,
    client_hash    BLOB    NOT NULL,
    user_hash      BLOB,
    plugin         TEXT,
    rule_line      INTEGER,
    generation     INTEGER NOT NULL
) STRICT;

CREATE TABLE reloads (
    id         INTEGER PRIMARY KEY,
    time_ms    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    outcome    TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    reason     TEXT
) STRICT;

-- What belongs to this database as a whole: the key under which people and addresses are pseudonyms.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
