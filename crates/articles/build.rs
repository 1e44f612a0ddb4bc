//! Compiles the crate again when a migration is added, which `embed_migrations!` alone would not.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
