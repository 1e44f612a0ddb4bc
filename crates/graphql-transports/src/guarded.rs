//! Makes operations of graphql-guard usable in a pipeline.

use graphql_guard::{Operation, OperationKind};

use super::engine::PreparedOperation;

impl PreparedOperation for Operation {
    fn kind(&self) -> OperationKind {
        self.kind
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn cost(&self) -> u64 {
        self.complexity
    }

    fn root_fields(&self) -> usize {
        self.root_fields()
    }

    fn bytes(&self) -> u64 {
        self.bytes()
    }
}
