-- Whole runs of numbers that are taken, as they are found, in place of the beginnings of all of them, as they arise.
--
-- Keeping the beginnings made each article whose slug ends with a number dearer by a third. Here nothing is written
-- when an article is created: who looks for a free number writes down how far all were taken. Whoever frees one, by
-- DELETE or UPDATE, splits the run it was in. So what stands here is taken, and what is taken need not stand here.
DROP TRIGGER article_slug_freed ON article;
DROP TRIGGER article_slug_changed ON article;
DROP TRIGGER article_slug_given ON article;
DROP FUNCTION article_slug_run();
DROP TABLE slug_run;

-- `a-` from 2 to 9: articles have the slugs `a-2` to `a-9`. Runs do not overlap.
CREATE TABLE slug_run (
    prefix text COLLATE "C" NOT NULL,
    first integer NOT NULL,
    last integer NOT NULL,
    PRIMARY KEY (prefix, first)
);

-- Shorter ones are soon found.
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

-- For whoever writes articles, whatever else they may and wherever they look for tables, as `article_log_written`.
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
