//! The schema: apollo-compiler's, with the additions of the September 2025 edition that it lacks, and with the values
//! that scalars accept.

use apollo_compiler::ast::{Definition, Type};
use apollo_compiler::collections::{HashMap, HashSet};
use apollo_compiler::parser::Parser;
use apollo_compiler::schema::{ExtendedType, FieldDefinition, Implementers, InputObjectType};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Node};

use super::settings::ScalarInput;

/// `@oneOf` and its introspection, for a schema that uses the directive without defining it.
const ONE_OF: &str = "directive @oneOf on INPUT_OBJECT\n";
const IS_ONE_OF: &str = "extend type __Type { isOneOf: Boolean }\n";

/// The schema definition is not valid.
#[derive(Debug, thiserror::Error)]
#[error("the schema is not valid: {0}")]
pub struct InvalidSchema(String);

/// A valid schema and data derived from it.
pub(super) struct Schema {
    pub(super) types: Valid<apollo_compiler::Schema>,
    implementers: HashMap<Name, Implementers>,
    /// The input types that contain themselves.
    filters: HashSet<Name>,
    /// The values that each scalar accepts, for scalars that do not accept any value.
    scalars: HashMap<Name, ScalarInput>,
}

impl Schema {
    pub(super) fn new(
        sdl: &str,
        scalars: &std::collections::HashMap<String, ScalarInput>,
    ) -> Result<Self, InvalidSchema> {
        let ast = Parser::new()
            .parse_ast(sdl, "schema.graphql")
            .map_err(|errors| InvalidSchema(errors.errors.to_string()))?;
        let defines_one_of = ast.definitions.iter().any(
            |definition| matches!(definition, Definition::DirectiveDefinition(directive) if directive.name == "oneOf"),
        );
        let mut builder = apollo_compiler::Schema::builder()
            .adopt_orphan_extensions()
            .parse(sdl, "schema.graphql")
            .parse(IS_ONE_OF, "isOneOf.graphql");
        if !defines_one_of {
            builder = builder.parse(ONE_OF, "oneOf.graphql");
        }
        let types = builder
            .build()
            .map_err(|errors| InvalidSchema(errors.errors.to_string()))?
            .validate()
            .map_err(|errors| InvalidSchema(errors.errors.to_string()))?;
        let implementers = types.implementers_map();
        let filters = filters(&types);
        let names = types.types.keys();
        let scalars = names.filter_map(|name| {
            let accepted =
                ScalarInput::built_in(name).or_else(|| scalars.get(name.as_str()).copied())?;
            Some((name.clone(), accepted))
        });
        Ok(Self {
            scalars: scalars.collect(),
            types,
            implementers,
            filters,
        })
    }

    /// The definition of a type, without its lists.
    pub(super) fn named(&self, ty: &Type) -> Option<&ExtendedType> {
        self.types.types.get(ty.inner_named_type())
    }

    /// Whether values of a type have fields.
    pub(super) fn is_composite(&self, name: &Name) -> bool {
        let ty = self.types.types.get(name);
        ty.is_some_and(|ty| ty.is_object() || ty.is_interface() || ty.is_union())
    }

    /// Which values a scalar accepts; any for an unknown type.
    pub(super) fn scalar(&self, name: &Name) -> ScalarInput {
        self.scalars.get(name).copied().unwrap_or_default()
    }

    /// Whether a type is a scalar that accepts lists and objects too.
    pub(super) fn accepts_anything(&self, name: &Name) -> bool {
        matches!(self.types.types.get(name), Some(ExtendedType::Scalar(_)))
            && self.scalar(name) == ScalarInput::Any
    }

    /// Whether an input type contains itself.
    pub(super) fn is_filter(&self, name: &Name) -> bool {
        self.filters.contains(name)
    }

    /// The definition of a field, `__typename` and the introspection fields included.
    pub(super) fn field(&self, parent: &str, field: &str) -> Option<&Node<FieldDefinition>> {
        self.types
            .type_field(parent, field)
            .ok()
            .map(|component| &component.node)
    }

    /// Whether a value of type `actual`, which may be abstract, is always one of type `condition` too.
    pub(super) fn always_holds(&self, condition: &str, actual: &str) -> bool {
        condition == actual || self.types.is_subtype(condition, actual)
    }

    /// The object types that a value of an interface or union may have; nothing for an object type.
    pub(super) fn possible_types(&self, name: &Name) -> Vec<&Name> {
        match self.types.types.get(name) {
            Some(ExtendedType::Interface(_)) => self
                .implementers
                .get(name)
                .map(|found| found.objects.iter().collect())
                .unwrap_or_default(),
            Some(ExtendedType::Union(union_type)) => union_type
                .members
                .iter()
                .map(|member| &member.name)
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// The input types that can be reached from their own fields.
fn filters(types: &apollo_compiler::Schema) -> HashSet<Name> {
    let contained = |name: &Name| match types.types.get(name) {
        Some(ExtendedType::InputObject(object)) => {
            let fields = object.fields.values();
            fields
                .map(|field| field.ty.inner_named_type().clone())
                .collect()
        }
        _ => Vec::new(),
    };
    let contains_itself = |name: &&Name| {
        let (mut seen, mut next) = (HashSet::default(), contained(name));
        while let Some(inner) = next.pop() {
            if seen.insert(inner.clone()) {
                next.extend(contained(&inner));
            }
        }
        seen.contains(*name)
    };
    types
        .types
        .keys()
        .filter(contains_itself)
        .cloned()
        .collect()
}

/// Whether exactly one field of an input object must be given (GraphQL specification, section 3.10.1).
pub(super) fn is_one_of(ty: &InputObjectType) -> bool {
    ty.directives.has("oneOf")
}

/// The same type, but nullable.
pub(super) fn nullable(ty: &Type) -> Type {
    match ty {
        Type::NonNullNamed(name) => Type::Named(name.clone()),
        Type::NonNullList(item) => Type::List(item.clone()),
        Type::Named(_) | Type::List(_) => ty.clone(),
    }
}
