//! Programs that are not installed, but may be later.

use std::env;
use std::path::PathBuf;

/// The directories of the PATH.
pub(crate) fn directories() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path);
    directories.filter(|it| it.is_absolute()).collect()
}

/// Has cargo run this script again when a program was installed: a directory changes with what is in it. (A file that
/// is not there would have it run every time, and compile everything again.)
pub(crate) fn watch() {
    println!("cargo::rerun-if-env-changed=PATH");
    for directory in directories().iter().filter(|it| it.is_dir()) {
        println!("cargo::rerun-if-changed={}", directory.display());
    }
}
