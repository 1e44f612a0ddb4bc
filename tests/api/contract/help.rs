//! The output of `--help`.

use crate::program::run;
use crate::support::assert_answer;

#[tokio::test]
async fn the_help_names_each_flag_with_its_variable_and_its_default() {
    let (code, help, _) = run(&["--help"], &[]).await;
    assert_eq!(code, 0);
    insta::assert_snapshot!(help);
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
          --yes   Do not ask before `down` deletes data
      -h, --help  Print help (see more with '--help')

    Database:
          --database-url <URL>           sqlite:PATH, sqlite::memory: or
                                         `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`
                                         [env: DATABASE_URL] [default: sqlite:broadsheet.db]
          --db-min-size <COUNT>          Connections that are opened at start and kept open (PostgreSQL)
                                         [env: DB_MIN_SIZE=] [default: 1]
          --db-max-size <COUNT>          Maximum number of connections; on SQLite, of those that read
                                         [env: DB_MAX_SIZE=] [default: 10]
          --db-force-roll-back [<BOOL>]  Roll all writes back when the server stops: a sandbox on one
                                         connection, not for a database that others use [env:
                                         DB_FORCE_ROLL_BACK=] [default: false] [possible values: true,
                                         false]
          --db-start-timeout <TIME>      How long the server waits at start for a database that is not
                                         available yet [env: DB_START_TIMEOUT=] [default: 60s]
          --db-connect-timeout <TIME>    Time limit for opening a connection [env: DB_CONNECT_TIMEOUT=]
                                         [default: 5s]
          --db-wait-timeout <TIME>       How long a request waits for a free connection [env:
                                         DB_WAIT_TIMEOUT=] [default: 3s]
          --db-statement-timeout <TIME>  Time limit for a statement; 0s for no limit [env:
                                         DB_STATEMENT_TIMEOUT=] [default: 10s]
          --db-lock-timeout <TIME>       How long a statement waits for a lock (PostgreSQL) [env:
                                         DB_LOCK_TIMEOUT=] [default: 5s]

    Log:
          --debug [<BOOL>]       Log what Broadsheet does in detail: for development [env: DEBUG=]
                                 [default: false] [possible values: true, false]
          --log <FILTER>         What to log, such as info, or warn,broadsheet=debug [default: info,
                                 with --debug broadsheet=debug,info] [env: LOG=]
          --log-format <FORMAT>  The format of log lines [env: LOG_FORMAT=] [default: text] [possible
                                 values: text, json]
    ");
}
