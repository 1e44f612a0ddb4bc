//! The ways in: each transport turns what arrives into an operation, and its outcome into an answer.

pub mod operation;
pub mod sse;
pub mod websocket;
