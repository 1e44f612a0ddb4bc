//! What needs no database: the exported schema, the help, the trees of migrations, and who imports whom.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::program::run;
use crate::support::assert_answer;

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

#[expect(clippy::too_many_lines, reason = "it is the text of the help")]
#[tokio::test]
async fn the_help_names_each_flag_with_its_variable_and_its_default() {
    let (code, help, _) = run(&["--help"], &[]).await;
    assert_eq!(code, 0);
    assert_answer!(help, @r#"
    A GraphQL API server for articles, on SQLite or PostgreSQL

    Usage: broadsheet [OPTIONS]
           broadsheet <COMMAND>

    Commands:
      serve    Serve the API (what happens without a command, too)
      migrate  Apply or revert the migrations of the database, or show them
      feed     Look after the change feed
      token    Make, list and check static tokens
      schema   Print the GraphQL schema
      help     Print this message or the help of the given subcommand(s)

    Options:
          --host <ADDRESS>
              The address to listen on, or localhost; 0.0.0.0 for all
              
              [env: HOST=]
              [default: 127.0.0.1]

          --port <PORT>
              The port to listen on; 0 for any that is free
              
              [env: PORT=]
              [default: 8000]

          --service-name <NAME>
              The name of the service, on its page and in its logs
              
              [env: SERVICE_NAME=]
              [default: Broadsheet]

          --description <TEXT>
              A sentence about the service, on its page
              
              [env: DESCRIPTION=]
              [default: "A GraphQL API for articles"]

          --request-timeout <TIME>
              How long a query may take, and the body of a request to arrive
              
              [env: REQUEST_TIMEOUT=]
              [default: 30s]

          --stop-timeout <TIME>
              How long the server, told to stop, waits for what is under way
              
              [env: STOP_TIMEOUT=]
              [default: 30s]

          --write-timeout <TIME>
              How long a connection may take nothing of what is written to it, until it is cut off; 0s
              for ever
              
              [env: WRITE_TIMEOUT=]
              [default: 60s]

          --change-retention <TIME>
              How long changes stay in the feed
              
              [env: CHANGE_RETENTION=]
              [default: 7days]

          --max-body-bytes <BYTES>
              The largest body of a request, in bytes, after decompression
              
              [env: MAX_BODY_BYTES=]
              [default: 2097152]

          --cors-origins <ORIGINS>
              Origins, such as <https://example.com>, whose pages may read the answers and open
              WebSockets, separated by commas; * for all [default: none but this server's own]
              
              [env: CORS_ORIGINS=]

          --cache-control <DIRECTIVES>
              Cache-Control of a query by GET that succeeds: for a CDN in front, such as "public,
              max-age=5, stale-while-revalidate=30". Answers to a request with a token stay private,
              errors are never stored
              
              [env: CACHE_CONTROL=]
              [default: "private, no-cache"]

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Persisted operations:
          --persisted-queries-bytes <BYTES>
              Memory for automatic persisted queries, in bytes; 0 turns them off
              
              [env: PERSISTED_QUERIES_BYTES=]
              [default: 8388608]

          --trusted-documents <PATH>
              A manifest of trusted documents, as graphql-codegen, Relay or Apollo's tools write it;
              SIGHUP reads it again
              
              [env: TRUSTED_DOCUMENTS=]

          --trusted-documents-mode <MODE>
              What the manifest decides [default: prefer where there is one, else off]

              Possible values:
              - off:    Nothing: it is not read
              - prefer: Its documents can be asked for by their ids; any other document is served too
              - only:   Nothing but its documents is served
              
              [env: TRUSTED_DOCUMENTS_MODE=]

    Limits:
          --max-tokens <COUNT>
              Tokens of a document
              
              [env: MAX_TOKENS=]
              [default: 15000]

          --max-nesting <COUNT>
              Nesting of brackets in a document
              
              [env: MAX_NESTING=]
              [default: 64]

          --max-selections <COUNT>
              Selections of a document after its fragments are expanded
              
              [env: MAX_SELECTIONS=]
              [default: 5000]

          --max-depth <COUNT>
              Depth of the fields of an operation, introspection exempt
              
              [env: MAX_DEPTH=]
              [default: 16]

          --max-aliases <COUNT>
              Aliases of an operation
              
              [env: MAX_ALIASES=]
              [default: 50]

          --max-root-fields <COUNT>
              Fields at the root of an operation
              
              [env: MAX_ROOT_FIELDS=]
              [default: 50]

          --max-directives <COUNT>
              Directives on one place
              
              [env: MAX_DIRECTIVES=]
              [default: 10]

          --max-complexity <COUNT>
              Complexity of an operation: 1 a field, those of a list times the size of its page
              
              [env: MAX_COMPLEXITY=]
              [default: 20000]

          --max-filter-conditions <COUNT>
              Conditions of a filter
              
              [env: MAX_FILTER_CONDITIONS=]
              [default: 200]

          --max-filter-values <COUNT>
              Values of a list in a filter
              
              [env: MAX_FILTER_VALUES=]
              [default: 1000]

          --max-filter-nesting <COUNT>
              Nesting of and, or and not in a filter
              
              [env: MAX_FILTER_NESTING=]
              [default: 10]

          --max-response-bytes <BYTES>
              The largest response, in bytes, and the largest event of a subscription
              
              [env: MAX_RESPONSE_BYTES=]
              [default: 33554432]

          --document-cache-bytes <BYTES>
              Memory for documents that were parsed, in bytes; an eighth as much again is for requests
              that repeat
              
              [env: DOCUMENT_CACHE_BYTES=]
              [default: 33554432]

          --introspection [<BOOL>]
              Whether clients may ask for the schema
              
              [env: INTROSPECTION=]
              [default: true]
              [possible values: true, false]

    Database:
          --database-url <URL>
              sqlite:PATH, sqlite::memory: or
              `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`
              
              [env: DATABASE_URL]
              [default: sqlite:broadsheet.db]

          --db-min-size <COUNT>
              Connections that are opened at start and kept (PostgreSQL)
              
              [env: DB_MIN_SIZE=]
              [default: 1]

          --db-max-size <COUNT>
              Connections at the most; on SQLite, readers at the most
              
              [env: DB_MAX_SIZE=]
              [default: 10]

          --db-force-roll-back [<BOOL>]
              Roll all writes back when the server stops: a sandbox on one connection, not for a
              database that others use
              
              [env: DB_FORCE_ROLL_BACK=]
              [default: false]
              [possible values: true, false]

          --db-start-timeout <TIME>
              How long the server waits at start for a database that is not there yet
              
              [env: DB_START_TIMEOUT=]
              [default: 60s]

          --db-connect-timeout <TIME>
              How long opening a connection may take
              
              [env: DB_CONNECT_TIMEOUT=]
              [default: 5s]

          --db-wait-timeout <TIME>
              How long a request waits for a free connection
              
              [env: DB_WAIT_TIMEOUT=]
              [default: 3s]

          --db-statement-timeout <TIME>
              How long a statement may take; 0s for no limit
              
              [env: DB_STATEMENT_TIMEOUT=]
              [default: 10s]

          --db-lock-timeout <TIME>
              How long a statement waits for a lock (PostgreSQL)
              
              [env: DB_LOCK_TIMEOUT=]
              [default: 5s]

          --no-migrate [<BOOL>]
              Do not apply pending migrations at start
              
              [env: NO_MIGRATE=]
              [default: false]
              [possible values: true, false]

    Log:
          --debug [<BOOL>]
              Log in detail what Broadsheet does: for development
              
              [env: DEBUG=]
              [default: false]
              [possible values: true, false]

          --log <FILTER>
              What to log, such as info, or warn,broadsheet=debug [default: info, with --debug
              broadsheet=debug,info]
              
              [env: LOG=]

          --log-format <FORMAT>
              The form of the log's lines

              Possible values:
              - text: For people
              - json: For machines: an object a line
              
              [env: LOG_FORMAT=]
              [default: text]
    "#);
}

#[tokio::test]
async fn the_help_of_migrate_names_its_actions() {
    let (code, help, _) = run(&["migrate", "-h"], &[]).await;
    assert_eq!(code, 0);
    assert_answer!(help, @"
    Apply or revert the migrations of the database, or show them

    Usage: broadsheet migrate [OPTIONS] [ACTION]

    Arguments:
      [ACTION]  What to do [default: up] [possible values: up, down, status]

    Options:
          --yes   Do without asking what `down` takes with it
      -h, --help  Print help (see more with '--help')

    Database:
          --database-url <URL>           sqlite:PATH, sqlite::memory: or
                                         `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`
                                         [env: DATABASE_URL] [default: sqlite:broadsheet.db]
          --db-min-size <COUNT>          Connections that are opened at start and kept (PostgreSQL)
                                         [env: DB_MIN_SIZE=] [default: 1]
          --db-max-size <COUNT>          Connections at the most; on SQLite, readers at the most [env:
                                         DB_MAX_SIZE=] [default: 10]
          --db-force-roll-back [<BOOL>]  Roll all writes back when the server stops: a sandbox on one
                                         connection, not for a database that others use [env:
                                         DB_FORCE_ROLL_BACK=] [default: false] [possible values: true,
                                         false]
          --db-start-timeout <TIME>      How long the server waits at start for a database that is not
                                         there yet [env: DB_START_TIMEOUT=] [default: 60s]
          --db-connect-timeout <TIME>    How long opening a connection may take [env:
                                         DB_CONNECT_TIMEOUT=] [default: 5s]
          --db-wait-timeout <TIME>       How long a request waits for a free connection [env:
                                         DB_WAIT_TIMEOUT=] [default: 3s]
          --db-statement-timeout <TIME>  How long a statement may take; 0s for no limit [env:
                                         DB_STATEMENT_TIMEOUT=] [default: 10s]
          --db-lock-timeout <TIME>       How long a statement waits for a lock (PostgreSQL) [env:
                                         DB_LOCK_TIMEOUT=] [default: 5s]

    Log:
          --debug [<BOOL>]       Log in detail what Broadsheet does: for development [env: DEBUG=]
                                 [default: false] [possible values: true, false]
          --log <FILTER>         What to log, such as info, or warn,broadsheet=debug [default: info,
                                 with --debug broadsheet=debug,info] [env: LOG=]
          --log-format <FORMAT>  The form of the log's lines [env: LOG_FORMAT=] [default: text]
                                 [possible values: text, json]
    ");
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

/// Who may name what: a crate or a module, and the modules that may. A module may always name itself.
const MAY_NAME: [(&str, &[&str]); 11] = [
    ("diesel", &["store"]),
    ("diesel_async", &["store"]),
    ("diesel_migrations", &["store"]),
    ("tokio_postgres", &["store"]),
    ("axum", &["server"]),
    ("async_graphql", &["api", "document", "server"]),
    ("clap", &["admission", "cli", "config"]),
    ("crate::admission", &["cli", "server"]),
    ("crate::server", &["cli"]),
    ("crate::api", &["cli", "config", "server"]),
    ("crate::cli", &[]),
];

#[test]
fn every_module_imports_only_what_stands_below_it() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for file in files(&src) {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap();
        let module = name.split(['/', '.']).next().unwrap();
        for (what, modules) in MAY_NAME {
            let itself = what.strip_prefix("crate::") == Some(module);
            if !itself && !modules.contains(&module) && names(&text, what) {
                wrong.push(format!("{name} names {what}"));
            }
        }
        // The leaves, which anybody may know, and the domain: they know only each other.
        let above: &[&str] = match module {
            "error" | "clock" | "budget" | "article" => &["crate::store", "crate::config"],
            _ => &[],
        };
        for what in above.iter().filter(|what| names(&text, what)) {
            wrong.push(format!("{name} names {what}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whether the code, not its comments, has this path, or a `use` with braces that has it.
fn names(text: &str, path: &str) -> bool {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .any(|line| {
            line.match_indices(path).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = &line[at + path.len()..];
                let begins = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
                begins && (after.starts_with("::") || after.starts_with(';'))
            })
        })
}

#[test]
fn a_path_is_found_in_code_only() {
    assert!(names("use axum::Router;", "axum"));
    assert!(names("fn f() -> crate::api::Api {", "crate::api"));
    assert!(!names("// axum::Router", "axum"));
    assert!(!names("use async_graphql_axum::x;", "axum"));
    assert!(!names("use crate::store::api;", "crate::api"));
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
