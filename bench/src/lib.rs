//! What the runner and the contestants share: the articles, the cursor, and how a contestant is started.

pub mod article;
pub mod contestant;
pub mod cursor;
