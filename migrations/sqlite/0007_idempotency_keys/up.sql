-- Mutations that carry an `Idempotency-Key`: what was asked and what was answered, written in the mutation's own
-- transaction, so that the same request again is answered and not carried out.
--
-- `key` is the SHA-256 of the caller and its key, `request` that of what was asked, `answer` the JSON of the mutation's
-- field.
CREATE TABLE idempotency_key (
    key BLOB NOT NULL PRIMARY KEY CHECK (typeof(key) = 'blob' AND length(key) = 32),
    request BLOB NOT NULL CHECK (typeof(request) = 'blob' AND length(request) = 32),
    answer BLOB NOT NULL DEFAULT (x''),
    created_at INTEGER NOT NULL
);

-- For removing what has expired.
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
