-- Who is kept out. `kind` is `network` or `user`; `target` is the network, or the account's id. Times in milliseconds.
CREATE TABLE bans (
    kind       TEXT    NOT NULL CHECK (kind IN ('network', 'user')),
    target     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    made_by    TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    PRIMARY KEY (kind, target)
) STRICT, WITHOUT ROWID;

-- Incident mode, one row while it is on.
CREATE TABLE lockdown (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    reason     TEXT    NOT NULL,
    made_by    TEXT    NOT NULL,
    since_ms   INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT;
