//! The objects of introspection, and their fields that have no arguments.

use apollo_compiler::Node;
use apollo_compiler::ast::{
    DirectiveDefinition, DirectiveList, EnumValueDefinition, FieldDefinition, InputValueDefinition,
    Type,
};
use apollo_compiler::schema::ExtendedType;

use super::super::schema::Schema;

/// What an object of introspection describes.
#[derive(Clone, Copy)]
pub(super) enum Meta<'s> {
    Schema,
    Named(&'s ExtendedType),
    /// A list of these.
    List(&'s Type),
    /// Such a list, or a named type, that is not null.
    NonNull(&'s Type),
    Field(&'s FieldDefinition),
    Input(&'s InputValueDefinition),
    EnumValue(&'s EnumValueDefinition),
    Directive(&'s DirectiveDefinition),
}

impl<'s> Meta<'s> {
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Schema => "__Schema",
            Self::Named(_) | Self::List(_) | Self::NonNull(_) => "__Type",
            Self::Field(_) => "__Field",
            Self::Input(_) => "__InputValue",
            Self::EnumValue(_) => "__EnumValue",
            Self::Directive(_) => "__Directive",
        }
    }

    pub(super) fn named(schema: &'s Schema, name: &str) -> Option<Self> {
        schema.types.types.get(name).map(Self::Named)
    }

    /// The type within a list, or within one that is not null.
    pub(super) fn of_type(self, schema: &'s Schema) -> Option<Self> {
        match self {
            Self::List(item) => Self::of(schema, item),
            Self::NonNull(Type::Named(name) | Type::NonNullNamed(name)) => {
                Self::named(schema, name)
            }
            Self::NonNull(Type::List(item) | Type::NonNullList(item)) => Some(Self::List(item)),
            _ => None,
        }
    }

    pub(super) fn of(schema: &'s Schema, ty: &'s Type) -> Option<Self> {
        match ty {
            Type::Named(name) => Self::named(schema, name),
            Type::List(item) => Some(Self::List(item)),
            Type::NonNullNamed(_) | Type::NonNullList(_) => Some(Self::NonNull(ty)),
        }
    }

    pub(super) fn description(self, schema: &'s Schema) -> Option<&'s str> {
        let description = match self {
            Self::Schema => &schema.types.schema_definition.description,
            Self::Named(ty) => return ty.description().map(Node::as_str),
            Self::List(_) | Self::NonNull(_) => &None,
            Self::Field(field) => &field.description,
            Self::Input(input) => &input.description,
            Self::EnumValue(value) => &value.description,
            Self::Directive(directive) => &directive.description,
        };
        description.as_deref()
    }

    pub(super) fn name(self) -> Option<&'s str> {
        match self {
            Self::Schema | Self::List(_) | Self::NonNull(_) => None,
            Self::Named(ty) => Some(ty.name()),
            Self::Field(field) => Some(&field.name),
            Self::Input(input) => Some(&input.name),
            Self::EnumValue(value) => Some(&value.value),
            Self::Directive(directive) => Some(&directive.name),
        }
    }

    fn directives(self) -> Option<&'s DirectiveList> {
        match self {
            Self::Field(field) => Some(&field.directives),
            Self::Input(input) => Some(&input.directives),
            Self::EnumValue(value) => Some(&value.directives),
            _ => None,
        }
    }

    pub(super) fn is_deprecated(self) -> bool {
        self.directives()
            .is_some_and(|directives| directives.has("deprecated"))
    }

    pub(super) fn deprecation_reason(self, schema: &'s Schema) -> Option<&'s str> {
        let deprecated = self.directives()?.get("deprecated")?;
        let reason = deprecated.argument_by_name("reason", &schema.types).ok()?;
        reason.as_str()
    }

    pub(super) fn kind(self) -> Option<&'static str> {
        Some(match self {
            Self::Named(ExtendedType::Scalar(_)) => "SCALAR",
            Self::Named(ExtendedType::Object(_)) => "OBJECT",
            Self::Named(ExtendedType::Interface(_)) => "INTERFACE",
            Self::Named(ExtendedType::Union(_)) => "UNION",
            Self::Named(ExtendedType::Enum(_)) => "ENUM",
            Self::Named(ExtendedType::InputObject(_)) => "INPUT_OBJECT",
            Self::List(_) => "LIST",
            Self::NonNull(_) => "NON_NULL",
            _ => return None,
        })
    }
}
