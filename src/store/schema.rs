//! The tables, once for both databases. Written by hand: what `diesel print-schema` prints knows one only.

diesel::table! {
    use diesel::sql_types::{Integer, Text};
    use crate::store::types::{Id, Instant};

    article (id) {
        id -> Id,
        title -> Text,
        slug -> Text,
        text -> Text,
        created_at -> Instant,
        updated_at -> Instant,
        version -> Integer,
    }
}

diesel::table! {
    /// Diesel's own list of the migrations that a database has.
    #[sql_name = "__diesel_schema_migrations"]
    migration (version) {
        version -> Text,
    }
}
