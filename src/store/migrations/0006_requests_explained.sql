-- What is needed to explain a request later. `policy` is the first 8 bytes of the policy's hash: generations begin anew with
-- each start, it does not. `trace` is a document of its own form; see `trace.rs`.
ALTER TABLE query_logs ADD COLUMN service TEXT;
ALTER TABLE query_logs ADD COLUMN policy BLOB;
ALTER TABLE query_logs ADD COLUMN trace BLOB;

-- The one index that every request pays for: a person comes with an id.
CREATE INDEX query_logs_by_id ON query_logs (correlation_id);

-- Every other search goes by blocks of 4,096 row numbers, which the writer reads over when it has nothing else to do: of
-- each value in a block, which of its rows have it. New blocks stand at the end and old ones at the beginning, so that
-- neither building nor sweeping touches more than a page or two. See `blocks.rs`.
CREATE TABLE usage_blocks (
    block    INTEGER PRIMARY KEY,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE usage_index (
    block INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    value BLOB    NOT NULL,
    rows  BLOB    NOT NULL,
    PRIMARY KEY (block, kind, value)
) STRICT, WITHOUT ROWID;
