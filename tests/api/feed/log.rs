//! What the triggers write, whoever changes articles, and which columns they maintain.

use broadsheet::article::Article;
use futures_util::TryStreamExt as _;
use rstest_reuse::apply;

use super::{change_line, change_lines, new_id, next, start};
use crate::support::{Database, article, on_both_databases};

#[apply(on_both_databases)]
async fn changes_of_external_writers_have_the_article_of_that_time(database: Database) {
    let (own, node) = start!(database);
    let mut changes = node.subscribe(None).await;
    let id = new_id(database);
    own.execute(&format!(
        "INSERT INTO article (id, title, slug, text) VALUES ({id}, 'A', 'a', 'one'), ({id}, 'B', 'b', '');
         UPDATE article SET text = 'two' WHERE slug = 'a';
         UPDATE article SET text = 'three', slug = 'c' WHERE slug = 'a';
         DELETE FROM article WHERE slug = 'c'"
    ))
    .await;
    let changes = next(&mut changes, 5).await;
    assert_eq!(
        change_lines(&changes),
        [
            r#"Created "A" "a" "one" version 1"#,
            r#"Created "B" "b" "" version 1"#,
            r#"Updated "A" "a" "two" version 2"#,
            r#"Updated "A" "c" "three" version 3"#,
            "Deleted",
        ]
    );
    assert_eq!(changes[0].article_id, changes[4].article_id);
}

#[apply(on_both_databases)]
async fn rolled_back_changes_are_not_sent(database: Database) {
    let (own, node) = start!(database);
    let mut changes = node.subscribe(None).await;
    let insert = |slug| {
        let id = new_id(database);
        format!("INSERT INTO article (id, title, slug, text) VALUES ({id}, 'A', '{slug}', '')")
    };
    let (no, yes) = (insert("no"), insert("yes"));
    own.execute(&format!("BEGIN; {no}; ROLLBACK; {yes}")).await;
    let taken = article("A", Some("yes"), None);
    let new = vec![article("B", None, None), taken];
    assert!(node.store.create_articles(new).await.is_err());
    node.store
        .create_article(article("last", None, None))
        .await
        .unwrap();
    assert_eq!(
        change_lines(&next(&mut changes, 2).await),
        [
            r#"Created "A" "yes" "" version 1"#,
            r#"Created "last" "last" "About last." version 1"#
        ]
    );
}

#[apply(on_both_databases)]
async fn triggers_maintain_what_external_writers_omit(database: Database) {
    let (own, node) = start!(database);
    let created = node
        .store
        .create_article(article("A", None, Some("2020-01-01T00:00:00Z")))
        .await
        .unwrap();
    own.execute("UPDATE article SET title = 'B'").await;
    let articles: Vec<Vec<Article>> = node.store.all_articles().try_collect().await.unwrap();
    let updated = &articles[0][0];
    assert_eq!(updated.version, 2);
    assert!(updated.updated_at > created.updated_at, "{updated:?}");
    assert_eq!(updated.created_at, created.created_at);

    // A version that the writer maintains itself is kept.
    let (version, instant) = match database {
        Database::Sqlite => (3, "1000000"),
        Database::Postgres => (3, "to_timestamp(1)"),
    };
    own.execute(&format!(
        "UPDATE article SET version = {version}, updated_at = {instant}"
    ))
    .await;
    let articles: Vec<Vec<Article>> = node.store.all_articles().try_collect().await.unwrap();
    assert_eq!(articles[0][0].version, 3);
    assert_eq!(articles[0][0].updated_at.as_micros(), 1_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn statements_that_bypass_the_log_are_rejected() {
    let Some(own) = Database::Postgres.migrated().await else {
        return;
    };
    let (client, connection) = tokio_postgres::connect(&own.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let insert =
        "INSERT INTO article (id, title, slug, text) VALUES (gen_random_uuid(), 'A', 'a', '')";
    client.batch_execute(insert).await.unwrap();
    for (statement, reason) in [
        (
            "TRUNCATE article",
            "articles cannot be truncated, because the change log would not show it; delete them",
        ),
        (
            "UPDATE article SET id = gen_random_uuid()",
            "the id of an article cannot be changed",
        ),
    ] {
        let error = client.batch_execute(statement).await.unwrap_err();
        assert_eq!(error.as_db_error().unwrap().message(), reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_role_that_may_only_write_articles_writes_the_log() {
    let Some(own) = Database::Postgres.migrated().await else {
        return;
    };
    let node = super::Node::start(&own, &[]).await;
    let mut changes = node.subscribe(None).await;
    // Roles belong to the whole server, so this one is created and dropped in the same transaction, which no other can
    // see.
    let (client, connection) = tokio_postgres::connect(&own.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(
            "BEGIN; CREATE ROLE writer_of_articles; GRANT INSERT, SELECT, UPDATE, DELETE ON article TO writer_of_articles;
             SET LOCAL ROLE writer_of_articles; SET LOCAL search_path = '';
             INSERT INTO public.article (id, title, slug, text) VALUES (gen_random_uuid(), 'A', 'a', '');
             UPDATE public.article SET text = 'b'; DELETE FROM public.article;
             RESET ROLE; REVOKE ALL ON public.article FROM writer_of_articles; DROP ROLE writer_of_articles; COMMIT",
        )
        .await
        .unwrap();
    assert_eq!(
        change_lines(&next(&mut changes, 3).await),
        [
            r#"Created "A" "a" "" version 1"#,
            r#"Updated "A" "a" "b" version 2"#,
            "Deleted"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_article_on_sqlite_is_sent_as_deleted() {
    let (own, node) = start!(Database::Sqlite);
    let mut changes = node.subscribe(None).await;
    let insert = |verb: &str, slug: &str| {
        format!(
            "{verb} INTO article (id, title, slug, text) VALUES (randomblob(16), 'A', '{slug}', '')"
        )
    };
    for statement in [
        insert("INSERT", "a"),
        insert("INSERT OR REPLACE", "a"),
        insert("INSERT OR IGNORE", "a"),
        insert("INSERT", "b"),
        "UPDATE OR REPLACE article SET slug = 'a' WHERE slug = 'b'".to_owned(),
        format!("PRAGMA recursive_triggers = ON; {}", insert("REPLACE", "a")),
    ] {
        own.execute(&statement).await;
    }
    let changes = next(&mut changes, 8).await;
    let lines: Vec<String> = changes
        .iter()
        .map(|change| {
            let same = |other: &&std::sync::Arc<_>| {
                let other: &broadsheet::article::change::ArticleChange = other;
                other.article_id == change.article_id
            };
            let first = changes.iter().position(|other| same(&other)).unwrap();
            format!("{first} {}", change_line(change))
        })
        .collect();
    assert_eq!(
        lines,
        [
            r#"0 Created "A" "a" "" version 1"#,
            "0 Deleted",
            r#"2 Created "A" "a" "" version 1"#,
            r#"3 Created "A" "b" "" version 1"#,
            "2 Deleted",
            r#"3 Updated "A" "a" "" version 2"#,
            "3 Deleted",
            r#"7 Created "A" "a" "" version 1"#,
        ]
    );
}
