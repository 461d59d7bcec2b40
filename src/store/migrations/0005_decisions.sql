-- What rules refused, and what they would have refused had they enforced. People and addresses are keyed hashes.
CREATE TABLE decisions (
    id             INTEGER PRIMARY KEY,
    time_ms        INTEGER NOT NULL,
    correlation_id TEXT    NOT NULL,
    plugin         TEXT    NOT NULL,
    hook           TEXT    NOT NULL,
    rule           TEXT    NOT NULL,
    code           TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    mode           TEXT    NOT NULL,
    route          TEXT    NOT NULL,
    client_hash    BLOB    NOT NULL,
    user_hash      BLOB
) STRICT;

CREATE INDEX decisions_by_plugin ON decisions (plugin, time_ms);
