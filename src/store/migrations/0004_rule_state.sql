-- What rules remember: keys and counters (`list` empty), entries of lists, and the version that ran last (`list` is `*`).
CREATE TABLE kv (
    plugin     TEXT    NOT NULL,
    list       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    expires_ms INTEGER,
    PRIMARY KEY (plugin, list, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX kv_by_end ON kv (expires_ms) WHERE expires_ms IS NOT NULL;
