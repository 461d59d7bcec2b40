-- Alerts that were raised, and that they are over. People and addresses are keyed hashes.
CREATE TABLE alerts (
    id        INTEGER PRIMARY KEY,
    time_ms   INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    event     TEXT    NOT NULL CHECK (event IN ('raised', 'recovered')),
    severity  TEXT    NOT NULL,
    title     TEXT    NOT NULL,
    subject   TEXT,
    count     INTEGER NOT NULL,
    delivered TEXT
) STRICT;
