//! Compares the guard with graphql-js, the reference implementation: for thousands of generated requests both accept
//! or reject the same ones, and the normalized operation of each valid request has the same result as the original.
//!
//! Needs Node.js and `npm ci` in `tests/graphql-js`; without them the tests are ignored, but not under CI. The harness is
//! libtest-mimic, because the standard one cannot ignore a test at run time.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what supports a test may fail it, and a seed comes from the environment"
)]

mod generate;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use graphql_guard::json::ObjectText;
use graphql_guard::{Code, Guard, Limits, RequestError, ScalarInput, Settings};
use libtest_mimic::{Arguments, Trial};
use serde::Deserialize;
use serde_json::{Value, json};

use generate::{Generator, Request};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/articles.graphql");
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/graphql-js");
const REQUESTS: usize = 5_000;
const SEED: u64 = 20_261_123;

/// A difference that is allowed, and why ours is right. `applies` gets the request, our verdict and graphql-js's
/// message.
struct Difference {
    reason: &'static str,
    applies: fn(&Request, &Ours, &Theirs) -> bool,
}

const DIFFERENCES: &[Difference] = &[Difference {
    reason: "graphql-js 16 lets a nullable variable stand in a @oneOf input object; \
             the edition of September 2025 does not (section 5.8.5, IsNonNullPosition)",
    applies: |_, ours, theirs| {
        ours.verdict == Code::ValidationFailed.as_str()
            && theirs.verdict != Code::ParseFailed.as_str()
            && ours
                .message
                .split(" | ")
                .all(|message| message.contains("is used in a `@oneOf` input object"))
    },
}];

struct Ours {
    verdict: &'static str,
    message: String,
    normalized: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Theirs {
    verdict: String,
    #[serde(default)]
    message: String,
    difference: Option<String>,
}

fn main() -> ExitCode {
    let has_graphql_js = Path::new(PACKAGE).join("node_modules/graphql").is_dir();
    let has_node = Command::new("node").arg("--version").output().is_ok();
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let is_ignored = !(has_graphql_js && has_node || is_ci);
    let tests: [(&str, fn()); 2] = [
        (
            "verdicts_and_results_equal_those_of_graphql_js",
            verdicts_and_results_equal_those_of_graphql_js,
        ),
        (
            "introspection_equals_that_of_graphql_js",
            introspection_equals_that_of_graphql_js,
        ),
    ];
    let trials = tests.map(|(name, test)| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(is_ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn verdicts_and_results_equal_those_of_graphql_js() {
    let sdl = std::fs::read_to_string(SCHEMA).unwrap();
    // Set the variable to look for differences with another seed.
    let seed = std::env::var("GRAPHQL_JS_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let requests = Generator::new(&sdl, seed).requests(REQUESTS);
    let guard = Guard::new(&sdl, settings(unlimited())).unwrap();
    let ours: Vec<Ours> = requests
        .iter()
        .map(|request| judge(&guard, request))
        .collect();
    let theirs = ask(&requests, &ours);
    assert_eq!(theirs.len(), requests.len());

    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for ((request, ours), theirs) in requests.iter().zip(&ours).zip(&theirs) {
        *counts.entry(ours.verdict).or_default() += 1;
        if ours.verdict == theirs.verdict && theirs.difference.is_none() {
            continue;
        }
        match DIFFERENCES
            .iter()
            .find(|difference| (difference.applies)(request, ours, theirs))
        {
            Some(difference) => *used.entry(difference.reason).or_default() += 1,
            None => wrong.push(format!(
                "{}\nvariables: {}\nours: {} {}\ngraphql-js: {} {}\n{}",
                request.query,
                request.variables,
                ours.verdict,
                ours.message,
                theirs.verdict,
                theirs.message,
                theirs.difference.as_deref().unwrap_or_default()
            )),
        }
    }
    println!("{counts:?}\nlisted differences: {used:?}");
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n\n{}",
        wrong.len(),
        requests.len(),
        wrong
            .iter()
            .take(12)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n\n")
    );
    // Each kind of verdict must still be reached, and each listed difference must still occur.
    for verdict in [
        "valid",
        Code::ParseFailed.as_str(),
        Code::ValidationFailed.as_str(),
        Code::BadUserInput.as_str(),
    ] {
        assert!(
            counts
                .get(verdict)
                .is_some_and(|&count| count >= REQUESTS / 50),
            "{verdict}: {counts:?}"
        );
    }
    for difference in DIFFERENCES.iter().filter(|_| seed == SEED) {
        assert!(
            used.contains_key(difference.reason),
            "never seen: {}",
            difference.reason
        );
    }
}

fn introspection_equals_that_of_graphql_js() {
    let output = Command::new("node")
        .args(["introspection.mjs", SCHEMA])
        .current_dir(PACKAGE)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sdl = std::fs::read_to_string(SCHEMA).unwrap();
    let guard = Guard::new(&sdl, settings(Limits::default())).unwrap();
    let query = theirs["query"].as_str().unwrap();
    let operation = guard.prepare(query, None, &ObjectText::default());
    let [(_, ours)] = &operation.unwrap().introspection[..] else {
        panic!("not one answer");
    };
    let mut ours: Value = serde_json::from_slice(ours).unwrap();
    let theirs = &mut theirs["data"]["__schema"];
    for schema in [&mut ours, theirs] {
        sort(schema);
        // The descriptions of built-in types and directives differ between the two.
        let types = schema["types"].as_array_mut().unwrap();
        types.retain(|ty| !ty["name"].as_str().unwrap().starts_with("__"));
        for ty in types {
            if ["Boolean", "Float", "ID", "Int", "String"].contains(&ty["name"].as_str().unwrap()) {
                ty["description"].take();
            }
        }
        for directive in schema["directives"].as_array_mut().unwrap() {
            if ["deprecated", "specifiedBy"].contains(&directive["name"].as_str().unwrap()) {
                directive["description"].take();
                // A location from the draft, which the edition of September 2025 (section 3.13.3) does not have.
                let locations = directive["locations"].as_array_mut().unwrap();
                locations.retain(|location| location != "DIRECTIVE_DEFINITION");
                let arguments = directive["args"].as_array_mut().unwrap();
                for argument in arguments {
                    argument["description"].take();
                }
            }
        }
    }
    assert_eq!(format!("{ours:#}"), format!("{theirs:#}"));
}

/// Sorts types, fields and directives, whose order is not significant.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(|item| item["name"].to_string());
        }
        Value::Object(fields) => fields.values_mut().for_each(sort),
        _ => {}
    }
}

fn settings(limits: Limits) -> Settings {
    Settings {
        limits,
        scalars: [("DateTime".to_owned(), ScalarInput::String)].into(),
        ..Settings::default()
    }
}

/// graphql-js has no limits. Those on nesting remain, because they protect our stack.
fn unlimited() -> Limits {
    Limits {
        document_tokens: usize::MAX,
        selections: usize::MAX,
        depth: usize::MAX,
        aliases: usize::MAX,
        root_fields: usize::MAX,
        directives: usize::MAX,
        complexity: u64::MAX,
        ..Limits::default()
    }
}

fn judge(guard: &Guard, request: &Request) -> Ours {
    let variables = request.variables.as_object().map(Into::into);
    match guard.prepare(
        &request.query,
        request.operation_name.as_deref(),
        &variables.unwrap_or_default(),
    ) {
        Ok(operation) => {
            let normalized = json!({ "text": operation.text(), "variables": operation.variables });
            Ours {
                verdict: "valid",
                message: operation.text().to_owned(),
                normalized: Some(normalized),
            }
        }
        Err(errors) => Ours {
            verdict: errors
                .first()
                .map_or("no reason", |error| error.code.as_str()),
            message: errors.iter().map(describe).collect::<Vec<_>>().join(" | "),
            normalized: None,
        },
    }
}

fn describe(error: &RequestError) -> String {
    format!("{} {:?} {:?}", error.message, error.field, error.locations)
}

/// Sends all requests to one process of graphql-js, one per line.
fn ask(requests: &[Request], ours: &[Ours]) -> Vec<Theirs> {
    let mut node = Command::new("node")
        .args(["reference.mjs", SCHEMA])
        .current_dir(PACKAGE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = node.stdin.take().unwrap();
    let lines: Vec<String> = requests
        .iter()
        .zip(ours)
        .map(|(request, ours)| {
            json!({
                "query": request.query,
                "operationName": request.operation_name,
                "variables": request.variables,
                "normalized": ours.normalized,
            })
            .to_string()
        })
        .collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").unwrap();
        }
    });
    let output = BufReader::new(node.stdout.take().unwrap());
    let answers = output
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    writer.join().unwrap();
    assert!(node.wait().unwrap().success());
    answers
}
