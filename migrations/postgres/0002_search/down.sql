-- The extension stays, because other programs may use it.
DROP INDEX IF EXISTS article_title_trigrams, article_slug_trigrams;
ALTER TABLE article ALTER COLUMN text SET STORAGE EXTENDED;
ALTER TABLE article DROP COLUMN search;
DROP FUNCTION article_words(text);
DROP TEXT SEARCH CONFIGURATION broadsheet;
DROP TEXT SEARCH DICTIONARY broadsheet_english;
DROP INDEX article_title_id, article_updated_at_id;
