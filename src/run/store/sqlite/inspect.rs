//! Reads a store without changing it, for diagnostics.

use std::path::Path;

use rusqlite::OpenFlags;

use super::SqliteStore;
use super::connection::{FILE_NAME, connect};

impl SqliteStore {
    /// The users in `data_dir` by name, each with whether the password is a default one. Changes nothing, whether or not a server uses
    /// the directory. None if there is no store, or no server has created the users yet.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn default_passwords(data_dir: &Path) -> rusqlite::Result<Option<Vec<(String, bool)>>> {
        let path = data_dir.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let mut statement = connection.prepare("SELECT name, default_password FROM users ORDER BY name")?;
        let users = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok((!users.is_empty()).then_some(users))
    }
}
