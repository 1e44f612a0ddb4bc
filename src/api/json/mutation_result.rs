//! The result of a mutation with an idempotency key: JSON that is written within its transaction, stored there, and
//! returned again.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, Field};
use async_graphql::registry::Registry;
use async_graphql::{
    ContextBase, ContextSelectionSet, OutputType, Positioned, QueryEnv, QueryPathSegment,
    ServerResult, Value,
};
use bytes::Bytes;

use super::arguments::Arguments;
use super::operation_context::{OperationContext, field_at_root};
use super::prewritten::{Json, Prewritten, list, object, unknown};
use crate::error::Result;

/// The result of a mutation.
pub(crate) enum MutationResult<T> {
    /// Of a mutation that was executed without a key.
    Fresh(T),
    /// As stored in the database.
    Stored(Bytes),
}

impl<T: OutputType> OutputType for MutationResult<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        match self {
            Self::Fresh(value) => value.resolve(ctx, field).await,
            Self::Stored(json) => Ok(Value::Binary(json.clone())),
        }
    }
}

/// Writes objects by the selections of a root field, after its context is no longer available.
pub(in crate::api) struct Writer {
    document: Arc<ExecutableDocument>,
    /// Contains the variables.
    environment: QueryEnv,
    response_key: String,
}

impl Writer {
    /// With the selections of the current field.
    pub(in crate::api) fn new<T>(ctx: &ContextBase<'_, T>) -> Result<Self> {
        let document = Arc::clone(&OperationContext::of(ctx)?.document);
        match ctx.path_node.as_ref().map(|node| &node.segment) {
            Some(QueryPathSegment::Name(name)) => Ok(Self {
                document,
                environment: ctx.query_env.clone(),
                response_key: (*name).to_owned(),
            }),
            _ => Err(unknown()),
        }
    }

    pub(in crate::api) fn one<T: Prewritten>(&self, value: &T) -> Result<Vec<u8>> {
        self.written(|out, selected| object(out, value, selected))
    }

    pub(in crate::api) fn many<T: Prewritten>(&self, values: &[T]) -> Result<Vec<u8>> {
        self.written(|out, selected| list(out, values, selected))
    }

    /// The size was checked before the mutation was executed.
    fn written(
        &self,
        write: impl FnOnce(
            &mut Json<'_>,
            &async_graphql::parser::types::SelectionSet,
        ) -> super::prewritten::WriteResult,
    ) -> Result<Vec<u8>> {
        let selected = field_at_root(&self.document, &self.response_key).ok_or_else(unknown)?;
        let mut out =
            Json::new(0, usize::MAX).with_arguments(Arguments::with(&self.environment.variables));
        write(&mut out, selected).map_err(|_| unknown())?;
        Ok(out.bytes)
    }
}
