//! Looks for graphql-js, which a test compares with; where it is missing that test is ignored, by `cfg(no_graphql_js)`.

use std::env;
use std::path::Path;

use super::programs;

const PACKAGE: &str = "tests/graphql-js";

pub(crate) fn look() {
    println!("cargo::rustc-check-cfg=cfg(no_graphql_js)");
    println!("cargo::rerun-if-env-changed=CI");
    let package = Path::new(PACKAGE);
    let has_package = package.join("node_modules/graphql").is_dir();
    let has_node = programs::directories()
        .iter()
        .any(|directory| directory.join("node").is_file());
    // Where only the program is built, the tests are not there.
    if !package.is_dir() || has_package && has_node {
        return;
    }
    println!("cargo::rerun-if-changed={PACKAGE}");
    if !has_node {
        programs::watch();
    }
    if env::var_os("CI").is_none_or(|value| value.is_empty()) {
        println!("cargo::rustc-cfg=no_graphql_js");
    }
}
