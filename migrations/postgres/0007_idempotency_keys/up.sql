-- Mutations that carry an `Idempotency-Key`: what was asked and what was answered, written in the mutation's own
-- transaction, so that the same request again is answered and not carried out.
--
-- `key` is the SHA-256 of the caller and its key, `request` that of what was asked, `answer` the JSON of the mutation's
-- field. The row is inserted before the mutation, so that a second request with the key waits for the first.
CREATE TABLE idempotency_key (
    key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    answer bytea NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);

-- For removing what has expired.
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
