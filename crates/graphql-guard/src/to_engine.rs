//! Converts a normalized operation to async-graphql's syntax tree, each node at its position in the original document.
//!
//! An argument whose variable was left out is left out too, so that its default applies (the engine would see null). A
//! variable that is null where its argument must not be is rejected here, because only now is that known.

mod literals;

use std::collections::HashMap;

use apollo_compiler::Node;
use apollo_compiler::ast::{self, OperationType, Type, Value};
use apollo_compiler::executable;
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::ExtendedType;
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types as engine;
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::Value as EngineValue;

pub(super) use self::literals::constant;
use self::literals::number;
use super::normalize::{Field, Selection};
use super::positions::Lines;
use super::request_error::RequestError;
use super::schema::{Schema, is_one_of, nullable};
use super::settings::ScalarInput;
use super::variable_shape::{Given, Shape};

/// A converted operation.
pub(super) struct Converted {
    pub(super) document: engine::ExecutableDocument,
    /// The variables that are used more than once, and how many times more.
    pub(super) repeated: Vec<(Name, u64)>,
}

/// A document with nothing but one normalized operation. With `prewritten` it is the outline: without introspection, and
/// without the selections of fields of these types.
pub(super) fn document(
    schema: &Schema,
    operation: &Node<executable::Operation>,
    selections: &[Selection<'_>],
    shape: &Shape<'_>,
    lines: &Lines<'_>,
    prewritten: Option<&[String]>,
) -> Result<Converted, Vec<RequestError>> {
    let location = operation.location();
    let mut convert = Convert {
        schema,
        shape,
        lines,
        prewritten,
        uses: HashMap::new(),
        errors: Vec::new(),
    };
    let definition = engine::OperationDefinition {
        ty: match operation.operation_type {
            OperationType::Query => engine::OperationType::Query,
            OperationType::Mutation => engine::OperationType::Mutation,
            OperationType::Subscription => engine::OperationType::Subscription,
        },
        variable_definitions: operation
            .variables
            .iter()
            .filter_map(|variable| convert.variable(variable))
            .collect(),
        directives: Vec::new(),
        selection_set: convert.selection_set(selections, location),
    };
    if !convert.errors.is_empty() {
        return Err(convert.errors);
    }
    let definition = convert.at(definition, location);
    let uses = convert.uses.into_iter();
    let repeated = uses.filter(|(_, uses)| *uses > 1);
    let repeated = repeated.map(|(name, uses)| (Name::new(name), uses - 1));
    let operations = match &operation.name {
        // Named, so that the engine accepts it with and without the operation's name. The outline is copied for each
        // execution, and a map costs more than the rest of it.
        Some(name) if prewritten.is_none() => {
            engine::DocumentOperations::Multiple([(Name::new(name), definition)].into())
        }
        _ => engine::DocumentOperations::Single(definition),
    };
    let document = engine::ExecutableDocument {
        operations,
        fragments: HashMap::new(),
    };
    Ok(Converted {
        document,
        repeated: repeated.collect(),
    })
}

struct Convert<'a> {
    schema: &'a Schema,
    shape: &'a Shape<'a>,
    lines: &'a Lines<'a>,
    prewritten: Option<&'a [String]>,
    /// How often each variable is used.
    uses: HashMap<String, u64>,
    errors: Vec<RequestError>,
}

impl Convert<'_> {
    fn at<T>(&self, node: T, span: Option<SourceSpan>) -> Positioned<T> {
        let position = self
            .lines
            .of(span)
            .map_or_else(Pos::default, |location| Pos {
                line: location.line,
                column: location.column,
            });
        Positioned::new(node, position)
    }

    fn variable(
        &self,
        variable: &Node<ast::VariableDefinition>,
    ) -> Option<Positioned<engine::VariableDefinition>> {
        let definition = engine::VariableDefinition {
            name: self.at(Name::new(&variable.name), variable.name.location()),
            var_type: self.at(
                engine::Type::new(&variable.ty.to_string())?,
                variable.ty.location(),
            ),
            directives: Vec::new(),
            default_value: variable.default_value.as_ref().map(|default| {
                self.at(
                    constant(default, &variable.ty, self.schema),
                    default.location(),
                )
            }),
        };
        Some(self.at(definition, variable.location()))
    }

    fn selection_set(
        &mut self,
        selections: &[Selection<'_>],
        span: Option<SourceSpan>,
    ) -> Positioned<engine::SelectionSet> {
        let is_kept =
            |selection: &&Selection<'_>| self.prewritten.is_none() || !selection.is_introspection();
        let selections: Vec<_> = selections.iter().filter(is_kept).collect();
        let items = selections.into_iter();
        let items = items
            .map(|selection| self.selection(selection, span))
            .collect();
        self.at(engine::SelectionSet { items }, span)
    }

    fn selection(
        &mut self,
        selection: &Selection<'_>,
        span: Option<SourceSpan>,
    ) -> Positioned<engine::Selection> {
        match selection {
            Selection::Field(field) => {
                let span = field.node.location();
                let field = self.field(field);
                self.at(engine::Selection::Field(self.at(field, span)), span)
            }
            Selection::On { ty, selections } => {
                let on = engine::TypeCondition {
                    on: self.at(Name::new(ty), span),
                };
                let inline = engine::InlineFragment {
                    type_condition: Some(self.at(on, span)),
                    directives: Vec::new(),
                    selection_set: self.selection_set(selections, span),
                };
                self.at(
                    engine::Selection::InlineFragment(self.at(inline, span)),
                    span,
                )
            }
        }
    }

    fn field(&mut self, field: &Field<'_>) -> engine::Field {
        let node = field.node;
        let mut arguments = Vec::with_capacity(node.arguments.len());
        for argument in &node.arguments {
            let Some(definition) = field.definition.argument_by_name(&argument.name) else {
                continue;
            };
            let span = argument.value.location();
            let mut path = vec![argument.name.to_string()];
            if let Some(value) = self.value(&argument.value, span, &definition.ty, &mut path) {
                let name = self.at(Name::new(&argument.name), argument.location());
                arguments.push((name, self.at(value, span)));
            }
        }
        let ty = node.ty().inner_named_type();
        let is_prewritten = self
            .prewritten
            .is_some_and(|types| types.iter().any(|name| ty == name.as_str()));
        let mut below = match is_prewritten {
            true => self.selection_set(&[], node.location()),
            false => self.selection_set(&field.selections, node.location()),
        };
        let is_outline = self.prewritten.is_some();
        if is_outline
            && !is_prewritten
            && below.node.items.is_empty()
            && self.schema.is_composite(ty)
        {
            // The engine makes null of an object without selections.
            below.node.items.push(self.type_name(node.location()));
        }
        engine::Field {
            alias: node
                .alias
                .as_ref()
                .map(|alias| self.at(Name::new(alias), alias.location())),
            name: self.at(Name::new(&node.name), node.name.location()),
            arguments,
            directives: Vec::new(),
            selection_set: below,
        }
    }

    fn type_name(&self, span: Option<SourceSpan>) -> Positioned<engine::Selection> {
        let field = engine::Field {
            alias: None,
            name: self.at(Name::new("__typename"), span),
            arguments: Vec::new(),
            directives: Vec::new(),
            selection_set: self.at(engine::SelectionSet::default(), span),
        };
        self.at(engine::Selection::Field(self.at(field, span)), span)
    }

    /// A value that has been validated against `ty`; `None` where it is a variable that was left out.
    fn value(
        &mut self,
        value: &Value,
        span: Option<SourceSpan>,
        ty: &Type,
        path: &mut Vec<String>,
    ) -> Option<EngineValue> {
        let converted = match (value, ty) {
            (Value::Variable(name), _) => return self.variable_value(name, span, ty, path),
            (Value::Null, _) => EngineValue::Null,
            (Value::List(items), Type::List(item) | Type::NonNullList(item)) => {
                let items = items.iter().enumerate().map(|(index, value)| {
                    path.push(index.to_string());
                    let converted = self.value(value, value.location(), item, path);
                    path.pop();
                    // A list keeps its length: a variable that was left out is null in it.
                    converted.unwrap_or_default()
                });
                EngineValue::List(items.collect())
            }
            // A single value is a list of one.
            (value, Type::List(item) | Type::NonNullList(item)) => {
                EngineValue::List(vec![self.value(value, span, item, path)?])
            }
            (Value::Object(fields), _) => EngineValue::Object(self.object(fields, ty, path)),
            // Of a scalar that accepts any value.
            (Value::List(items), _) => {
                let item = nullable(ty);
                let items = items.iter().map(|value| {
                    let converted = self.value(value, value.location(), &item, path);
                    converted.unwrap_or_default()
                });
                EngineValue::List(items.collect())
            }
            (Value::Int(int), _)
                if self.schema.scalar(ty.inner_named_type()) == ScalarInput::Id =>
            {
                EngineValue::String(int.as_str().to_owned())
            }
            (Value::Int(int), _) => number(int.as_str()),
            (Value::Float(float), _) => number(float.as_str()),
            (Value::String(text), _) => EngineValue::String(text.clone()),
            (Value::Boolean(value), _) => EngineValue::Boolean(*value),
            (Value::Enum(name), _) => EngineValue::Enum(Name::new(name)),
        };
        Some(converted)
    }

    fn object(
        &mut self,
        fields: &[(apollo_compiler::Name, Node<Value>)],
        ty: &Type,
        path: &mut Vec<String>,
    ) -> IndexMap<Name, EngineValue> {
        let Some(ExtendedType::InputObject(definition)) = self.schema.named(ty) else {
            // Of a scalar that accepts any value.
            let ty = nullable(ty);
            let fields = fields.iter().filter_map(|(name, value)| {
                let converted = self.value(value, value.location(), &ty, path)?;
                Some((Name::new(name), converted))
            });
            return fields.collect();
        };
        let one_of = is_one_of(definition);
        let fields = fields.iter().filter_map(|(name, value)| {
            let field = definition.fields.get(name)?;
            path.push(name.to_string());
            let converted = if one_of {
                // The one field that is given must not be null, although its type is nullable.
                self.value(
                    value,
                    value.location(),
                    &Type::clone(&field.ty).non_null(),
                    path,
                )
            } else {
                self.value(value, value.location(), &field.ty, path)
            };
            path.pop();
            Some((Name::new(name), converted?))
        });
        fields.collect()
    }

    fn variable_value(
        &mut self,
        name: &str,
        span: Option<SourceSpan>,
        ty: &Type,
        path: &[String],
    ) -> Option<EngineValue> {
        match self.shape.of(name) {
            Given::Absent => None,
            Given::Null if ty.is_non_null() => {
                let message = format!(
                    "The variable `${name}` is null where a value of type `{ty}` is expected."
                );
                self.errors
                    .push(RequestError::input(path.join("."), message).at(self.lines.of(span)));
                None
            }
            _ => {
                *self.uses.entry(name.to_owned()).or_default() += 1;
                Some(EngineValue::Variable(Name::new(name)))
            }
        }
    }
}
