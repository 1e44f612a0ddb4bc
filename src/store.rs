//! Where articles are kept.

pub mod postgres;
