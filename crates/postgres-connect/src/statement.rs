//! A Diesel statement for PostgreSQL, and the prepared statements of a connection.

use std::error::Error;

use bytes::BytesMut;
use diesel::QueryResult;
use diesel::pg::{Pg, PgMetadataLookup, PgQueryBuilder, PgTypeMetadata};
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{QueryBuilder as _, QueryFragment};
use diesel::result::Error as DieselError;
use foldhash::{HashMap, HashMapExt as _};
use tokio_postgres::Statement;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type};

/// The maximum number of prepared statements per connection. There are fewer whose SQL does not depend on what clients
/// request.
const MAX_PREPARED: usize = 500;

/// A statement and its values.
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) types: Vec<Type>,
    pub(crate) binds: Vec<Bind>,
    /// Whether it is to be prepared and cached.
    pub(crate) keep: bool,
}

impl Query {
    pub(crate) fn new(query: &impl QueryFragment<Pg>) -> QueryResult<Self> {
        let mut binds = RawBytesBindCollector::<Pg>::new();
        query.collect_binds(&mut binds, &mut NoTypesByName, &Pg)?;
        let types = binds.metadata.iter().map(type_of);
        let types = types.collect::<QueryResult<_>>()?;
        let mut sql = PgQueryBuilder::default();
        query.to_sql(&mut sql, &Pg)?;
        Ok(Self {
            sql: sql.finish(),
            types,
            binds: binds.binds.into_iter().map(Bind).collect(),
            keep: query.is_safe_to_cache_prepared(&Pg)?,
        })
    }

    /// Its values, with their types.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&(dyn ToSql + Sync), Type)> {
        let binds = self.binds.iter().map(|bind| bind as &(dyn ToSql + Sync));
        binds.zip(self.types.iter().cloned())
    }
}

/// All types that the program uses have a fixed OID.
struct NoTypesByName;

impl PgMetadataLookup for NoTypesByName {
    fn lookup_type(&mut self, name: &str, schema: Option<&str>) -> PgTypeMetadata {
        let _ = schema;
        tracing::error!(name, "a type of PostgreSQL has no number");
        PgTypeMetadata::new(0, 0)
    }
}

fn type_of(metadata: &PgTypeMetadata) -> QueryResult<Type> {
    let oid = metadata
        .oid()
        .map_err(|error| DieselError::SerializationError(Box::new(error)))?;
    Ok(Type::from_oid(oid).unwrap_or_else(|| {
        let name = format!("type {oid}");
        Type::new(name, oid, Kind::Simple, "public".to_owned())
    }))
}

/// A value as Diesel has serialized it.
#[derive(Debug)]
pub(crate) struct Bind(Option<Vec<u8>>);

impl ToSql for Bind {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

/// The prepared statements of a connection, by their SQL.
pub(crate) struct Prepared {
    statements: HashMap<String, (Vec<Type>, Statement)>,
    keeps: bool,
}

impl Default for Prepared {
    fn default() -> Self {
        Self {
            statements: HashMap::new(),
            keeps: true,
        }
    }
}

impl Prepared {
    pub(crate) fn get(&self, query: &Query) -> Option<Statement> {
        let (types, statement) = self.statements.get(&query.sql)?;
        (*types == query.types).then(|| statement.clone())
    }

    /// Caches a statement. If there are too many, all are dropped, which the usual ones never cause.
    pub(crate) fn insert(&mut self, query: &Query, statement: Statement) {
        if !self.keeps {
            return;
        }
        if self.statements.len() >= MAX_PREPARED {
            self.statements.clear();
        }
        let statement = (query.types.clone(), statement);
        self.statements.insert(query.sql.clone(), statement);
    }

    pub(crate) fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
        if !keeps {
            self.statements.clear();
        }
    }
}
