//! Which modules of a crate may use which others.

use super::{files, root};

/// The modules of the server, each with the modules of `crate::` that it may use. A module that no other may use is at
/// the top.
const MAY_NAME: [(&str, &[&str]); 17] = [
    (
        "api",
        &[
            "article", "budget", "clock", "config", "error", "feed", "overload", "store",
        ],
    ),
    ("article", &["clock", "error"]),
    ("budget", &["error"]),
    (
        "cli",
        &[
            "admission",
            "api",
            "clock",
            "config",
            "error",
            "server",
            "store",
            "telemetry",
            "transfer",
        ],
    ),
    ("clock", &[]),
    ("config", &["admission", "caller_limits"]),
    ("error", &["clock"]),
    ("feed", &["article", "error", "store"]),
    (
        "graphql",
        &[
            "admission",
            "api",
            "article",
            "caller_limits",
            "error",
            "observed",
        ],
    ),
    ("lib", &[]),
    ("log_limit", &[]),
    ("main", &[]),
    ("observed", &["error", "store"]),
    (
        "server",
        &[
            "admission",
            "api",
            "article",
            "caller_limits",
            "clock",
            "config",
            "connections",
            "error",
            "feed",
            "graphql",
            "log_limit",
            "observed",
            "overload",
            "store",
        ],
    ),
    (
        "store",
        &["article", "budget", "clock", "error", "log_limit"],
    ),
    ("telemetry", &["config"]),
    ("transfer", &["article", "clock", "error", "store"]),
];

/// The crates that only some modules may use.
const MAY_NAME_CRATE: [(&str, &[&str]); 8] = [
    ("async_graphql", &["api"]),
    ("axum", &["server"]),
    ("clap", &["cli", "config", "store"]),
    ("diesel", &["store"]),
    ("diesel_async", &["store"]),
    (
        "graphql_transports",
        &["api", "config", "error", "graphql", "server"],
    ),
    ("postgres_connect", &["store"]),
    ("search_words", &["article", "store"]),
];

/// The compiler separates crates; this separates the modules of one.
#[test]
fn every_module_uses_only_those_below_it() {
    let mut wrong = Vec::new();
    for src in ["src", "crates/articles/src"].map(|src| root().join(src)) {
        for file in files(&src) {
            if file.extension().is_some_and(|extension| extension == "rs") {
                let name = file.strip_prefix(&src).unwrap().to_str().unwrap();
                let text = std::fs::read_to_string(&file).unwrap();
                wrong.extend(wrong_paths(name, &text));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The paths that a file uses and must not.
fn wrong_paths(file: &str, source: &str) -> Vec<String> {
    let module = file.split(['/', '.']).next().unwrap();
    let Some((_, may)) = MAY_NAME.iter().find(|(of, _)| *of == module) else {
        return vec![format!("{file} is in no row of MAY_NAME")];
    };
    let is_wrong = |path: &String| {
        let mut parts = path.split("::");
        match (parts.next(), parts.next()) {
            (Some("crate"), Some(other)) => other != module && !may.contains(&other),
            (Some(other), _) => MAY_NAME_CRATE
                .iter()
                .any(|(of, modules)| *of == other && !modules.contains(&module)),
            (None, _) => false,
        }
    };
    let paths = paths(source).into_iter().filter(is_wrong);
    paths.map(|path| format!("{file} names {path}")).collect()
}

/// The paths in a source, outside comments, with each path of a `use` tree separately.
fn paths(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .map(|line| {
            line.split("//")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
                + " "
        })
        .collect();
    let is_word = |character: char| character.is_alphanumeric() || "_:{},".contains(character);
    let mut paths = Vec::new();
    // In a list of imports, spaces mean nothing but before `as`.
    for statement in code.split("use ").skip(1) {
        let Some((tree, _)) = statement.split_once(';') else {
            continue;
        };
        let tree: String = tree.replace(" as ", "@").split_whitespace().collect();
        if tree.chars().all(|c| is_word(c) || "@*".contains(c)) {
            expand("", &tree, &mut paths);
        }
    }
    for word in code.split(|character| !is_word(character) || "{},".contains(character)) {
        if word.contains("::") && !word.ends_with("::") {
            paths.push(word.to_owned());
        }
    }
    paths
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn expand(before: &str, tree: &str, paths: &mut Vec<String>) {
    let mut depth = 0;
    let mut from = 0;
    let mut parts = Vec::new();
    for (at, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[from..]);
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        match part.split_once('{') {
            Some((prefix, rest)) => {
                let inner = rest.strip_suffix('}').unwrap_or(rest);
                expand(&format!("{before}{prefix}"), inner, paths);
            }
            None => paths.push(format!("{before}{part}")),
        }
    }
}

#[test]
fn paths_are_found_in_every_form_and_in_code_only() {
    let source = "
        // axum::Router
        use crate::{api, server::{self, metrics::Metrics as Other}}; // clap::Parser
        pub use diesel::{
            QueryResult,
            sql_types::{BigInt, Text},
        };
        fn f() -> std::fmt::Result { crate::store::open() }
    ";
    let found = paths(source);
    for path in [
        "crate::api",
        "crate::server::self",
        "crate::server::metrics::Metrics@Other",
        "diesel::QueryResult",
        "diesel::sql_types::Text",
        "std::fmt::Result",
        "crate::store::open",
    ] {
        assert!(found.iter().any(|it| it == path), "{path} in {found:?}");
    }
    for crate_name in ["axum", "clap"] {
        assert!(!found.iter().any(|it| it.starts_with(crate_name)));
    }
}
