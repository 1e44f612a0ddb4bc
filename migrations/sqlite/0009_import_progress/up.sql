-- How far each import has come, written in the transaction that imports the rows, so that one that was interrupted
-- continues where it was.
--
-- `source` is the SHA-256 of the name of what is imported, `row_count` how many of its rows are done, `digest` the SHA-256
-- of those rows.
CREATE TABLE import_progress (
    source BLOB NOT NULL PRIMARY KEY CHECK (typeof(source) = 'blob' AND length(source) = 32),
    row_count INTEGER NOT NULL CHECK (row_count >= 0),
    digest BLOB NOT NULL CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
    is_finished INTEGER NOT NULL
);
