//! Looks for the PostgreSQL of the tests, so that tests that need it are ignored if it is missing.
//!
//! A running test cannot report that it is ignored, so this is decided when it is compiled: `cfg(no_postgres)` means
//! that there is neither `TEST_DATABASE_URL` nor the programs for a temporary server, `cfg(no_postgres_programs)` that
//! the programs are missing. If `CI` is set and there is neither, no test is ignored, and they fail.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs;

/// Where Debian installs the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

pub(crate) fn detect() {
    println!("cargo::rustc-check-cfg=cfg(no_postgres, no_postgres_programs)");
    let [url, ci, without] = ["TEST_DATABASE_URL", "CI", "WITHOUT_POSTGRES"].map(|name| {
        println!("cargo::rerun-if-env-changed={name}");
        env::var_os(name).is_some_and(|value| !value.is_empty())
    });
    if !without && let Some(directory) = find() {
        let shown = directory.display();
        println!("cargo::rustc-env=BROADSHEET_TEST_POSTGRES={shown}");
        println!("cargo::rerun-if-changed={shown}/initdb");
        return;
    }
    programs::watch();
    if Path::new(DEBIAN).is_dir() {
        println!("cargo::rerun-if-changed={DEBIAN}");
    }
    if without || !url && !ci {
        println!("cargo::rustc-cfg=no_postgres");
    }
    if without || url || !ci {
        println!("cargo::rustc-cfg=no_postgres_programs");
    }
}

/// The directory of `initdb` and `postgres`: on the PATH, or the one that `pg_config` names, or Debian's, the newest
/// version first.
fn find() -> Option<PathBuf> {
    let mut candidates = programs::directories();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output()
        && let Ok(directory) = String::from_utf8(output.stdout)
    {
        candidates.push(directory.trim().into());
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    candidates.extend(versions.into_iter().map(|(_, directory)| directory));
    candidates.into_iter().find(|directory| {
        directory.is_absolute()
            && ["initdb", "postgres"]
                .iter()
                .all(|program| directory.join(program).is_file())
    })
}
