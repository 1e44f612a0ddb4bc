-- What other programs store: instants and versions that no answer can show are refused. NOT VALID: what was stored
-- before stays, and no row is read, so that it takes a moment. Versions end before the greatest integer, so that one
-- more is always one.
ALTER TABLE article
    ADD CONSTRAINT article_instants_check CHECK (
        created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        AND updated_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
    ) NOT VALID,
    ADD CONSTRAINT article_version_limit_check CHECK (version <= 2147483646) NOT VALID;

-- As before, but a version that is too high may be lowered.
DROP TRIGGER article_version ON article;
CREATE TRIGGER article_version BEFORE UPDATE ON article
FOR EACH ROW WHEN (NEW.version <= OLD.version AND OLD.version <= 2147483646) EXECUTE FUNCTION article_raise_version();
