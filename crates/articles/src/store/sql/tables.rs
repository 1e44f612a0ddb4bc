//! The tables, shared by both databases. Written by hand, because `diesel print-schema` supports only one.

diesel::table! {
    use diesel::sql_types::{Integer, Text};
    use crate::store::sql::types::{Id, Instant};

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
    use diesel::sql_types::{BigInt, Bool};
    use crate::store::sql::types::Id;

    /// One row: the epoch of the feed, and the position up to which changes were removed.
    feed (single) {
        single -> Bool,
        epoch -> Id,
        floor -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::BigInt;

    /// The positions of the changes.
    article_feed (position) {
        position -> BigInt,
        change_id -> BigInt,
    }
}

diesel::table! {
    /// Slugs with a number that are known to be taken: `prefix` followed by each number from `first` to `last`.
    slug_run (prefix, first) {
        prefix -> Text,
        first -> Integer,
        last -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::BigInt;

    /// Articles whose words are to be computed.
    search_due (position) {
        position -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Integer};

    /// One row: the progress of a server that computes the words of all articles.
    search_index (single) {
        single -> Bool,
        rules -> Integer,
        is_complete -> Bool,
        done -> BigInt,
        total -> BigInt,
    }
}

diesel::table! {
    /// The progress of imports.
    import_progress (source) {
        source -> Binary,
        row_count -> BigInt,
        digest -> Binary,
        is_finished -> Bool,
    }
}

diesel::table! {
    /// Diesel's own list of applied migrations.
    #[sql_name = "__diesel_schema_migrations"]
    migration (version) {
        version -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(article_feed, feed);
