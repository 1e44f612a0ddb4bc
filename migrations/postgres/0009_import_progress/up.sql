-- The progress of each import, written in the transaction that imports the rows, so that an interrupted import resumes
-- where it stopped.
--
-- `source` is the SHA-256 of the source's name, `row_count` the number of imported rows, `digest` the SHA-256 of these
-- rows.
CREATE TABLE import_progress (
    source bytea PRIMARY KEY CHECK (octet_length(source) = 32),
    row_count bigint NOT NULL CHECK (row_count >= 0),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    is_finished boolean NOT NULL
);
