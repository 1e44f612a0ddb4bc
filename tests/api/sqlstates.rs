//! PostgreSQL's errors are recognized by their SQLSTATE and not by their text, which is in the server's language.

use serde_json::json;

use crate::support::{Database, TestApp, assert_answer, start};

/// Makes the first `times` insertions of an article fail with this SQLSTATE and text.
async fn fail(app: &TestApp, sqlstate: &str, text: &str, times: u32) {
    let sql = format!(
        "DROP TRIGGER IF EXISTS failing ON article;
        DROP SEQUENCE IF EXISTS failures;
        CREATE SEQUENCE failures;
        CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            -- A number that is drawn stays drawn when the transaction fails.
            IF nextval('failures') <= {times} THEN
                RAISE EXCEPTION '{text}' USING ERRCODE = '{sqlstate}';
            END IF;
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER failing BEFORE INSERT ON article FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    app.database.execute(&sql).await;
}

const ALWAYS: u32 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn errors_in_any_language_are_recognized_by_sqlstate() {
    let app = start!(Database::Postgres);
    for (sqlstate, text, code) in [
        (
            "55P03",
            "storniere Anfrage wegen Zeitüberschreitung der Sperre",
            "TIMEOUT",
        ),
        (
            "57014",
            "annulation de la requête à cause du délai écoulé",
            "TIMEOUT",
        ),
        (
            "57P01",
            "завершение подключения по команде администратора",
            "UNAVAILABLE",
        ),
        (
            "57P03",
            "データベースシステムは起動しています",
            "UNAVAILABLE",
        ),
        (
            "53300",
            "tut mir leid, schon zu viele Verbindungen",
            "UNAVAILABLE",
        ),
        ("08006", "a conexão falhou", "UNAVAILABLE"),
        ("25006", "kann INSERT nicht ausführen", "UNAVAILABLE"),
        ("53100", "kein Platz mehr auf dem Gerät", "UNAVAILABLE"),
        // English text does not count.
        (
            "22012",
            "canceling statement due to lock timeout",
            "INTERNAL",
        ),
        ("P0001", "deadlock detected", "INTERNAL"),
        (
            "P0001",
            "terminating connection due to administrator command",
            "INTERNAL",
        ),
        (
            "P0001",
            "55P03: the text begins with another SQLSTATE",
            "INTERNAL",
        ),
    ] {
        fail(&app, sqlstate, text, ALWAYS).await;
        let answer = app.create(json!({ "title": "a", "text": "" })).await;
        assert_eq!(answer.code(), code, "{sqlstate} {text}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn deadlocks_and_serialization_failures_are_retried_in_any_language() {
    let app = start!(Database::Postgres);
    for (index, (sqlstate, text)) in [
        ("40P01", "Verklemmung (Deadlock) entdeckt"),
        ("40001", "konnte Zugriff nicht serialisieren"),
    ]
    .into_iter()
    .enumerate()
    {
        fail(&app, sqlstate, text, 3).await;
        let slug = format!("one-{index}");
        let answer = app
            .create(json!({ "title": "a", "slug": slug, "text": "" }))
            .await;
        assert_eq!(answer.code(), "", "{answer}");
        fail(&app, sqlstate, text, 3).await;
        let query = format!(
            r#"mutation {{ createArticles(inputs: [{{ title: "many {index}", text: "" }}]) {{ slug }} }}"#
        );
        let answer = app.query(&query).await;
        assert_eq!(answer.code(), "", "{answer}");
    }
    let fail_changes = "CREATE TRIGGER failing_changes BEFORE UPDATE OR DELETE ON article
        FOR EACH ROW EXECUTE FUNCTION fail()";
    fail(&app, "40001", "no se pudo serializar el acceso", 3).await;
    app.database.execute(fail_changes).await;
    let list = app.get("/api/v1/articles/").await.json();
    let id = &list[0]["id"];
    let update =
        format!("mutation {{ updateArticle(id: {id}, input: {{ text: \"x\" }}) {{ id }} }}");
    let answer = app.query(&update).await;
    assert_eq!(answer.code(), "", "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_write_that_conflicts_every_time_is_reported() {
    let app = start!(Database::Postgres);
    fail(&app, "40P01", "Verklemmung (Deadlock) entdeckt", ALWAYS).await;
    let answer = app.create(json!({ "title": "a", "text": "" })).await;
    assert_eq!(answer.code(), "UNAVAILABLE");
    assert_answer!(answer.json()["errors"][0]["message"], @r#""this request conflicted with others on every attempt; send it again""#);
}
