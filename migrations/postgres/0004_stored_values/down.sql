DROP TRIGGER article_version ON article;
CREATE TRIGGER article_version BEFORE UPDATE ON article
FOR EACH ROW WHEN (NEW.version <= OLD.version) EXECUTE FUNCTION article_raise_version();
ALTER TABLE article DROP CONSTRAINT article_version_limit_check, DROP CONSTRAINT article_instants_check;
