-- Mutations with an `Idempotency-Key`: request and response, written in the mutation's own transaction, so that the
-- same request gets the same response and is not executed again.
--
-- `key` is the SHA-256 of the caller and its key, `request` the SHA-256 of the request, `answer` the JSON of the
-- mutation's field. The row is inserted before the mutation, so that a second request with the key waits for the
-- first.
CREATE TABLE idempotency_key (
    key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    answer bytea NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);

-- For removing expired keys.
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
