//! Resolves `__schema` and `__type` (GraphQL specification, section 4) from the schema definition.
//!
//! The engine's own introspection differs from the specification, and has a limit of its own on depth. Here the results
//! are written as JSON and counted while they are written: a few nested lists of types and fields could make gigabytes.

mod meta;

use apollo_compiler::Node;
use apollo_compiler::ast::{DirectiveDefinition, InputValueDefinition};
use apollo_compiler::schema::ExtendedType;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::{Name, Value as EngineConstant, Variables};
use async_graphql_value::Value as EngineValue;
use bytes::Bytes;

use super::request_error::RequestError;
use super::schema::{Schema, is_one_of};
use meta::Meta;

/// The maximum number of fields in all results of an operation: about ten times what tools select to read the whole
/// schema.
const MAX_FIELDS: u64 = 50_000;

/// The results of the introspection fields at the root of an operation, by their response keys.
pub(super) fn responses(
    schema: &Schema,
    root: &SelectionSet,
    variables: &Variables,
) -> Result<Vec<(Name, Bytes)>, RequestError> {
    let mut count = 0;
    let mut responses = Vec::new();
    for selection in &root.items {
        let Selection::Field(field) = &selection.node else {
            continue;
        };
        let field = &field.node;
        let mut writer = Writer {
            schema,
            variables,
            out: Vec::new(),
            count,
        };
        let written = match field.name.node.as_str() {
            "__schema" => writer.object(Meta::Schema, field),
            "__type" => {
                let named = writer.argument(field, "name");
                let named = named.and_then(|name| match name {
                    EngineConstant::String(name) => schema.types.types.get(name.as_str()),
                    _ => None,
                });
                writer.nullable(named.map(Meta::Named), field)
            }
            _ => continue,
        };
        count = writer.count;
        if let Err(Over) = written {
            let what = "number of introspection fields";
            RequestError::check_limit("introspection", what, MAX_FIELDS, count)?;
        }
        let key = field.response_key().node.clone();
        responses.push((key, writer.out.into()));
    }
    Ok(responses)
}

/// More than [`MAX_FIELDS`].
struct Over;

type Written = Result<(), Over>;

struct Writer<'s> {
    schema: &'s Schema,
    variables: &'s Variables,
    out: Vec<u8>,
    count: u64,
}

impl<'s> Writer<'s> {
    /// Writes an object with the selections of `field`.
    fn object(&mut self, meta: Meta<'s>, field: &Field) -> Written {
        self.out.push(b'{');
        for (index, selection) in field.selection_set.node.items.iter().enumerate() {
            // A normalized operation has only fields below an object type.
            let Selection::Field(field) = &selection.node else {
                continue;
            };
            let field = &field.node;
            self.count += 1;
            if self.count > MAX_FIELDS {
                return Err(Over);
            }
            if index > 0 {
                self.out.push(b',');
            }
            self.json(&field.response_key().node.as_str())?;
            self.out.push(b':');
            self.value(meta, field)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn value(&mut self, meta: Meta<'s>, field: &Field) -> Written {
        let schema = self.schema;
        match (field.name.node.as_str(), meta) {
            ("__typename", _) => self.json(&meta.type_name()),
            ("name", _) => self.json(&meta.name()),
            ("description", _) => self.json(&meta.description(schema)),
            ("kind", _) => self.json(&meta.kind()),
            ("isDeprecated", _) => self.json(&meta.is_deprecated()),
            ("deprecationReason", _) => self.json(&meta.deprecation_reason(schema)),
            ("ofType", _) => self.nullable(meta.of_type(schema), field),
            (name, Meta::Schema) => self.of_schema(name, field),
            (name, Meta::Named(ty)) => self.of_named(ty, name, field),
            (name, Meta::Directive(directive)) => self.of_directive(directive, name, field),
            ("args", Meta::Field(found)) => self.inputs(&found.arguments, field),
            ("type", Meta::Field(found)) => self.nullable(Meta::of(schema, &found.ty), field),
            ("type", Meta::Input(input)) => self.nullable(Meta::of(schema, &input.ty), field),
            ("defaultValue", Meta::Input(input)) => {
                let default = input.default_value.as_ref();
                self.json(&default.map(|value| value.serialize().no_indent().to_string()))
            }
            _ => self.null(),
        }
    }

    fn of_schema(&mut self, name: &str, field: &Field) -> Written {
        let definition = &self.schema.types.schema_definition;
        let root = match name {
            "types" => {
                let mut types: Vec<_> = self.schema.types.types.values().collect();
                types.sort_by_key(|ty| ty.name().as_str());
                return self.list(types.into_iter().map(Meta::Named), field);
            }
            "directives" => {
                let directives = self.schema.types.directive_definitions.values();
                let mut directives: Vec<_> = directives.collect();
                directives.sort_by_key(|directive| directive.name.as_str());
                let directives = directives.into_iter().map(|node| Meta::Directive(node));
                return self.list(directives, field);
            }
            "queryType" => &definition.query,
            "mutationType" => &definition.mutation,
            _ => &definition.subscription,
        };
        let root = root.as_ref();
        let root = root.and_then(|name| Meta::named(self.schema, name));
        self.nullable(root, field)
    }

    fn of_named(&mut self, ty: &'s ExtendedType, name: &str, field: &Field) -> Written {
        use ExtendedType::{Enum, InputObject, Interface, Object, Scalar, Union};
        let schema = self.schema;
        let named = move |name: &str| Meta::named(schema, name);
        match (name, ty) {
            ("fields", Object(object)) => {
                let fields = object.fields.values().map(|field| Meta::Field(field));
                self.current(fields, field)
            }
            ("fields", Interface(interface)) => {
                let fields = interface.fields.values().map(|field| Meta::Field(field));
                self.current(fields, field)
            }
            ("interfaces", Object(object)) => {
                let interfaces = &object.implements_interfaces;
                self.list(interfaces.iter().filter_map(|name| named(name)), field)
            }
            ("interfaces", Interface(interface)) => {
                let interfaces = &interface.implements_interfaces;
                self.list(interfaces.iter().filter_map(|name| named(name)), field)
            }
            ("possibleTypes", Interface(_) | Union(_)) => {
                let types = schema.possible_types(ty.name());
                self.list(types.into_iter().filter_map(|name| named(name)), field)
            }
            ("enumValues", Enum(definition)) => {
                let values = definition.values.values();
                self.current(values.map(|value| Meta::EnumValue(value)), field)
            }
            ("inputFields", InputObject(object)) => {
                let fields = object.fields.values().map(|field| Meta::Input(field));
                self.current(fields, field)
            }
            ("specifiedByURL", Scalar(scalar)) => {
                let specified = scalar.directives.get("specifiedBy");
                let url =
                    specified.and_then(|directive| directive.specified_argument_by_name("url"));
                self.json(&url.and_then(|url| url.as_str()))
            }
            ("isOneOf", InputObject(object)) => self.json(&is_one_of(object)),
            _ => self.null(),
        }
    }

    fn of_directive(
        &mut self,
        directive: &'s DirectiveDefinition,
        name: &str,
        field: &Field,
    ) -> Written {
        match name {
            "args" => self.inputs(&directive.arguments, field),
            "locations" => {
                let locations = directive.locations.iter();
                let locations: Vec<_> = locations.map(|location| location.name()).collect();
                self.json(&locations)
            }
            _ => self.json(&directive.repeatable),
        }
    }

    fn inputs(&mut self, inputs: &'s [Node<InputValueDefinition>], field: &Field) -> Written {
        self.current(inputs.iter().map(|input| Meta::Input(input)), field)
    }

    /// Those that are not deprecated, or all with `includeDeprecated`.
    fn current(&mut self, items: impl Iterator<Item = Meta<'s>>, field: &Field) -> Written {
        let argument = self.argument(field, "includeDeprecated");
        let all = matches!(argument, Some(EngineConstant::Boolean(true)));
        self.list(items.filter(|item| all || !item.is_deprecated()), field)
    }

    fn list(&mut self, items: impl Iterator<Item = Meta<'s>>, field: &Field) -> Written {
        self.out.push(b'[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.object(item, field)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn nullable(&mut self, meta: Option<Meta<'s>>, field: &Field) -> Written {
        if let Some(meta) = meta {
            return self.object(meta, field);
        }
        self.null()
    }

    fn null(&mut self) -> Written {
        self.json(&None::<bool>)
    }

    /// The value of an argument; `None` where it is left out.
    fn argument(&self, field: &Field, name: &str) -> Option<EngineConstant> {
        match &field.get_argument(name)?.node {
            EngineValue::Variable(name) => self.variables.get(name).cloned(),
            literal => literal.clone().into_const(),
        }
    }

    /// Strings, truth values and null can always be written.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it ends a field as the other writers do"
    )]
    fn json(&mut self, value: &impl serde::Serialize) -> Written {
        let _ = serde_json::to_writer(&mut self.out, value);
        Ok(())
    }
}
