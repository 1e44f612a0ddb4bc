//! All steps together, on a schema with a union and several types of one interface.

mod settings;

use std::collections::HashMap;

use async_graphql::Request;
use serde_json::{Value, json};

use super::{
    Code, Guard, Limits, Operation, OperationKind, Pages, RequestError, ScalarInput, Settings,
    print,
};
use crate::json::ObjectText;

const SDL: &str = r"
    scalar DateTime
    interface Node { id: ID! }
    type Article implements Node { id: ID! title: String! author: Author related(first: Int, last: Int): Articles! }
    type Author implements Node { id: ID! name: String! best: Node articles(limit: Int! = 20): [Article!]! }
    type Articles { edges: [Edge!]! nodes: [Article!]! info: Info! }
    type Edge { cursor: String! node: Article! }
    type Info { more: Boolean! }
    union Hit = Article | Author
    enum Order { ASC DESC }
    input By @oneOf { id: ID slug: String }
    input Filter { and: [Filter!] in: [ID!] title: String order: Order! = ASC at: DateTime limit: Int! = 5 }
    type Query {
        article(by: By!): Article
        articles(filter: Filter, order: Order! = DESC, limit: Int! = 20, offset: Int! = 0): [Article!]!
        node(id: ID!): Node
        nodes(ids: [ID!]!): [Node]!
        search(text: String!, ratio: Float): [Hit!]!
        deep(matrix: [[Int!]]): Int
    }
    input New { title: String! text: String }
    type Mutation { create(input: New!): Article createAll(inputs: [New!]!): [Article!] }
    type Subscription { changed(ids: [ID!]): Article! created: Article! }
";

fn settings(limits: Limits) -> Settings {
    let arguments = ["limit", "first", "last", "ids", "inputs"];
    Settings {
        limits,
        pages: Pages {
            arguments: arguments.map(str::to_owned).into(),
            ..Pages::default()
        },
        scalars: HashMap::from([("DateTime".to_owned(), ScalarInput::String)]),
        ..Settings::default()
    }
}

fn guard_with(limits: Limits) -> Guard {
    Guard::new(SDL, settings(limits)).unwrap()
}

fn guard() -> Guard {
    guard_with(Limits::default())
}

fn object(value: Value) -> ObjectText {
    let Value::Object(object) = value else {
        panic!("{value} is no object")
    };
    ObjectText::from(&object)
}

fn with(query: &str, variables: Value) -> Result<Operation, Vec<RequestError>> {
    guard().prepare(query, None, &object(variables))
}

/// The text of the normalized operation of a document without variables.
fn normalized(query: &str) -> String {
    with(query, json!({})).unwrap().text().to_owned()
}

fn rejected(query: &str) -> (Code, String) {
    let errors = with(query, json!({}))
        .map(|operation| operation.text().to_owned())
        .unwrap_err();
    (errors[0].code, errors[0].message.clone())
}

fn refused_fields(query: &str, variables: Value) -> Vec<String> {
    let errors = with(query, variables)
        .map(|operation| operation.text().to_owned())
        .unwrap_err();
    errors
        .into_iter()
        .map(|error| {
            assert_eq!(error.code, Code::BadUserInput, "{}", error.message);
            error.field.unwrap()
        })
        .collect()
}

fn exceeded(query: &str) -> (&'static str, u64) {
    let errors = with(query, json!({}))
        .map(|operation| operation.text().to_owned())
        .unwrap_err();
    assert_eq!(errors[0].code, Code::TooComplex, "{}", errors[0].message);
    let exceeded = errors[0].exceeded.unwrap();
    (exceeded.name, exceeded.value)
}

#[test]
fn equal_fields_are_merged_with_what_stands_below_them() {
    assert_eq!(
        normalized(
            "{ node(id: 1) { id } ...F node(id: 1) { __typename } } fragment F on Query { node(id: 1) { x: id } }"
        ),
        "query{node(id:\"1\" ){id x:id __typename } }"
    );
    assert_eq!(
        normalized(
            "mutation { create(input: {title: \"a\"}) { id } create(input: {title: \"a\"}) { title } }"
        ),
        "mutation{create(input:{title:\"a\" } ){id title } }"
    );
}

#[test]
fn fragments_dissolve_where_their_type_always_holds() {
    assert_eq!(
        normalized(
            "{ article(by: {id: 1}) { ...{ id } ... on Node { n: id } ... on Article { title } } }"
        ),
        "query{article(by:{id:\"1\" } ){id n:id title } }"
    );
}

#[test]
fn below_an_abstract_type_each_object_type_has_its_own_complete_list() {
    assert_eq!(
        normalized(
            "{ node(id: 1) { id ... on Article { id title } ... on Author { name } __typename } }"
        ),
        "query{node(id:\"1\" ){...on Article{id title __typename } ...on Author{id name __typename } } }"
    );
    assert_eq!(
        normalized("{ node(id: 1) { id ... on Node { id } } }"),
        "query{node(id:\"1\" ){id } }"
    );
    assert_eq!(
        normalized("{ search(text: \"\") { ... on Node { id } ... on Author { name } } }"),
        "query{search(text:\"\" ){...on Article{id } ...on Author{id name } } }"
    );
    assert_eq!(
        normalized(
            "{ node(id: 1) { ... on Author { best { id } } ... on Author { best { ... on Article { title } } } } }"
        ),
        "query{node(id:\"1\" ){...on Author{best{...on Article{id title } ...on Author{id } } } } }"
    );
}

#[test]
fn conditions_are_decided_by_literals_and_variables() {
    let query = "query($a: Boolean!, $b: Boolean = true) { deep @include(if: $a) ... @skip(if: $b) { x: deep } \
                 y: deep @skip(if: true) z: deep @include(if: true) }";
    let text = |variables| {
        with(query, variables)
            .unwrap()
            .text()
            .split_once(')')
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(text(json!({ "a": true })), "{deep z:deep }");
    assert_eq!(text(json!({ "a": false, "b": false })), "{x:deep z:deep }");
    assert_eq!(
        refused_fields(query, json!({ "a": true, "b": null })),
        ["b"]
    );
}

#[test]
fn a_variable_is_a_condition_only_of_the_operation_that_uses_it_so() {
    let query = "query A($v: Boolean!) { deep @skip(if: $v) } query B($v: String) { articles(filter: {title: $v}) { id } }";
    assert!(
        guard()
            .prepare(query, Some("B"), &object(json!({ "v": null })))
            .is_ok()
    );
}

#[test]
fn one_cache_serves_conditions_that_differ() {
    let guard = guard();
    let query = "query($a: Boolean!) { deep @include(if: $a) x: deep }";
    for (a, expected) in [
        (true, "{deep x:deep }"),
        (false, "{x:deep }"),
        (true, "{deep x:deep }"),
    ] {
        let operation = guard
            .prepare(query, None, &object(json!({ "a": a })))
            .unwrap();
        assert_eq!(operation.text(), format!("query($a:Boolean! ){expected}"));
    }
    assert!(guard.cache.bytes() > 0);
}

#[test]
fn the_cache_stays_within_its_bytes() {
    let guard = guard_with(Limits {
        cache_bytes: 100_000,
        ..Limits::default()
    });
    for number in 0..1_000 {
        guard
            .prepare(
                &format!("{{ deep(matrix: [[{number}]]) }}"),
                None,
                &ObjectText::default(),
            )
            .unwrap();
        assert!(guard.cache.bytes() <= 100_000);
    }
    assert!(guard.cache.bytes() > 10_000);
}

#[test]
fn arguments_whose_variable_is_left_out_are_dropped() {
    let query = "query($l: Int, $t: String, $i: [ID!]) { articles(limit: $l, filter: {title: $t, in: $i}) { id } }";
    let head = "query($l:Int $t:String $i:[ID!] )";
    assert_eq!(
        with(query, json!({})).unwrap().text(),
        format!("{head}{{articles(filter:{{}} ){{id }} }}")
    );
    let operation = with(query, json!({ "l": 3, "t": null, "other": 1 })).unwrap();
    assert_eq!(
        operation.text(),
        format!("{head}{{articles(limit:$l filter:{{title:$t }} ){{id }} }}")
    );
    assert_eq!(operation.variables.to_string(), "{l: 3, t: null}");
}

#[test]
fn a_left_out_variable_is_null_in_a_list() {
    assert_eq!(
        with(
            "query($r: [Int!]) { deep(matrix: [[1], $r, null]) }",
            json!({})
        )
        .unwrap()
        .text(),
        "query($r:[Int!] ){deep(matrix:[[1 ] null null ] ) }"
    );
}

#[test]
fn single_values_become_lists_and_integers_ids() {
    assert_eq!(
        normalized("{ nodes(ids: 12345678901234567890) { id } }"),
        "query{nodes(ids:[\"12345678901234567890\" ] ){id } }"
    );
    assert_eq!(
        normalized("{ deep(matrix: 1) }"),
        "query{deep(matrix:[[1 ] ] ) }"
    );
    let operation = with(
        "query($i: [ID!]!) { nodes(ids: $i) { id } }",
        json!({ "i": 5 }),
    )
    .unwrap();
    assert_eq!(operation.variables.to_string(), "{i: [\"5\"]}");
}

#[test]
fn null_is_refused_where_only_a_default_allows_the_variable() {
    let query = "query($l: Int) { articles(limit: $l) { id } }";
    assert_eq!(refused_fields(query, json!({ "l": null })), ["limit"]);
    let query = "query($o: Order) { articles(filter: {and: [{order: $o}]}) { id } }";
    assert_eq!(
        refused_fields(query, json!({ "o": null })),
        ["filter.and.0.order"]
    );
    let query = "query($i: ID = 1) { nodes(ids: [\"a\", $i]) { id } }";
    assert_eq!(refused_fields(query, json!({ "i": null })), ["ids.1"]);
    assert!(with(query, json!({})).is_ok());
}

#[test]
fn a_variable_that_does_not_coerce_is_refused_with_its_path() {
    let query = "mutation($inputs: [New!]!) { createAll(inputs: $inputs) { id } }";
    assert_eq!(
        refused_fields(
            query,
            json!({ "inputs": [{ "title": "a" }, { "title": 1 }, null, { "text": [] , "x": 1 }] })
        ),
        [
            "inputs.1.title",
            "inputs.2",
            "inputs.3.title",
            "inputs.3.text",
            "inputs.3.x"
        ]
    );
    assert_eq!(refused_fields(query, json!({})), ["inputs"]);
    assert_eq!(refused_fields(query, json!({ "inputs": null })), ["inputs"]);
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    assert_eq!(
        refused_fields(query, json!({ "ids": ["a", 1, 1.5] })),
        ["ids.2"]
    );
    let query = "query($by: By!) { article(by: $by) { id } }";
    assert_eq!(refused_fields(query, json!({ "by": {} })), ["by"]);
    assert_eq!(
        refused_fields(query, json!({ "by": { "id": 1, "slug": "a" } })),
        ["by"]
    );
    assert_eq!(
        refused_fields(query, json!({ "by": { "id": null } })),
        ["by.id"]
    );
    let query = "query($f: Filter) { articles(filter: $f) { id } }";
    assert_eq!(
        refused_fields(
            query,
            json!({ "f": { "at": 5, "order": "UP", "limit": 2_147_483_648_u32 } })
        ),
        ["f.order", "f.at", "f.limit"]
    );
}

#[test]
fn a_refused_variable_says_where_it_is_declared_and_nothing_of_its_value() {
    let errors = with(
        "query(\n  $ids: [ID!]!) { nodes(ids: $ids) { id } }",
        json!({ "ids": [true] }),
    )
    .unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0]
            .locations
            .iter()
            .map(|place| (place.line, place.column))
            .collect::<Vec<_>>(),
        [(2, 3)]
    );
    assert_eq!(
        errors[0].message,
        "The variable `$ids` cannot be used: expected a value of type `ID`, found a boolean at `ids.0`."
    );
}

#[test]
fn input_objects_get_their_defaults() {
    let operation = with(
        "query($f: Filter!) { articles(filter: $f) { id } }",
        json!({ "f": { "title": null } }),
    )
    .unwrap();
    assert_eq!(
        operation.variables.to_string(),
        "{f: {title: null, order: ASC, limit: 5}}"
    );
    let operation = with(
        "query($l: Int = 3, $f: Float = 2) { articles(limit: $l) { id } search(text: \"\", ratio: $f) { __typename } }",
        json!({}),
    );
    assert_eq!(operation.unwrap().variables.to_string(), "{f: 2, l: 3}");
}

#[test]
fn whole_floats_are_integers() {
    let operation = with(
        "query($l: Int) { articles(limit: $l) { id } }",
        json!({ "l": 3.0 }),
    )
    .unwrap();
    assert_eq!(operation.variables.to_string(), "{l: 3}");
    assert_eq!(
        refused_fields(
            "query($l: Int) { articles(limit: $l) { id } }",
            json!({ "l": 3.5 })
        ),
        ["l"]
    );
}

#[test]
fn an_operation_is_picked_by_name() {
    let guard = guard();
    let none = ObjectText::default();
    let query = "query A { deep } mutation B { createAll(inputs: []) { id } }";
    let operation = guard.prepare(query, Some("B"), &none).unwrap();
    assert_eq!(
        (operation.kind, operation.name.as_deref()),
        (OperationKind::Mutation, Some("B"))
    );
    for (query, name) in [
        (query, None),
        (query, Some("")),
        (query, Some("C")),
        ("{ deep }", Some("A")),
    ] {
        let errors = guard.prepare(query, name, &none).unwrap_err();
        assert_eq!(errors[0].code, Code::BadRequest);
    }
    assert!(guard.prepare("query A { deep }", Some(""), &none).is_ok());
}

#[test]
fn a_subscription_has_one_root_field_once_merged() {
    assert_eq!(
        normalized(
            "subscription { ...F created { title } } fragment F on Subscription { created { id } }"
        ),
        "subscription{created{id title } }"
    );
    for query in [
        "subscription { created { id } changed { id } }",
        "subscription { a: created { id } b: created { id } }",
        "subscription { __typename }",
        "subscription { __schema { description } }",
        "subscription { ... on Subscription { __typename } }",
        "subscription { created @skip(if: false) { id } }",
    ] {
        assert_eq!(rejected(query).0, Code::ValidationFailed, "{query}");
    }
}

#[test]
fn conflicting_fields_are_refused() {
    for query in [
        "{ x: node(id: 1) { id } ... on Query { x: node(id: 2) { id } } }",
        "{ a: articles { x: id } a: articles { x: title } }",
        "{ nodes(ids: [1]) { id } nodes(ids: [1, 2]) { id } }",
        "{ nodes(ids: [1, 2]) { id } nodes(ids: [1]) { id } }",
        "{ articles(limit: 1) { id } articles { id } }",
        "{ deep nodes(ids: 1) { id } deep: articles { id } }",
        "{ node(id: 1) { ... on Article { x: title } ... on Author { x: id } ... on Article { x: id } } }",
        "{ node(id: 1) { ... on Article { x: author { id } } ... on Author { x: name } } }",
    ] {
        assert_eq!(rejected(query).0, Code::ValidationFailed, "{query}");
    }
    for query in [
        "{ articles(filter: {title: \"a\", limit: 1}) { id } articles(filter: {limit: 1, title: \"a\"}) { id } }",
        "{ node(id: 1) { ... on Article { x: title } ... on Author { x: name } } }",
    ] {
        normalized(query);
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    for query in [
        "{ articles(limit: \"1\") { id } }",
        "{ articles(limit: 2147483648) { id } }",
        "{ articles(limit: [1]) { id } }",
        "{ articles(limit: null) { id } }",
        "{ articles(order: \"ASC\") { id } }",
        "{ articles(order: UP) { id } }",
        "{ articles(filter: {x: 1}) { id } }",
        "{ articles(filter: {title: \"a\", title: \"a\"}) { id } }",
        "{ articles(filter: {at: 5}) { id } }",
        "{ articles(filter: 1) { id } }",
        "{ node(id: 1.5) { id } }",
        "{ nodes(ids: [null]) { id } }",
        "{ deep(matrix: [[[1]]]) }",
        "{ article(by: {}) { id } }",
        "{ article(by: {id: 1, slug: \"a\"}) { id } }",
        "{ article(by: {id: null}) { id } }",
        "mutation { create(input: {}) { id } }",
        "query($s: String) { articles(limit: $s) { id } }",
        "query($s: [Int!]!) { articles(limit: $s) { id } }",
        "query($i: ID) { nodes(ids: [$i]) { id } }",
        "query($i: ID!) { nodes(ids: $i) { id } }",
        "query($i: ID) { article(by: {id: $i}) { id } }",
        "query($i: ID = null) { node(id: $i) { id } }",
        "query($i: ID = {}) { node(id: $i) { id } }",
        "query($f: Article) { deep }",
        "{ deep @skip(if: \"yes\") }",
        "{ node(id: $undefined) { id } }",
        "{ nodes(ids: [$undefined]) { id } }",
        "query($unused: Int) { deep }",
    ] {
        assert_eq!(rejected(query).0, Code::ValidationFailed, "{query}");
    }
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    for query in [
        "",
        "   # nothing",
        "{",
        "{ deep",
        "{ deep(matrix: ) }",
        "nonsense",
        "{ deep }}",
        "{ a(b: \"x) }",
        "query {}",
        "{ deep(matrix) }",
        "{ articles(limit: 1, filter) { id } }",
        "{ articles(filter: {title}) { id } }",
        "query { articles(limit: 1, filter) { id } }",
    ] {
        let errors = with(query, json!({}))
            .map(|operation| operation.text().to_owned())
            .unwrap_err();
        assert_eq!(errors[0].code, Code::ParseFailed, "{query}");
        assert_eq!(errors[0].locations.len(), 1, "{query}: {errors:?}");
    }
    let errors = with("{\n  déjà }", json!({})).unwrap_err();
    assert_eq!(
        (errors[0].locations[0].line, errors[0].locations[0].column),
        (2, 4)
    );
    let errors = with("{ articles(limit: 1, filter) { id } }", json!({})).unwrap_err();
    assert_eq!(
        (errors[0].locations[0].line, errors[0].locations[0].column),
        (1, 22)
    );
    normalized("query { deep } # query");
    normalized(
        "query ($a: Int = 1) { articles(limit: $a, filter: {title: \"\"\"x\"\"\", in: []}) { id } }",
    );
    assert_eq!(rejected("type T { id: ID }").0, Code::ValidationFailed);
}

#[test]
fn descriptions_are_allowed_and_do_not_move_anything() {
    let errors = with("\"é\" query A { deep, x }", json!({})).unwrap_err();
    assert_eq!(
        (errors[0].locations[0].line, errors[0].locations[0].column),
        (1, 21)
    );
    assert_eq!(
        normalized(
            "\"a\" query(\"b\" $a: Int = 1) { ...F } \"c\" fragment F on Query { articles(limit: $a) { id } }"
        ),
        "query($a:Int=1 ){articles(limit:$a ){id } }"
    );
    assert_eq!(rejected("\"\\x\" query { deep }").0, Code::ParseFailed);
    normalized("\"\\u{41}\" query { deep }");
}

#[test]
fn strings_are_read_as_the_specification_says() {
    let title = |literal: &str| {
        let text = normalized(&format!(
            "{{ articles(filter: {{title: {literal}}}) {{ id }} }}"
        ));
        let (_, rest) = text.split_once("title:").unwrap();
        serde_json::from_str::<String>(rest.split_once(" } )").unwrap().0).unwrap()
    };
    assert_eq!(
        title(r#""\u{1F600} \uD83D\uDE00 \u0041 \t\\ \"""#),
        "😀 😀 A \t\\ \""
    );
    assert_eq!(
        title("\"\"\"\n    a\n      b \\\"\"\" \\n\n  \"\"\""),
        "a\n  b \"\"\" \\n"
    );
    for literal in [r#""\u{110000}""#, r#""\uD83D""#, r#""\x""#, "\"a\nb\""] {
        assert_eq!(
            rejected(&format!("{{ search(text: {literal}) {{ __typename }} }}")).0,
            Code::ParseFailed,
            "{literal}"
        );
    }
}

#[test]
fn a_document_over_a_limit_is_refused_with_its_value() {
    let many = |count: usize, field: &dyn Fn(usize) -> String| -> String {
        format!(
            "{{ {} }}",
            (0..count).map(field).collect::<Vec<_>>().join(" ")
        )
    };
    assert_eq!(
        exceeded(&many(15_000, &|_| "deep".to_owned())),
        ("tokens", 15_002)
    );
    assert_eq!(
        exceeded(&format!(
            "{{ deep(matrix: {}1{}) }}",
            "[".repeat(1_500),
            "]".repeat(1_500)
        )),
        ("nesting", 1_502)
    );
    assert_eq!(
        exceeded(&many(6_000, &|_| "deep".to_owned())),
        ("selections", 6_000)
    );
    assert_eq!(
        exceeded(&many(51, &|number| format!("a{number}: deep"))),
        ("rootFields", 51)
    );
    assert_eq!(
        exceeded(&format!(
            "{{ node(id: 1) {} }}",
            many(51, &|number| format!("a{number}: id"))
        )),
        ("aliases", 51)
    );
    assert_eq!(
        exceeded(&format!("{{ deep {} }}", "@skip(if: true) ".repeat(11))),
        ("directives", 11)
    );
    let deep = format!(
        "{{ articles {} {{ id }} {} }}",
        "{ author { articles ".repeat(8),
        "} }".repeat(8)
    );
    assert_eq!(exceeded(&deep), ("depth", 18));
    assert!(with(&many(50, &|number| format!("a{number}: deep")), json!({})).is_ok());
}

#[test]
fn fragments_that_expand_without_end_are_refused_at_once() {
    use std::fmt::Write as _;
    let mut chain = "{ ...F0 }".to_owned();
    for number in 0..200 {
        let _ = write!(
            chain,
            " fragment F{number} on Query {{ ...F{0} ...F{0} }}",
            number + 1
        );
    }
    chain += " fragment F200 on Query { deep }";
    assert_eq!(exceeded(&chain).0, "nesting");
    let mut chain = "{ ...F0 }".to_owned();
    for number in 0..40 {
        let _ = write!(
            chain,
            " fragment F{number} on Query {{ ...F{0} ...F{0} }}",
            number + 1
        );
    }
    chain += " fragment F40 on Query { deep }";
    let (name, value) = exceeded(&chain);
    assert_eq!(name, "selections");
    assert!(value > 1 << 40);
    for cycle in [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { deep ...B }",
        "{ deep } fragment A on Query { node(id: 1) { ... { ...B } } } fragment B on Article { author { ...A } }",
    ] {
        let (code, message) = rejected(cycle);
        assert_eq!(code, Code::ValidationFailed);
        assert!(message.ends_with("spreads itself."), "{message}");
    }
}

#[test]
fn complexity_multiplies_by_the_size_of_pages() {
    let complexity = |query: &str, variables| with(query, variables).unwrap().complexity;
    assert_eq!(complexity("{ deep }", json!({})), 1);
    assert_eq!(
        complexity("{ articles { id title } }", json!({})),
        1 + 20 * 2
    );
    assert_eq!(
        complexity(
            "{ articles(limit: 3) { id author { articles(limit: 2) { id } } } }",
            json!({})
        ),
        1 + 3 * (1 + 1 + 1 + 2)
    );
    let query = "query($l: Int) { articles(limit: $l) { id } }";
    assert_eq!(complexity(query, json!({})), 21);
    assert_eq!(complexity(query, json!({ "l": 7 })), 8);
    assert_eq!(complexity(query, json!({ "l": -7 })), 1);
    assert_eq!(complexity(query, json!({ "l": i32::MAX })), 1_001);
    assert_eq!(complexity("{ nodes(ids: [1, 2, 3]) { id } }", json!({})), 4);
    assert_eq!(
        complexity(
            "query($i: [ID!]!) { nodes(ids: $i) { id } }",
            json!({ "i": ["1", "2"] })
        ),
        3
    );
    let query = "query($f: Int, $l: Int) { node(id: 1) { ... on Article { related(first: $f, last: $l) { \
                 edges { cursor node { id } } nodes { id } info { more } } } } }";
    assert_eq!(complexity(query, json!({})), 6 + 20 * 3 + 20);
    assert_eq!(
        complexity(query, json!({ "f": null, "l": 3 })),
        6 + 3 * 3 + 3
    );
    let nested = "{ articles(limit: 100) { author { articles(limit: 100) { id title } } } }";
    assert_eq!(exceeded(nested), ("complexity", 1 + 100 * (2 + 100 * 2)));
}

#[test]
fn introspection_is_exempt_from_depth_and_can_be_off() {
    let of_type = format!(
        "{{ __type(name: \"Query\") {{ fields {{ type {} name {} }} }} }}",
        "{ ofType ".repeat(15),
        "}".repeat(15)
    );
    normalized(
        &of_type
            .replace("ofType  name", "ofType { name }")
            .replace("{ ofType name", "{ name"),
    );
    let guard = guard_with(Limits {
        introspection: false,
        ..Limits::default()
    });
    for query in [
        "{ __schema { description } }",
        "{ deep ...F } fragment F on Query { x: __type(name: \"Query\") { name } }",
    ] {
        let errors = guard
            .prepare(query, None, &ObjectText::default())
            .unwrap_err();
        assert_eq!(errors[0].code, Code::ValidationFailed);
        assert!(errors[0].message.starts_with("Introspection is off"));
    }
    assert!(
        guard
            .prepare("{ __typename }", None, &ObjectText::default())
            .is_ok()
    );
    let errors = guard
        .prepare("{ articlez { id } }", None, &ObjectText::default())
        .unwrap_err();
    assert!(
        !errors[0].message.contains("articles"),
        "{}",
        errors[0].message
    );
}

#[test]
fn one_of_can_be_introspected() {
    normalized("{ __type(name: \"By\") { isOneOf } }");
}

#[test]
fn no_more_than_ten_reasons_are_given() {
    let query = format!(
        "{{ {} }}",
        (0..100)
            .map(|number| format!("x{number}"))
            .collect::<Vec<_>>()
            .join(" ")
    );
    assert_eq!(with(&query, json!({})).unwrap_err().len(), 10);
}

#[test]
fn equal_requests_have_equal_keys() {
    let guard = guard();
    let key = |query, variables| {
        let operation = guard.prepare(query, None, &object(variables));
        operation.unwrap().key().clone()
    };
    let query = "query($i: ID!) { node(id: $i) { id ...F } } fragment F on Node { __typename }";
    assert_eq!(
        key(query, json!({ "i": 1 })),
        key(
            "query ($i:ID!){node(id:$i){id,__typename}}",
            json!({ "i": "1" })
        )
    );
    assert_ne!(key(query, json!({ "i": 1 })), key(query, json!({ "i": 2 })));
}

#[test]
fn the_outline_has_no_selections_of_prewritten_types() {
    let guard = Guard::new(
        SDL,
        Settings {
            prewritten: vec!["Article".to_owned()],
            ..settings(Limits::default())
        },
    )
    .unwrap();
    let query = "{ article(by: { id: 1 }) { id } node(id: 1) { id ... on Article { title } } }";
    let operation = guard.prepare(query, None, &ObjectText::default()).unwrap();
    let outline = print::document(operation.outline());
    let node = "node(id:\"1\" ){...on Article{id title } ...on Author{id } }";
    assert_eq!(
        outline,
        format!("query{{article(by:{{id:\"1\" }} ) {node} }}")
    );
    let whole = format!("query{{article(by:{{id:\"1\" }} ){{id }} {node} }}");
    assert_eq!(operation.text(), whole);
}

#[test]
fn nodes_keep_their_place_in_the_document() {
    let operation = with(
        "{ ...F }\nfragment F on Query {\n  x: deep(matrix: [1]) }",
        json!({}),
    )
    .unwrap();
    let (_, definition) = operation.document().operations.iter().next().unwrap();
    let field = &definition.node.selection_set.node.items[0];
    assert_eq!((field.pos.line, field.pos.column), (3, 3));
    let async_graphql::parser::types::Selection::Field(field) = &field.node else {
        panic!("no field")
    };
    assert_eq!(
        (field.node.name.pos.line, field.node.name.pos.column),
        (3, 6)
    );
    assert_eq!(
        (
            field.node.arguments[0].1.pos.line,
            field.node.arguments[0].1.pos.column
        ),
        (3, 19)
    );
}

#[test]
fn the_engine_accepts_a_normalized_operation() {
    let operation = with(
        "query A($i: [ID!]) { nodes(ids: [\"a\"]) { id } deep }",
        json!({}),
    );
    assert_eq!(operation.unwrap_err()[0].code, Code::ValidationFailed);
    let operation = with("query A { deep(matrix: [[1]]) }", json!({})).unwrap();
    let mut request = Request::new("")
        .variables(operation.variables.clone())
        .operation_name("A");
    request.set_parsed_query((**operation.document()).clone());
    let parsed = request.parsed_query().unwrap();
    assert_eq!(
        parsed
            .operations
            .iter()
            .next()
            .unwrap()
            .0
            .map(async_graphql::Name::as_str),
        Some("A")
    );
}

#[test]
fn an_invalid_schema_is_an_error() {
    assert!(Guard::new("type Query { a: Missing }", Settings::default()).is_err());
    assert!(Guard::new("directive @oneOf on INPUT_OBJECT type Query { a(b: B): Int } input B @oneOf { c: Int }", Settings::default()).is_ok());
}
