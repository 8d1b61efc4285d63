//! Why a database in PostgreSQL cannot be used.

/// Why a database in PostgreSQL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The setting is not the URL of a database.
    #[error("OPENRUNNER_DATABASE_URL: {0}")]
    Url(String),
    /// The certificates with which the server is verified cannot be used.
    #[error("OPENRUNNER_DATABASE_URL: cannot verify the database's certificate: {0}")]
    Tls(String),
    /// The database cannot be reached, or refuses the connection.
    #[error("cannot connect to the database: {0}")]
    Connect(String),
    /// Another server uses the database.
    #[error("another openrunner server uses the database; stop it, or set OPENRUNNER_DATABASE_URL to another database")]
    InUse,
    /// The database is too old.
    #[error("PostgreSQL {0} is too old; version 15 or later is needed")]
    TooOld(String),
    /// The database does not store all characters.
    #[error("the database's encoding is {0}; create one with UTF8")]
    Encoding(String),
    /// The schema cannot be migrated, for example because it is that of a later release.
    #[error("cannot migrate the database schema")]
    Migration(#[from] Box<refinery::Error>),
    /// The schema is missing or is that of another release.
    #[error("the database has the schema of another release; start a server of this release first")]
    Schema,
}

impl From<tokio_postgres::Error> for ConnectError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Connect(message(&error))
    }
}

/// The message of an error with its cause: the driver's own says only what it did.
pub(super) fn message(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(database) => format!("{} ({})", database.message(), database.code().code()),
        None => std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    }
}
