//! Settings: flags, environment variables and a file `.env`, read once at start, in one struct for each part that uses
//! one.

mod env_file;
pub(crate) mod environment;
pub(crate) mod limits;
mod log;
mod observe;
mod server;
mod value;

pub use broadsheet_articles::store::{
    DatabaseSettings, DatabaseUrl, DatabaseUrlError, SqliteLocation,
};

pub use self::limits::LimitSettings;
pub use self::log::{LogFormat, LogSettings};
pub use self::observe::ObserveSettings;
pub use self::server::{PersistedSettings, ServerSettings, TlsSettings, TrustedMode};
