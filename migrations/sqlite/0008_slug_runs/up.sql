-- Stores whole runs of taken numbers when they are found, instead of the beginnings of all runs when they arise.
--
-- Maintaining the beginnings made creating an article whose slug ends with a number a third more expensive. Now
-- creating an article writes nothing here: a search for a free number records the run that it has skipped. When a
-- number becomes free, by DELETE, UPDATE or REPLACE, its run is split. So all recorded numbers are taken, but not all
-- taken numbers are recorded.
DROP TRIGGER article_slug_in_the_way_of_update;
DROP TRIGGER article_slug_in_the_way_of_insert;
DROP TRIGGER article_slug_changed;
DROP TRIGGER article_slug_freed;
DROP TRIGGER article_slug_given;
DROP VIEW slug_number_event;
DROP VIEW slug_event;
DROP TABLE slug_run;

-- For example `a-` from 2 to 9: articles have the slugs `a-2` to `a-9`. Runs do not overlap.
CREATE TABLE slug_run (
    prefix TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (prefix, first)
) WITHOUT ROWID;

-- Shorter runs are found quickly without a record.
INSERT INTO slug_run (prefix, first, last)
SELECT prefix, min(number), max(number)
FROM (
    SELECT prefix, number, number - row_number() OVER (PARTITION BY prefix ORDER BY number) AS run
    FROM (
        SELECT rtrim(slug, '0123456789') AS prefix,
            CAST(substr(slug, length(rtrim(slug, '0123456789')) + 1) AS INTEGER) AS number
        FROM article
        WHERE slug GLOB '*-[1-9]*'
            AND rtrim(slug, '0123456789') GLOB '*-'
            AND length(slug) - length(rtrim(slug, '0123456789')) BETWEEN 1 AND 9
            AND substr(slug, length(rtrim(slug, '0123456789')) + 1, 1) <> '0'
    )
    WHERE number >= 2
)
GROUP BY prefix, run
HAVING count(*) > 32;

-- Slugs that become free, and the same for slugs that end with a number. The views are always empty: rows inserted
-- into them are passed to the triggers.
CREATE VIEW freed_slug (slug) AS SELECT '' WHERE false;
CREATE VIEW freed_number (prefix, number) AS SELECT '', 0 WHERE false;

CREATE TRIGGER freed_slug_has_a_number INSTEAD OF INSERT ON freed_slug BEGIN
    INSERT INTO freed_number (prefix, number)
    SELECT prefix, CAST(substr(NEW.slug, length(prefix) + 1) AS INTEGER)
    FROM (SELECT rtrim(NEW.slug, '0123456789') AS prefix)
    WHERE prefix GLOB '*-'
        AND length(NEW.slug) - length(prefix) BETWEEN 1 AND 9
        AND substr(NEW.slug, length(prefix) + 1, 1) <> '0';
END;

CREATE TRIGGER freed_number_splits_its_run INSTEAD OF INSERT ON freed_number BEGIN
    INSERT INTO slug_run (prefix, first, last)
    SELECT prefix, NEW.number + 1, last FROM slug_run
    WHERE prefix = NEW.prefix AND first <= NEW.number AND last > NEW.number;
    UPDATE slug_run SET last = NEW.number - 1
    WHERE prefix = NEW.prefix AND first < NEW.number AND last >= NEW.number;
    DELETE FROM slug_run WHERE prefix = NEW.prefix AND first = NEW.number;
END;

CREATE TRIGGER article_slug_freed AFTER DELETE ON article WHEN OLD.slug GLOB '*-[1-9]*' BEGIN
    INSERT INTO freed_slug (slug) VALUES (OLD.slug);
END;

CREATE TRIGGER article_slug_changed AFTER UPDATE OF slug ON article
WHEN NEW.slug <> OLD.slug AND OLD.slug GLOB '*-[1-9]*' BEGIN
    INSERT INTO freed_slug (slug) VALUES (OLD.slug);
END;

-- INSERT OR REPLACE and UPDATE OR REPLACE delete conflicting articles without firing the triggers above.
CREATE TRIGGER article_slug_in_the_way_of_insert BEFORE INSERT ON article
WHEN EXISTS (SELECT 1 FROM article WHERE id = NEW.id OR number = NEW.number)
BEGIN
    INSERT INTO freed_slug (slug) SELECT slug FROM article WHERE id = NEW.id OR number = NEW.number;
END;

CREATE TRIGGER article_slug_in_the_way_of_update BEFORE UPDATE OF number ON article
WHEN EXISTS (SELECT 1 FROM article WHERE number = NEW.number AND number <> OLD.number)
BEGIN
    INSERT INTO freed_slug (slug) SELECT slug FROM article WHERE number = NEW.number AND number <> OLD.number;
END;
