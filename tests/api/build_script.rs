//! The build script, run as cargo runs it, on a machine where npm is missing at first.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::directory;

/// The build script that cargo compiled last, next to the output of its run.
fn script() -> PathBuf {
    let builds = Path::new(env!("OUT_DIR")).ancestors().nth(2).unwrap();
    fs::read_dir(builds)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("build-script-main"))
        .filter(|path| path.is_file())
        .max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap())
        .unwrap()
}

#[test]
fn a_build_without_npm_reruns_after_npm_is_installed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = directory();
    let [package, programs, out] =
        ["package", "bin", "out"].map(|name| directory.path().join(name));
    // A fresh clone, in which npm has not been run.
    fs::create_dir_all(package.join("ui")).unwrap();
    for entry in fs::read_dir(root.join("ui")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, package.join("ui").join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::create_dir_all(&programs).unwrap();
    fs::create_dir_all(&out).unwrap();
    let build = |offline: &str| {
        let output = Command::new(script())
            .env_clear()
            .env("CARGO_NET_OFFLINE", offline)
            .env("PATH", &programs)
            .env("OUT_DIR", &out)
            .current_dir(&package)
            .output()
            .unwrap();
        let output_text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{output_text}");
        let embedded = fs::read_to_string(out.join("ui/embedded.rs")).unwrap();
        (output_text, embedded.contains("Option<Page> = Some("))
    };

    let (output_text, has_graphiql) = build("");
    assert!(!has_graphiql);
    assert!(
        output_text.contains("npm is not on the PATH"),
        "{output_text}"
    );
    let shown = programs.display();
    for watched in [
        "cargo::rerun-if-env-changed=PATH".to_owned(),
        format!("cargo::rerun-if-changed={shown}"),
        "cargo::rerun-if-changed=ui".to_owned(),
    ] {
        assert!(
            output_text.lines().any(|line| line == watched),
            "{watched} is not in {output_text}"
        );
    }
    // A missing path would make cargo run the script, and compile everything, each time.
    for path in output_text
        .lines()
        .filter_map(|line| line.strip_prefix("cargo::rerun-if-changed="))
    {
        assert!(package.join(path).exists(), "{path}");
    }

    let npm = programs.join("npm");
    let files = "graphiql/graphiql.min.js graphiql/graphiql.min.css graphiql/LICENSE react/LICENSE \
        react/umd/react.production.min.js react-dom/umd/react-dom.production.min.js";
    let install = format!(
        "#!/bin/sh\nfor file in {files}; do /bin/mkdir -p node_modules/${{file%/*}}; echo >node_modules/$file; done\n"
    );
    fs::write(&npm, install).unwrap();
    fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
    let (output_text, has_graphiql) = build("true");
    assert!(!has_graphiql, "{output_text}");
    assert!(output_text.contains("so npm is not run"), "{output_text}");
    let (output_text, has_graphiql) = build("false");
    assert!(has_graphiql, "{output_text}");
    assert!(!output_text.contains("cargo::warning"), "{output_text}");
    assert!(
        !output_text
            .lines()
            .any(|line| line == "cargo::rerun-if-changed=ui"),
        "{output_text}"
    );
}
