//! Imports that are killed and resume where they stopped.

use std::process::Stdio;
use std::time::Duration;

use rstest_reuse::apply;
use sha2::{Digest as _, Sha256};

use super::{Place, line};
use crate::program::{command, run_with_input};
use crate::support::{Database, assert_answer, on_both_databases};

/// How often an import is killed, unless `KILL_ROUNDS` sets another number.
fn rounds() -> u64 {
    let given = std::env::var_os("KILL_ROUNDS");
    given.map_or(4, |rounds| rounds.to_str().unwrap().parse().unwrap())
}

/// Articles with unordered ids and slugs.
fn articles(count: u128) -> String {
    let article = |number: u128| {
        let id = Sha256::digest(number.to_be_bytes());
        let id = u128::from_be_bytes(id[..16].try_into().unwrap());
        line(
            id,
            &format!("Title {number}"),
            &format!("slug {id}"),
            &"text ".repeat(60),
        )
    };
    (0..count).map(article).collect()
}

#[apply(on_both_databases)]
async fn a_killed_import_continues_without_losses_or_duplicates(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    let articles = articles(20_000);
    place.write("articles.ndjson", &articles);
    for round in 0..rounds() {
        let mut import = command(place.directory.path())
            .args(["import", "articles.ndjson"])
            .env("DATABASE_URL", &place.database.url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(200 + round * 613 % 2_000)).await;
        let _ = import.start_kill();
        import.wait().await.unwrap();
    }
    // Also if the last import had reached the end of the file.
    place.succeed_quietly(&["import", "articles.ndjson"]).await;
    place.succeed(&["check"]).await;
    place.succeed(&["export", "again.ndjson"]).await;
    let mut expected: Vec<&str> = articles.lines().collect();
    expected.sort_unstable();
    let again = place.read("again.ndjson");
    // Lines begin with ids, so that sorting them sorts by id.
    assert!(
        again.lines().eq(expected),
        "an article is missing, twice there or another"
    );
    let (code, out, _) = place.run(&["import", "articles.ndjson"]).await;
    assert_eq!(code, 0);
    assert_answer!(out, @"articles.ndjson: all of its rows were imported before; --restart imports them again");
}

#[apply(on_both_databases)]
async fn an_import_does_not_continue_with_another_file(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    let bad = "{\"title\":\"\",\"text\":\"\"}\n";
    place.write("rows", &format!("{}{bad}", line(1, "a", "a", "")));
    assert_eq!(place.run(&["import", "rows"]).await.0, 1);
    place.write("rows", &line(2, "b", "b", ""));
    let (code, _, error) = place.run(&["import", "rows"]).await;
    assert_eq!(code, 1);
    assert_answer!(error, @"broadsheet: rows: an import of it was interrupted after row 1, and those rows have changed since; --restart imports it from the beginning");
    place.succeed(&["import", "rows", "--restart"]).await;
    assert_eq!(place.titles().await, ["a: a", "b: b"]);
    // Standard input after a completed import is a new import.
    place.write("rows", &line(3, "c", "c", ""));
    place.succeed(&["import", "rows"]).await;
    assert_eq!(place.titles().await, ["a: a", "b: b", "c: c"]);
}

#[apply(on_both_databases)]
async fn standard_input_continues_too_and_can_be_imported_again(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    let import = async |flags: &[&str], input: &str| {
        let arguments = [&["import", "-"], flags].concat();
        let environment = [
            ("DATABASE_URL", place.database.url.as_str()),
            ("LOG", "error"),
        ];
        let (code, out, error) = run_with_input(&arguments, &environment, input).await;
        format!("{code} {} {error}", super::without_seconds(&out))
    };
    let first = line(1, "a", "a", "");
    let bad = "{\"title\":\"\",\"text\":\"\"}\n";
    let stopped = import(&[], &format!("{first}{bad}")).await;
    assert!(stopped.starts_with('1'), "{stopped}");
    let second = line(2, "b", "b", "");
    let done = import(&[], &format!("{first}{second}")).await;
    assert_answer!(done, @"0 -: 1 articles created, 0 replaced, 0 rows skipped, 0 rejected");
    let again = import(&["--on-conflict=skip"], &format!("{first}{second}")).await;
    assert_answer!(again, @"0 -: 0 articles created, 0 replaced, 2 rows skipped, 0 rejected");
}
