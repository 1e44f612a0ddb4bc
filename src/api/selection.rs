//! Look-ahead: the selected columns and fields below the current field, so that no more is read.

use async_graphql::Context;
use async_graphql::parser::types::{Field, Selection, SelectionSet};

use super::json::operation_context;
use crate::article::Columns;
use crate::article::page::Wanted;

/// The columns that the current field needs of its articles.
pub(super) fn columns(ctx: &Context<'_>) -> Columns {
    let mut columns = Columns::ID;
    for_each_field(operation_context::selections(ctx), &mut |field| {
        add(&mut columns, field);
    });
    columns
}

/// The selected fields of a connection.
pub(super) fn wanted(ctx: &Context<'_>) -> Wanted {
    let mut wanted = Wanted::default();
    for_each_field(operation_context::selections(ctx), &mut |field| {
        let below = Some(&field.selection_set.node);
        match field.name.node.as_str() {
            "edges" => for_each_field(below, &mut |edge| {
                for_each_field(Some(&edge.selection_set.node), &mut |field| {
                    add(&mut wanted.columns, field);
                });
            }),
            "nodes" => for_each_field(below, &mut |field| add(&mut wanted.columns, field)),
            "pageInfo" => for_each_field(below, &mut |field| match field.name.node.as_str() {
                "hasNextPage" => wanted.next = true,
                "hasPreviousPage" => wanted.previous = true,
                _ => {}
            }),
            "totalCount" => wanted.total = true,
            _ => {}
        }
    });
    wanted
}

/// How often the current field, an article, selects its text.
pub(super) fn texts(ctx: &Context<'_>) -> usize {
    let mut texts = 0;
    for_each_field(operation_context::selections(ctx), &mut |field| {
        texts += usize::from(field.name.node == "text");
    });
    texts
}

/// How often a page of changes selects the text of each article.
pub(super) fn texts_of_changes(ctx: &Context<'_>) -> usize {
    let mut texts = 0;
    for_each_field(operation_context::selections(ctx), &mut |changes| {
        for_each_field(Some(&changes.selection_set.node), &mut |article| {
            for_each_field(Some(&article.selection_set.node), &mut |field| {
                // An excerpt needs the text.
                texts += usize::from(matches!(field.name.node.as_str(), "text" | "excerpt"));
            });
        });
    });
    texts
}

/// Adds the column that a field of an article needs.
fn add(columns: &mut Columns, field: &Field) {
    match field.name.node.as_str() {
        "title" => columns.title = true,
        "slug" => columns.slug = true,
        "text" | "excerpt" => columns.text = true,
        "createdAt" => columns.created_at = true,
        "updatedAt" => columns.updated_at = true,
        "version" => columns.version = true,
        _ => {}
    }
}

/// Visits the fields of a selection set, including those in inline fragments.
fn for_each_field(selections: Option<&SelectionSet>, visit: &mut dyn FnMut(&Field)) {
    for selection in selections.iter().flat_map(|selections| &selections.items) {
        match &selection.node {
            Selection::Field(field) => visit(&field.node),
            Selection::InlineFragment(fragment) => {
                for_each_field(Some(&fragment.node.selection_set.node), visit);
            }
            // A normalized operation contains none.
            Selection::FragmentSpread(_) => {}
        }
    }
}
