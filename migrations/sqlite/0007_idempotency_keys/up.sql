-- Mutations with an `Idempotency-Key`: request and response, written in the mutation's own transaction, so that the
-- same request gets the same response and is not executed again.
--
-- `key` is the SHA-256 of the caller and its key, `request` the SHA-256 of the request, `answer` the JSON of the
-- mutation's field.
CREATE TABLE idempotency_key (
    key BLOB NOT NULL PRIMARY KEY CHECK (typeof(key) = 'blob' AND length(key) = 32),
    request BLOB NOT NULL CHECK (typeof(request) = 'blob' AND length(request) = 32),
    answer BLOB NOT NULL DEFAULT (x''),
    created_at INTEGER NOT NULL
);

-- For removing expired keys.
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
