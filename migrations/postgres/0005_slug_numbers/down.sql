DROP TRIGGER article_slug_freed ON article;
DROP TRIGGER article_slug_changed ON article;
DROP TRIGGER article_slug_given ON article;
DROP FUNCTION article_slug_run();
DROP TABLE slug_run;
