-- Stores whole runs of taken numbers when they are found, instead of the beginnings of all runs when they arise.
--
-- Maintaining the beginnings made creating an article whose slug ends with a number a third more expensive. Now
-- creating an article writes nothing here: a search for a free number records the run that it has skipped. When a
-- number becomes free, by DELETE or UPDATE, its run is split. So all recorded numbers are taken, but not all taken
-- numbers are recorded.
DROP TRIGGER article_slug_freed ON article;
DROP TRIGGER article_slug_changed ON article;
DROP TRIGGER article_slug_given ON article;
DROP FUNCTION article_slug_run();
DROP TABLE slug_run;

-- For example `a-` from 2 to 9: articles have the slugs `a-2` to `a-9`. Runs do not overlap.
CREATE TABLE slug_run (
    prefix text COLLATE "C" NOT NULL,
    first integer NOT NULL,
    last integer NOT NULL,
    PRIMARY KEY (prefix, first)
);

-- Shorter runs are found quickly without a record.
INSERT INTO slug_run (prefix, first, last)
SELECT prefix, min(number), max(number)
FROM (
    SELECT prefix, number, number - row_number() OVER (PARTITION BY prefix ORDER BY number) AS run
    FROM (
        SELECT rtrim(slug, '0123456789') AS prefix, substr(slug, length(rtrim(slug, '0123456789')) + 1)::integer AS number
        FROM article
        WHERE slug ~ '-[1-9][0-9]{0,8}$'
    ) AS numbered
    WHERE number >= 2
) AS runs
GROUP BY prefix, run
HAVING count(*) > 32;

-- SECURITY DEFINER, and tables named with their schema, as in `article_log_written`.
DO $do$
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION article_slug_freed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE
            stem text := rtrim(OLD.slug, '0123456789');
            freed integer := substr(OLD.slug, length(stem) + 1)::integer;
        BEGIN
            -- Who looks for a free number holds the same lock: it sees this one free, or its run is seen here.
            PERFORM pg_advisory_xact_lock(1936487783, hashtext(stem) & 31);
            INSERT INTO %1$I.slug_run (prefix, first, last)
            SELECT prefix, freed + 1, last FROM %1$I.slug_run WHERE prefix = stem AND first <= freed AND last > freed;
            UPDATE %1$I.slug_run SET last = freed - 1 WHERE prefix = stem AND first < freed AND last >= freed;
            DELETE FROM %1$I.slug_run WHERE prefix = stem AND first = freed;
            RETURN NULL;
        END
        $$
    $sql$, current_schema());
END
$do$;

CREATE TRIGGER article_slug_changed AFTER UPDATE OF slug ON article
FOR EACH ROW WHEN (NEW.slug <> OLD.slug AND OLD.slug ~ '-[1-9][0-9]{0,8}$') EXECUTE FUNCTION article_slug_freed();

CREATE TRIGGER article_slug_freed AFTER DELETE ON article
FOR EACH ROW WHEN (OLD.slug ~ '-[1-9][0-9]{0,8}$') EXECUTE FUNCTION article_slug_freed();
