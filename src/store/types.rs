//! How both databases keep ids and instants: SQL types that know both, and the values that go in and out.

use std::io::Write as _;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;
use diesel::sqlite::Sqlite;
use uuid::Uuid;

use crate::article::ArticleId;
use crate::article::change::Epoch;
use crate::clock::Timestamp;

/// `uuid` on PostgreSQL, a BLOB of 16 bytes on SQLite.
#[derive(Debug, Clone, Copy, SqlType, QueryId)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
#[diesel(sqlite_type(name = "Binary"))]
pub struct Id;

/// `timestamptz` on PostgreSQL, microseconds since 1970 on SQLite.
#[derive(Debug, Clone, Copy, SqlType, QueryId)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
#[diesel(sqlite_type(name = "Long"))]
pub struct Instant;

// The values belong to the domain, which knows no Diesel: these stand in for them.
#[derive(AsExpression, FromSqlRow)]
#[diesel(foreign_derive, sql_type = Id)]
#[expect(dead_code, reason = "only carries the derives of the type it wraps")]
struct ArticleIdProxy(ArticleId);

#[derive(AsExpression, FromSqlRow)]
#[diesel(foreign_derive, sql_type = Id)]
#[expect(dead_code, reason = "only carries the derives of the type it wraps")]
struct EpochProxy(Epoch);

#[derive(AsExpression, FromSqlRow)]
#[diesel(foreign_derive, sql_type = Instant)]
#[expect(dead_code, reason = "only carries the derives of the type it wraps")]
struct TimestampProxy(Timestamp);

macro_rules! uuid_values {
    ($($value:ident),*) => {$(
        impl ToSql<Id, Pg> for $value {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all(self.0.as_bytes())?;
                Ok(IsNull::No)
            }
        }

        impl ToSql<Id, Sqlite> for $value {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(self.0.as_bytes().as_slice());
                Ok(IsNull::No)
            }
        }

        impl FromSql<Id, Pg> for $value {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                Ok(Self(Uuid::from_slice(value.as_bytes())?))
            }
        }

        impl FromSql<Id, Sqlite> for $value {
            fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                Ok(Self(Uuid::from_slice(value.read_blob())?))
            }
        }
    )*};
}
uuid_values!(ArticleId, Epoch);

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

impl ToSql<Instant, Pg> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let micros = self.as_micros() - POSTGRES_EPOCH_MICROS;
        out.write_all(&micros.to_be_bytes())?;
        Ok(IsNull::No)
    }
}

impl ToSql<Instant, Sqlite> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_micros());
        Ok(IsNull::No)
    }
}

impl FromSql<Instant, Pg> for Timestamp {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let micros = i64::from_be_bytes(value.as_bytes().try_into()?);
        in_range(micros.checked_add(POSTGRES_EPOCH_MICROS))
    }
}

impl FromSql<Instant, Sqlite> for Timestamp {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        in_range(Some(value.read_long()))
    }
}

/// Another program may have written an instant that no RFC 3339 text can show.
fn in_range(micros: Option<i64>) -> deserialize::Result<Timestamp> {
    micros
        .and_then(Timestamp::from_micros)
        .ok_or_else(|| "an instant outside the years 1 to 9999".into())
}
