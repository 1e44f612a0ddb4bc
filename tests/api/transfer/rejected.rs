//! Rows that are not valid articles, and files of another format.

use rstest_reuse::apply;

use super::{Place, line, uuid};
use crate::support::{Database, assert_answer, on_both_databases};

fn bad_rows() -> String {
    let long = "x".repeat(66);
    let id = uuid(7);
    [
        "not json",
        "[]",
        "[null,\"a\",null,\"b\",null,null,null]",
        "{\"title\":\"a\"}",
        "{\"text\":\"a\"}",
        "{\"title\":\"\",\"text\":\"\"}",
        &format!("{{\"title\":\"{long}\",\"text\":\"\"}}"),
        "{\"title\":\"a\\u0000\",\"text\":\"\"}",
        "{\"title\":\"a\",\"text\":\"\\u0000\"}",
        "{\"title\":\"a\",\"text\":\"\",\"slug\":\"\"}",
        "{\"title\":\"a\",\"text\":\"\",\"id\":\"7\"}",
        "{\"title\":\"a\",\"text\":\"\",\"createdAt\":\"yesterday\"}",
        "{\"title\":\"a\",\"text\":\"\",\"updatedAt\":\"0000-12-31T23:59:59Z\"}",
        "{\"title\":\"a\",\"text\":\"\",\"version\":0}",
        "{\"title\":\"a\",\"text\":\"\",\"version\":2147483647}",
        "{\"title\":\"a\",\"text\":\"\",\"author\":\"b\"}",
        "{\"title\":\"a\",\"title\":\"b\",\"text\":\"\"}",
        &format!("{{\"title\":\"good\",\"text\":\"\",\"id\":\"{id}\"}}"),
        "",
    ]
    .join("\n")
}

#[apply(on_both_databases)]
async fn every_invalid_row_is_reported_with_number_field_and_reason(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    place.write("rows", &bad_rows());
    let (code, out, error) = place
        .run(&["import", "rows", "--on-error=skip", "--rejects=bad"])
        .await;
    assert_eq!(code, 0, "{error}");
    assert_answer!(out, @"rows: 1 articles created, 0 replaced, 0 rows skipped, 17 rejected");
    assert_answer!(error, @r"
    row 1: this is not an object of JSON
    row 2: this is not an object of JSON
    row 3: this is not an object of JSON
    row 4: text: this is missing
    row 5: title: this is missing
    row 6: title: title must have 1 to 65 characters, but it is empty
    row 7: title: title must have 1 to 65 characters, but it has 66
    row 8: title: title must not contain a NUL character (U+0000)
    row 9: text: text must not contain a NUL character (U+0000)
    row 10: slug: slug must have 1 to 65 characters, but it is empty
    row 11: id: this is not a UUID
    row 12: createdAt: expected an RFC 3339 instant such as 2026-01-31T09:30:00.123456Z
    row 13: updatedAt: expected an instant between the years 1 and 9999 (UTC)
    row 14: version: this must be 1 to 2147483646
    row 15: version: this must be 1 to 2147483646
    row 16: this is not an article in JSON: unknown field `author`, expected one of `id`, `title`, `slug`, `text`, `createdAt`, `created_at`, `updatedAt`, `updated_at`, `version` at byte 31
    row 17: this is not an article in JSON: duplicate field `title` at byte 20
    ");
    let rejected = place.read("bad");
    assert_eq!(rejected.lines().count(), 17);
    // The corrected file can be imported from there.
    let last = rejected.lines().last().unwrap();
    assert_answer!(last, @r#"{"field":"","reason":"this is not an article in JSON: duplicate field `title` at byte 20","record":{"text":"","title":"b"},"row":17}"#);
}

#[apply(on_both_databases)]
async fn an_import_that_stops_has_imported_the_rows_before(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    let good = line(1, "first", "first", "");
    place.write("rows", &format!("{good}{{\"title\":\"\",\"text\":\"\"}}\n"));
    let (code, _, error) = place.run(&["import", "rows"]).await;
    assert_eq!(code, 1);
    assert_answer!(error, @"broadsheet: row 2: title: title must have 1 to 65 characters, but it is empty; the rows before it were imported");
    assert_eq!(place.titles().await, ["first: first"]);
    // After a correction, it continues after them.
    place.write(
        "rows",
        &format!("{good}{}", line(2, "second", "second", "")),
    );
    let summary = place.succeed(&["import", "rows"]).await;
    assert_answer!(summary, @"rows: 1 articles created, 0 replaced, 0 rows skipped, 0 rejected");
    assert_eq!(place.titles().await, ["first: first", "second: second"]);
}

#[tokio::test]
async fn a_file_without_articles_is_rejected() {
    let place = Place::new(Database::Sqlite).await.unwrap();
    let endless = "x".repeat(65 * 1024 * 1024);
    let long = format!("{{\"title\":\"a\",\"text\":\"{endless}\"}}\n");
    for (name, text, expected) in [
        (
            "a.csv",
            "id,name\n",
            "the first line of CSV must name the columns",
        ),
        (
            "b.csv",
            "title,text,title\n",
            "the first line of CSV must name the columns",
        ),
        ("c.csv", "", "the first line of CSV must name the columns"),
        (
            "d.csv",
            "title,text\na,b,c\n",
            "row 1 is not CSV with as many columns as the first line",
        ),
        (
            "e.ndjson.gz",
            "this is not gzip, and long enough",
            "invalid gzip header",
        ),
        ("f.ndjson.zst", "not zstd", "Unknown frame descriptor"),
        ("g.ndjson", long.as_str(), "row 1 has more than 64 MiB"),
        (
            "h.csv",
            &format!("title,text\n\"{endless}"),
            "row 1 has more than 64 MiB",
        ),
    ] {
        place.write(name, text);
        let (code, _, error) = place.run(&["import", name]).await;
        assert_eq!(code, 1, "{name}");
        assert!(error.contains(expected), "{name}: {error}");
    }
    let (code, _, error) = place.run(&["import", "missing"]).await;
    assert_eq!(code, 1);
    assert_answer!(error, @"broadsheet: missing: No such file or directory (os error 2)");
}
