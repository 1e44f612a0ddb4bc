-- Instants and versions of other programs that no response could represent are rejected. NOT VALID: existing rows stay
-- and are not read, so the migration takes only a moment. The maximum version is below the maximum integer, so that it
-- can still be incremented.
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
