//! The values of variables are limited while they are read: megabytes of values cost neither memory nor time.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

use crate::program::Program;
use crate::support::{Database, client, on_both_databases, start};
use crate::transports::Transport;

/// How much the memory of the process may grow while three requests of 2 MB are read concurrently, in bytes.
const MEMORY: usize = 150 * 1024 * 1024;

/// The processor time that each request may take: in a release build it takes 150 ms, and here about ten times that.
const TIME: Duration = Duration::from_secs(2);

const FILTER: &str = "query($f: ArticleFilter) { articles(filter: $f) { id } }";
const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
const CREATE: &str =
    "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
const CHANGES: &str = "query($kinds: [ArticleChangeKind!], $ids: [ID!]) \
    { articleChanges(after: \"\", kinds: $kinds, articleIds: $ids) { endCursor } }";

/// The response without errors.
const PASSES: &str = "{\"data\":{\"__typename\":\"Query\"}}";

/// A body, and a part of its response.
type Sent = (String, &'static str);

/// A request whose variables are given as text.
fn sent(query: &str, variables: &str, expected: &'static str) -> Sent {
    let body = format!("{{\"query\":{},\"variables\":{variables}}}", json!(query));
    (body, expected)
}

fn list(item: &str, count: usize) -> String {
    format!("[{}]", vec![item; count].join(","))
}

/// The body of an object with this number of names.
fn names(count: usize) -> String {
    let names = (0..count).map(|number| format!("\"x{number}\":1"));
    names.collect::<Vec<_>>().join(",")
}

/// Lists that exceed every limit.
fn long_lists() -> Vec<Sent> {
    let many = "expected at most 1000 values, found ";
    let texts = list("\"\"", 690_000);
    vec![
        sent(
            FILTER,
            &format!("{{\"f\":{{\"or\":{}}}}}", list("{}", 690_000)),
            "a filter may have at most 200 conditions",
        ),
        sent(
            NODES,
            &format!("{{\"ids\":{}}}", list("1", 1_000_000)),
            many,
        ),
        sent(
            "{ __typename }",
            &format!("{{\"x\":{}}}", list("1", 1_000_000)),
            PASSES,
        ),
        sent(
            FILTER,
            &format!(
                "{{\"f\":{{\"and\":[{{\"or\":{}}}]}}}}",
                list("{\"id\":{}}", 200_000)
            ),
            "a filter may have at most 200 conditions",
        ),
        sent(
            FILTER,
            &format!("{{\"f\":{{\"title\":{{\"in\":{texts}}}}}}}"),
            many,
        ),
        sent(
            CREATE,
            &format!("{{\"inputs\":{}}}", list("{}", 690_000)),
            "a value of type `String!` is required",
        ),
        sent(
            CREATE,
            &format!(
                "{{\"inputs\":{}}}",
                list("{\"title\":\"\",\"text\":\"\"}", 80_000)
            ),
            many,
        ),
        sent(
            CHANGES,
            &format!("{{\"ids\":{}}}", list("1", 1_000_000)),
            many,
        ),
        sent(
            CHANGES,
            &format!("{{\"kinds\":{}}}", list("\"CREATED\"", 200_000)),
            many,
        ),
    ]
}

/// Values that exceed limits other than those of lists.
fn large_values() -> Vec<Sent> {
    // Each part of it is within its own limit.
    let texts = format!("{{\"in\":{}}}", list("\"\"", 1_000));
    let ids = format!("{{\"in\":{}}}", list("1", 1_000));
    let values = format!("{{\"id\":{ids},\"title\":{texts},\"slug\":{texts}}}");
    let nested =
        |open: &str, depth, close: &str| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let repeated = "repeated use of variables, in bytes";
    vec![
        sent(
            FILTER,
            &format!("{{\"f\":{{\"or\":{}}}}}", list(&values, 200)),
            "the values of a request may take",
        ),
        sent(
            FILTER,
            &format!(
                "{{\"f\":{}}}",
                nested("{\"not\":", 200_000, "}").replacen(":}", ":1}", 1)
            ),
            "values may nest at most 100 deep",
        ),
        sent(
            FILTER,
            &format!("{{\"f\":{{{}}}}}", names(150_000)),
            "the type `ArticleFilter` has no such field",
        ),
        sent(
            "query($n: Int) { articles(limit: $n) { id } }",
            &format!("{{\"n\":{}}}", nested("[", 900_000, "]")),
            "expected a value of type `Int`, found a list",
        ),
        sent("{ __typename }", &format!("{{{}}}", names(150_000)), PASSES),
        // One value that the document uses many times.
        sent(
            &format!(
                "query($id: ID!) {{ nodes(ids: {}) {{ id }} }}",
                list("$id", 6_000)
            ),
            &format!("{{\"id\":\"{}\"}}", "x".repeat(1_900_000)),
            repeated,
        ),
        sent(
            &format!(
                "query($f: ArticleFilter!) {{ articles(filter: {{ or: {} }}) {{ id }} }}",
                list("$f", 6_000)
            ),
            &format!("{{\"f\":{{\"id\":{ids}}}}}"),
            repeated,
        ),
    ]
}

/// Values where none are expected.
fn values_elsewhere() -> Vec<Sent> {
    let values = list("{}", 600_000);
    let with = |name: &str| format!("{{\"{name}\":{values},\"query\":\"{{ __typename }}\"}}");
    let extensions = with("x").replacen("\"x\":", "\"extensions\":{\"x\":", 1);
    let extensions = extensions.replacen("],\"query\"", "]},\"query\"", 1);
    vec![
        (extensions, PASSES),
        (with("x"), PASSES),
        (with("variables"), "`variables` must be an object"),
        (values, "batches are not supported"),
    ]
}

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn post(program: &Program, body: Vec<u8>, encoding: &'static str) -> String {
    let request = client()
        .post(program.url("/graphql"))
        .header("content-type", "application/json")
        .header("content-encoding", encoding)
        .body(body);
    request.send().await.unwrap().text().await.unwrap()
}

#[apply(on_both_databases)]
async fn three_requests_of_two_megabytes_take_little_memory_and_time(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let program = Program::start(&own.url, &[]).await;
    post(&program, sent(FILTER, "{}", "").0.into(), "identity").await;
    let memory = program.memory("VmRSS");
    let requests = [long_lists(), large_values(), values_elsewhere()].concat();
    for (encoding, requests) in [("identity", &requests[..]), ("gzip", &requests[..3])] {
        for three in requests.chunks(3) {
            let before = program.processor_time();
            let answers = join_all(three.iter().map(|(body, _)| {
                let sent = match encoding {
                    "gzip" => gzip(body),
                    _ => body.clone().into_bytes(),
                };
                post(&program, sent, encoding)
            }));
            let answers = answers.await;
            let time = program.processor_time().saturating_sub(before);
            let most = program.memory("VmHWM");
            let what: Vec<&str> = three.iter().map(|(body, _)| beginning(body)).collect();
            assert!(time < TIME * 3, "{time:?}: {what:?}");
            assert!(most < memory + MEMORY, "{memory} grew to {most}: {what:?}");
            for (answer, (body, expected)) in answers.iter().zip(three) {
                let (answer, what) = (beginning(answer), beginning(body));
                assert!(body.len() <= 2 * 1024 * 1024, "{what}");
                assert!(answer.contains(expected), "{what}: {answer}");
            }
        }
    }
    let log = program.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// The first characters of a text of a megabyte, to recognize it by.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(1_000)]
}

#[apply(on_both_databases)]
async fn limits_are_the_same_on_every_transport(database: Database) {
    let app = start!(database);
    let ids = json!({ "query": NODES, "variables": { "ids": vec![1; 2_001] } });
    let conditions = vec![json!({}); 401];
    let filter = json!({ "query": FILTER, "variables": { "f": { "or": conditions } } });
    let expected = [
        (
            &ids,
            json!({ "errors": [{
                "message": "The variable `$ids` cannot be used: expected at most 1000 values, found 2001 at `ids`.",
                "locations": [{ "line": 1, "column": 7 }],
                "extensions": { "code": "BAD_USER_INPUT", "field": "ids" },
            }] }),
        ),
        (
            &filter,
            json!({ "errors": [{
                "message": "The variable `$f` cannot be used: a filter may have at most 200 conditions at `f.or.400`.",
                "locations": [{ "line": 1, "column": 7 }],
                "extensions": { "code": "BAD_USER_INPUT", "field": "f.or.400" },
            }] }),
        ),
    ];
    for (request, expected) in expected {
        for transport in Transport::ALL {
            let answer = transport.ask(&app.url("/graphql"), request).await;
            assert_eq!(answer, expected, "{transport:?}");
        }
    }
    let undeclared =
        json!({ "query": "{ __typename }", "variables": { "x": vec![json!({}); 5_000] } });
    for transport in Transport::ALL {
        let answer = transport.ask(&app.url("/graphql"), &undeclared).await;
        assert_eq!(
            answer,
            json!({ "data": { "__typename": "Query" } }),
            "{transport:?}"
        );
    }
}
