-- What is needed to explain a request later. `policy` is the first 8 bytes of the policy's hash: generations begin anew with
-- each start, it does not. `trace` is a document of its own form; see `trace.rs`.
ALTER TABLE query_logs ADD COLUMN service TEXT;
ALTER TABLE query_logs ADD COLUMN policy BLOB;
ALTER TABLE query_logs ADD COLUMN trace BLOB;

-- The one index that every request pays for: a person comes with an id.
CREATE INDEX query_logs_by_id ON query_logs (correlation_id);
