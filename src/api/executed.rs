//! An operation that was executed, and what it did on the database.

use std::sync::Arc;

use graphql_transports::engine::ExecutionResult;

use crate::store::Statements;

/// A query or a mutation that was executed, by this call or by another.
#[derive(Debug, Clone)]
pub struct Executed {
    pub result: ExecutionResult,
    /// What the execution did on the database; `None` where the call has shared that of another.
    pub statements: Option<Arc<Statements>>,
}

impl Executed {
    /// Whether it has the result of the execution of another.
    pub fn is_shared(&self) -> bool {
        self.statements.is_none() && !matches!(self.result, ExecutionResult::Unavailable(_))
    }
}
