-- Orders other than by creation; that by slug has its index from being unique.
CREATE INDEX article_updated_at_id ON article (updated_at, id);
CREATE INDEX article_title_id ON article (title, id);

-- Full-text search: English stemming without stop words, so that no word is ignored.
CREATE TEXT SEARCH DICTIONARY broadsheet_english (TEMPLATE = snowball, Language = english);
CREATE TEXT SEARCH CONFIGURATION broadsheet (COPY = english);
ALTER TEXT SEARCH CONFIGURATION broadsheet ALTER MAPPING REPLACE english_stem WITH broadsheet_english;

-- The words of a text, without the marks of which PostgreSQL's parser would make file names, hosts and numbers.
-- The collation makes letters and lower case those of Unicode, whatever the locale of the database.
CREATE FUNCTION article_words(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT RETURN
    regexp_replace(lower($1 COLLATE "und-x-icu"), '[^[:alnum:]]+', ' ', 'g');

-- A mark that is no word stands between title and text and is taken out again: it leaves a gap, so that no phrase
-- reaches from the one into the other.
ALTER TABLE article ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
    ts_delete(
        setweight(to_tsvector('broadsheet', article_words(title)), 'A') || '|:1' ||
        setweight(to_tsvector('broadsheet', article_words(left(text, 100000))), 'B'),
        '|'
    )
) STORED;
CREATE INDEX article_search ON article USING gin (search);
-- How rare a word is decides between this index and walking the list in its order. By default PostgreSQL takes any word
-- that is not among the most frequent for one in 200 articles, or for half as frequent as the last of those.
ALTER TABLE article ALTER COLUMN search SET STATISTICS 1000;

-- Reading articles must not pay for the search: its words move out of the row, and texts of usual length stay in it as
-- they are, instead of being compressed to make room.
ALTER TABLE article ALTER COLUMN search SET STORAGE EXTERNAL;
ALTER TABLE article ALTER COLUMN text SET STORAGE MAIN;

-- `contains`, `startsWith` and `endsWith` on titles and slugs are served by trigrams, where the extension can be
-- had: without it they read the table.
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
