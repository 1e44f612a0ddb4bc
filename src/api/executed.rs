//! An executed operation, and what it did on the database.

use std::sync::Arc;

use graphql_transports::engine::ExecutionResult;

use crate::store::Statements;

/// A query or a mutation that this call or another has executed.
#[derive(Debug, Clone)]
pub struct Executed {
    pub result: ExecutionResult,
    /// What the execution did on the database; `None` where the call shared another's execution.
    pub statements: Option<Arc<Statements>>,
}

impl Executed {
    /// Whether it shares the result of another's execution.
    pub fn is_shared(&self) -> bool {
        self.statements.is_none() && !matches!(self.result, ExecutionResult::Unavailable(_))
    }
}
