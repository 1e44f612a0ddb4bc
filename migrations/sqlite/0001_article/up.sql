-- `number` is SQLite's rowid, declared because VACUUM keeps only a declared one; the search index refers to it. It is
-- not visible outside the database. Instants are microseconds since 1970.
-- Texts compare as bytes of UTF-8, which is the order of their code points.
-- The defaults are for other programs; this expression for the current time works in every version of SQLite.
CREATE TABLE article (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (typeof(id) = 'blob' AND length(id) = 16),
    title TEXT NOT NULL CHECK (typeof(title) = 'text' AND length(title) BETWEEN 1 AND 65),
    slug TEXT NOT NULL UNIQUE CHECK (typeof(slug) = 'text' AND length(slug) BETWEEN 1 AND 65),
    text TEXT NOT NULL CHECK (typeof(text) = 'text'),
    created_at INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000)
        CHECK (typeof(created_at) = 'integer'),
    updated_at INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000)
        CHECK (typeof(updated_at) = 'integer'),
    version INTEGER NOT NULL DEFAULT 1 CHECK (typeof(version) = 'integer' AND version >= 1)
);

-- For pages with the newest first and, scanned backwards, with the oldest first.
CREATE INDEX article_created_at_id ON article (created_at, id);
