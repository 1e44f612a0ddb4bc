//! How both databases store ids and timestamps: SQL types for both, and conversions of the values.

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

// The domain's types are independent of Diesel, so these wrap them.
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

/// Microseconds from 1970 to 2000, which is PostgreSQL's epoch.
const POSTGRES_EPOCH_MICROS: i128 = 946_684_800_000_000;

/// PostgreSQL's finite timestamps, in microseconds since 2000: 4714 BC to 294276. Its minimum and maximum numbers mean
/// the infinities.
const POSTGRES_MICROS: std::ops::Range<i128> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

impl ToSql<Instant, Pg> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&postgres_micros(*self).to_be_bytes())?;
        Ok(IsNull::No)
    }
}

/// A timestamp in PostgreSQL's binary format.
pub(in crate::store) fn postgres_micros(instant: Timestamp) -> i64 {
    let micros = instant
        .stored_micros()
        .saturating_sub(POSTGRES_EPOCH_MICROS);
    // The position of a cursor may come from the other database.
    if micros < POSTGRES_MICROS.start {
        i64::MIN
    } else if micros >= POSTGRES_MICROS.end {
        i64::MAX
    } else {
        nearest(micros)
    }
}

impl ToSql<Instant, Sqlite> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(nearest(self.stored_micros()));
        Ok(IsNull::No)
    }
}

fn nearest(micros: i128) -> i64 {
    let within = micros.clamp(i64::MIN.into(), i64::MAX.into());
    i64::try_from(within).unwrap_or_default()
}

impl FromSql<Instant, Pg> for Timestamp {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let micros = i64::from_be_bytes(value.as_bytes().try_into()?);
        Ok(Self::stored(i128::from(micros) + POSTGRES_EPOCH_MICROS))
    }
}

impl FromSql<Instant, Sqlite> for Timestamp {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::stored(value.read_long().into()))
    }
}
