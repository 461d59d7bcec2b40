-- Machines' keys. Of a secret only its SHA-256 is here: 256 random bits need no slow hash. `owner` is an account's id or a
-- word, never an address. Revoked keys stay, so that a listing can say when they ended.
CREATE TABLE api_keys (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 8),
    digest       BLOB    NOT NULL CHECK (length(digest) = 32),
    name         TEXT    NOT NULL,
    owner        TEXT    NOT NULL,
    tier         TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    per_minute   INTEGER,
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER,
    last_used_ms INTEGER,
    revoked_ms   INTEGER
) STRICT, WITHOUT ROWID;
