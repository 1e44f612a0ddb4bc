//! The rows of PostgreSQL's results, as Diesel reads them.

use std::error::Error;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use diesel::pg::{Pg, PgValue, TypeOidLookup};
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};
use tokio_postgres::types::{FromSql, Type};

/// A row of a result.
pub struct PgRow {
    row: tokio_postgres::Row,
    /// The types of the columns, which all rows of a result share.
    types: Arc<[Oid]>,
}

impl PgRow {
    /// `types` are those of the previous row, if there was one.
    pub(crate) fn new(row: tokio_postgres::Row, types: &mut Option<Arc<[Oid]>>) -> Self {
        let types = types.get_or_insert_with(|| {
            let columns = row.columns().iter();
            columns.map(|column| Oid(column.type_().oid())).collect()
        });
        Self {
            types: Arc::clone(types),
            row,
        }
    }
}

/// The OID of a type in PostgreSQL.
pub(crate) struct Oid(u32);

impl TypeOidLookup for Oid {
    fn lookup(&self) -> NonZeroU32 {
        NonZeroU32::new(self.0).unwrap_or(NonZeroU32::MIN)
    }
}

impl RowSealed for PgRow {}

impl<'a> Row<'a, Pg> for PgRow {
    type Field<'b>
        = PgField<'b>
    where
        Self: 'b,
        'a: 'b;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        self.row.len()
    }

    fn get<'b, I>(&'b self, index: I) -> Option<Self::Field<'b>>
    where
        'a: 'b,
        Self: RowIndex<I>,
    {
        let column = self.idx(index)?;
        Some(PgField { row: self, column })
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self> {
        PartialRow::new(self, range)
    }
}

impl RowIndex<usize> for PgRow {
    fn idx(&self, index: usize) -> Option<usize> {
        (index < self.row.len()).then_some(index)
    }
}

impl<'a> RowIndex<&'a str> for PgRow {
    fn idx(&self, name: &'a str) -> Option<usize> {
        let mut columns = self.row.columns().iter();
        columns.position(|column| column.name() == name)
    }
}

/// One value of a row.
pub struct PgField<'a> {
    row: &'a PgRow,
    column: usize,
}

impl<'a> Field<'a, Pg> for PgField<'a> {
    fn field_name(&self) -> Option<&str> {
        self.row
            .row
            .columns()
            .get(self.column)
            .map(tokio_postgres::Column::name)
    }

    fn value(&self) -> Option<PgValue<'_>> {
        let Raw(bytes) = self.row.row.try_get(self.column).ok()?;
        Some(PgValue::new(bytes?, self.row.types.get(self.column)?))
    }
}

/// The bytes of a value of any type; `None` for NULL.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
