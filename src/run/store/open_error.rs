//! Why the store could not be opened.

use std::path::PathBuf;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be created or opened.
    #[error("cannot use the data directory {path}")]
    DataDir {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another account controls the directory, one above it, or a file in it.
    #[error(transparent)]
    Insecure(#[from] crate::ownership::Insecure),
    /// Another server uses the directory.
    #[error("another openrunner server uses the data directory {0}; stop it, or set OPENRUNNER_DATA_DIR to another directory")]
    InUse(PathBuf),
    /// `SQLite` cannot open the file, or it is not a database.
    #[error("cannot open the database")]
    Database(#[from] rusqlite::Error),
    /// The schema cannot be migrated, for example because it is that of a later release.
    #[error("cannot migrate the database schema")]
    Migration(#[from] Box<refinery::Error>),
    /// The writing thread cannot be started.
    #[error("cannot start the writing thread")]
    Thread(#[source] std::io::Error),
    /// The database on another server cannot be used.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Connect(#[from] super::ConnectError),
    /// This program was built without the store that the settings ask for.
    #[error("OPENRUNNER_DATABASE_URL: this program was built without PostgreSQL (feature `postgres`)")]
    NoPostgres,
}
