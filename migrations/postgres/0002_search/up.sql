-- Indexes for the other orders; the unique constraint on the slug already has one.
CREATE INDEX article_updated_at_id ON article (updated_at, id);
CREATE INDEX article_title_id ON article (title, id);

-- Full-text search: English stemming without stop words, so that no word is ignored.
CREATE TEXT SEARCH DICTIONARY broadsheet_english (TEMPLATE = snowball, Language = english);
CREATE TEXT SEARCH CONFIGURATION broadsheet (COPY = english);
ALTER TEXT SEARCH CONFIGURATION broadsheet ALTER MAPPING REPLACE english_stem WITH broadsheet_english;

-- The words of a text, without the punctuation that PostgreSQL's parser would interpret as file names, hosts and
-- numbers. The collation makes letters and lower case those of Unicode, whatever the locale of the database.
CREATE FUNCTION article_words(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT RETURN
    regexp_replace(lower($1 COLLATE "und-x-icu"), '[^[:alnum:]]+', ' ', 'g');

-- A mark that is not a word is put between title and text and then deleted: it leaves a gap in the positions, so that
-- no phrase extends from the title into the text.
ALTER TABLE article ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
    ts_delete(
        setweight(to_tsvector('broadsheet', article_words(title)), 'A') || '|:1' ||
        setweight(to_tsvector('broadsheet', article_words(left(text, 100000))), 'B'),
        '|'
    )
) STORED;
CREATE INDEX article_search ON article USING gin (search);
-- The frequency of a word decides whether the planner uses this index or reads the list in its order. With the default
-- statistics, PostgreSQL assumes that a word that is not among the most frequent occurs in one of 200 articles, or
-- half as often as the last of those.
ALTER TABLE article ALTER COLUMN search SET STATISTICS 1000;

-- Reading articles must not become slower because of the search: its words are stored out of line, and texts of usual
-- length stay in the row, instead of being compressed to make room.
ALTER TABLE article ALTER COLUMN search SET STORAGE EXTERNAL;
ALTER TABLE article ALTER COLUMN text SET STORAGE MAIN;

-- Trigram indexes for `contains`, `startsWith` and `endsWith` on titles and slugs, if the extension is available;
-- without it these scan the table.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX article_title_trigrams ON article USING gin (lower(title COLLATE "und-x-icu") gin_trgm_ops);
    CREATE INDEX article_slug_trigrams ON article USING gin (lower(slug COLLATE "und-x-icu") gin_trgm_ops);
EXCEPTION
    WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
        RAISE WARNING 'pg_trgm cannot be created: contains, startsWith and endsWith will read the whole table';
END
$$;
