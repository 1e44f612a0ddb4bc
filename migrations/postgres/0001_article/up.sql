-- Collation "C": titles and slugs sort by code point, whatever the locale of the database.
-- The defaults are for other programs.
CREATE TABLE article (
    id uuid PRIMARY KEY,
    title varchar(65) COLLATE "C" NOT NULL CHECK (char_length(title) >= 1),
    slug varchar(65) COLLATE "C" NOT NULL CHECK (char_length(slug) >= 1),
    text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    CONSTRAINT article_slug_key UNIQUE (slug)
);

-- For pages with the newest first and, scanned backwards, with the oldest first.
CREATE INDEX article_created_at_id ON article (created_at, id);
