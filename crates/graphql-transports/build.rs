//! Looks for the audits of GraphQL over HTTP that a test runs; where they are missing, `cfg(no_audits)` makes that test
//! ignored.

use std::env;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "tests/audits";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(no_audits)");
    println!("cargo::rerun-if-env-changed=CI");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-changed=build.rs");
    let package = Path::new(PACKAGE);
    // Where only the program is built, the tests are absent.
    if !package.is_dir() {
        return;
    }
    println!("cargo::rerun-if-changed={PACKAGE}");
    let directories: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    let has_node = directories
        .iter()
        .any(|directory| directory.join("node").is_file());
    let has_package = package.join("node_modules/graphql-http").is_dir();
    if !has_node {
        for directory in directories.iter().filter(|directory| directory.is_dir()) {
            println!("cargo::rerun-if-changed={}", directory.display());
        }
    }
    // Under CI, a test that cannot run counts as failed.
    let is_ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
    if !(has_node && has_package || is_ci) {
        println!("cargo::rustc-cfg=no_audits");
    }
}
