DROP TRIGGER article_slug_in_the_way_of_update;
DROP TRIGGER article_slug_in_the_way_of_insert;
DROP TRIGGER article_slug_changed;
DROP TRIGGER article_slug_freed;
DROP TRIGGER article_slug_given;
DROP VIEW slug_number_event;
DROP VIEW slug_event;
DROP TABLE slug_run;
