//! The size of a document with its fragments expanded, counted without expanding them.
//!
//! A chain of fragments that each spread the next twice doubles with every link: 833 bytes cost the engine 0.9 s. Here
//! each fragment is counted once, and its size is added wherever it is spread. All later steps may recurse over selections
//! and fragments, because their nesting is bounded and no fragment spreads itself.

use std::collections::HashMap;

use apollo_compiler::Name;
use apollo_compiler::ast::{self, Definition, DirectiveList, Selection};
use apollo_compiler::parser::SourceSpan;

use super::Limits;
use super::positions::Lines;
use super::request_error::RequestError;

/// The size of an operation or fragment, without what it spreads.
#[derive(Default)]
struct OwnSize<'doc> {
    selections: u64,
    nesting: usize,
    spreads: Vec<Spread<'doc>>,
}

struct Spread<'doc> {
    fragment: &'doc Name,
    location: Option<SourceSpan>,
    /// The depth of the selection set that it is in.
    nesting: usize,
}

/// The size with fragments expanded.
#[derive(Clone, Copy)]
struct Size {
    selections: u64,
    nesting: usize,
}

enum State {
    Unseen,
    Open,
    Counted(Size),
}

/// Rejects a document that exceeds the limits with its fragments expanded, has too many directives at one location,
/// spreads a fragment within itself, or selects introspection fields if introspection is off.
pub(super) fn check(
    document: &ast::Document,
    limits: &Limits,
    lines: &Lines<'_>,
) -> Result<(), Vec<RequestError>> {
    let mut counter = Counter {
        limits,
        lines,
        directives: 0,
        introspection: Vec::new(),
    };
    let mut operations = Vec::new();
    let mut fragments = Vec::new();
    let mut by_name = HashMap::new();
    for definition in &document.definitions {
        match definition {
            Definition::OperationDefinition(operation) => {
                counter.directives(&operation.directives);
                for variable in &operation.variables {
                    counter.directives(&variable.directives);
                }
                operations.push(counter.own(&operation.selection_set));
            }
            Definition::FragmentDefinition(fragment) => {
                counter.directives(&fragment.directives);
                by_name.entry(&fragment.name).or_insert(fragments.len());
                fragments.push(counter.own(&fragment.selection_set));
            }
            _ => {}
        }
    }
    let one = |error| vec![error];
    let directives = counter.directives as u64;
    RequestError::check_limit(
        "directives",
        "number of directives at one location",
        limits.directives as u64,
        directives,
    )
    .map_err(one)?;
    if !counter.introspection.is_empty() {
        return Err(counter.introspection);
    }

    let sizes = count(&fragments, &by_name, lines)?;
    let mut total = Size {
        selections: 0,
        nesting: 0,
    };
    for operation in &operations {
        let size = expanded(operation, &by_name, |index| sizes.get(index).copied());
        total.selections = total.selections.saturating_add(size.selections);
        total.nesting = total.nesting.max(size.nesting);
    }
    total.nesting = sizes
        .iter()
        .map(|size| size.nesting)
        .fold(total.nesting, usize::max);
    let (nesting, selections) = (limits.nesting as u64, limits.selections as u64);
    RequestError::check_limit(
        "nesting",
        "nesting with fragments expanded",
        nesting,
        total.nesting as u64,
    )
    .map_err(one)?;
    RequestError::check_limit(
        "selections",
        "number of selections with fragments expanded",
        selections,
        total.selections,
    )
    .map_err(one)
}

/// Counts every fragment after those that it spreads, without recursion: a chain may be thousands long.
fn count(
    fragments: &[OwnSize<'_>],
    by_name: &HashMap<&Name, usize>,
    lines: &Lines<'_>,
) -> Result<Vec<Size>, Vec<RequestError>> {
    let mut states: Vec<State> = fragments.iter().map(|_| State::Unseen).collect();
    let mut cycles = Vec::new();
    for root in 0..fragments.len() {
        let mut path = vec![(root, 0)];
        while let Some((index, next)) = path.pop() {
            let (Some(own), Some(state)) = (fragments.get(index), states.get_mut(index)) else {
                continue;
            };
            match (&*state, next) {
                (State::Counted(_), _) => continue,
                (State::Unseen, _) => *state = State::Open,
                (State::Open, _) => {}
            }
            let Some(spread) = own.spreads.get(next) else {
                let size = expanded(own, by_name, |index| match states.get(index) {
                    Some(State::Counted(size)) => Some(*size),
                    _ => None,
                });
                if let Some(state) = states.get_mut(index) {
                    *state = State::Counted(size);
                }
                continue;
            };
            path.push((index, next + 1));
            let Some(&target) = by_name.get(spread.fragment) else {
                continue;
            };
            match states.get(target) {
                Some(State::Open) => cycles.push(RequestError::validation(
                    format!("The fragment `{}` spreads itself.", spread.fragment),
                    lines.of(spread.location),
                )),
                Some(State::Unseen) => path.push((target, 0)),
                Some(State::Counted(_)) | None => {}
            }
        }
    }
    if !cycles.is_empty() {
        return Err(cycles);
    }
    let none = Size {
        selections: 0,
        nesting: 0,
    };
    Ok(states
        .into_iter()
        .map(|state| {
            if let State::Counted(size) = state {
                size
            } else {
                none
            }
        })
        .collect())
}

/// The size of a definition, from the sizes of the fragments that it spreads. An unknown fragment counts as empty.
fn expanded(
    own: &OwnSize<'_>,
    by_name: &HashMap<&Name, usize>,
    size_of: impl Fn(usize) -> Option<Size>,
) -> Size {
    let mut size = Size {
        selections: own.selections,
        nesting: own.nesting,
    };
    for spread in &own.spreads {
        if let Some(fragment) = by_name
            .get(spread.fragment)
            .and_then(|&index| size_of(index))
        {
            size.selections = size.selections.saturating_add(fragment.selections);
            size.nesting = size.nesting.max(spread.nesting + fragment.nesting);
        }
    }
    size
}

struct Counter<'a> {
    limits: &'a Limits,
    lines: &'a Lines<'a>,
    directives: usize,
    introspection: Vec<RequestError>,
}

impl Counter<'_> {
    fn directives(&mut self, directives: &DirectiveList) {
        self.directives = self.directives.max(directives.len());
    }

    fn own<'doc>(&mut self, selections: &'doc [Selection]) -> OwnSize<'doc> {
        let mut own = OwnSize::default();
        self.visit(selections, 1, &mut own);
        own
    }

    /// Recurses as deep as brackets nest in the text, which the lexer has bounded.
    fn visit<'doc>(
        &mut self,
        selections: &'doc [Selection],
        nesting: usize,
        own: &mut OwnSize<'doc>,
    ) {
        own.nesting = own.nesting.max(nesting);
        own.selections += selections.len() as u64;
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives);
                    if !self.limits.introspection && is_introspection(&field.name) {
                        let message = format!(
                            "Introspection is disabled, so `{}` cannot be queried.",
                            field.name
                        );
                        self.introspection.push(RequestError::validation(
                            message,
                            self.lines.of(field.location()),
                        ));
                    }
                    if !field.selection_set.is_empty() {
                        self.visit(&field.selection_set, nesting + 1, own);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives);
                    let location = spread.location();
                    own.spreads.push(Spread {
                        fragment: &spread.fragment_name,
                        location,
                        nesting,
                    });
                }
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.directives);
                    self.visit(&inline.selection_set, nesting + 1, own);
                }
            }
        }
    }
}

/// Whether a field describes the schema. `__typename` does not: clients select it everywhere.
pub(super) fn is_introspection(name: &str) -> bool {
    matches!(name, "__schema" | "__type")
}
