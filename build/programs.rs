//! Programs that are not installed yet.

use std::env;
use std::path::PathBuf;

/// The directories of the PATH.
pub(crate) fn directories() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path);
    directories.filter(|it| it.is_absolute()).collect()
}

/// Makes cargo run this script again when a program is installed: installing it modifies its directory. (Watching the
/// missing file itself would make cargo run the script, and compile everything, every time.)
pub(crate) fn watch() {
    println!("cargo::rerun-if-env-changed=PATH");
    for directory in directories().iter().filter(|it| it.is_dir()) {
        println!("cargo::rerun-if-changed={}", directory.display());
    }
}
