//! All steps together, on a schema with a union and several types of one interface.

mod limits;
mod normalization;
mod operations;
mod settings;
mod validation;
mod variables;

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
