//! Checks that committed files match the code: the schema, the help, the migrations, the layers.

mod help;
mod layers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::program::run;

#[test]
fn the_exported_schema_is_in_the_repository() {
    let schema = std::fs::read_to_string(root().join("schema.graphql")).unwrap();
    let update = "run `cargo run -- schema > schema.graphql`";
    assert!(
        schema == broadsheet::api::sdl(),
        "schema.graphql is out of date: {update}"
    );
}

#[tokio::test]
async fn the_program_prints_the_schema() {
    let (code, schema, error) = run(&["schema"], &[]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(schema, broadsheet::api::sdl());
}

#[test]
fn both_databases_have_the_same_migrations() {
    let tree = |database: &str| -> BTreeSet<PathBuf> {
        let tree = root().join("migrations").join(database);
        files(&tree)
            .iter()
            .map(|file| file.strip_prefix(&tree).unwrap().to_owned())
            .collect()
    };
    let names = tree("sqlite");
    assert!(
        names.contains(Path::new("0001_article/up.sql")),
        "{names:?}"
    );
    assert_eq!(tree("postgres"), names);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
