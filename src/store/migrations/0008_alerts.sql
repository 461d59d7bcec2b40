-- Alerts that were raised, and that they are over. People and addresses are keyed hashes.
CREATE TABLE alerts (
    id         INTEGER PRIMARY KEY,
    event_id   TEXT    NOT NULL UNIQUE,
    time_ms    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    about      TEXT    NOT NULL,
    event      TEXT    NOT NULL CHECK (event IN ('raised', 'recovered')),
    severity   TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    subject    TEXT,
    count      INTEGER NOT NULL,
    window     TEXT,
    generation INTEGER NOT NULL,
    delivered  TEXT    NOT NULL
) STRICT;
