DROP TRIGGER article_search_update;
DROP TRIGGER article_search_delete;
DROP TRIGGER article_search_insert;
DROP TABLE article_search;
DROP INDEX article_title_id;
DROP INDEX article_updated_at_id;
