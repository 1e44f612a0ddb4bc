//! The example `library` passes all audits of GraphQL over HTTP.
//!
//! Needs Node.js and `npm ci` in `tests/audits`; without them the test is ignored, but not under CI. The harness is
//! libtest-mimic, because the standard one cannot ignore a test at run time.

#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

#[expect(dead_code, reason = "a test starts its own server")]
#[path = "../examples/library.rs"]
mod library;

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audits");

fn main() -> ExitCode {
    let has_audits = Path::new(PACKAGE)
        .join("node_modules/graphql-http")
        .is_dir();
    let has_node = Command::new("node").arg("--version").output().is_ok();
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let run = || {
        the_example_passes_all_audits_of_graphql_over_http();
        Ok(())
    };
    let trial = Trial::test("the_example_passes_all_audits_of_graphql_over_http", run)
        .with_ignored_flag(!(has_audits && has_node || is_ci));
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn the_example_passes_all_audits_of_graphql_over_http() {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, library::router()).await });
    let output = Command::new("node")
        .args(["audits.js", &url])
        .current_dir(PACKAGE)
        .output()
        .unwrap();
    let passed = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert_eq!((&*passed, &*failed), ("61 of 61 audits\n", ""));
}
