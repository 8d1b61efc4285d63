//! Reads a store without changing it, for diagnostics.

use std::path::Path;

use rusqlite::OpenFlags;

use super::SqliteStore;
use super::connection::{FILE_NAME, connect};
use super::damage::RawText;
use crate::types::UserName;

/// The users of a store, as far as logging in is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredLogins {
    /// The users by name, each with whether the password is a default one.
    pub users: Vec<(String, bool)>,
    /// Number of users whose rows are damaged.
    pub damaged: usize,
}

impl SqliteStore {
    /// The users in `data_dir` by name, each with whether the password is a default one, and the number of damaged users, who cannot log in.
    /// Changes nothing, whether or not a server uses the directory. None if there is no store, or no server has created the users yet.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn default_passwords(data_dir: &Path) -> rusqlite::Result<Option<StoredLogins>> {
        let path = data_dir.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let mut statement = connection.prepare("SELECT name, default_password FROM users ORDER BY name")?;
        let mut rows = statement.query([])?;
        let mut logins = StoredLogins::default();
        while let Some(row) = rows.next()? {
            let name = row.get::<_, RawText>(0).ok().and_then(|name| name.parse::<UserName>());
            match (name, row.get(1)) {
                (Some(name), Ok(is_default)) => logins.users.push((name.to_string(), is_default)),
                _ => logins.damaged += 1,
            }
        }
        Ok((!logins.users.is_empty() || logins.damaged > 0).then_some(logins))
    }
}
