//! Users in `SQLite`.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::SqliteStore;
use super::decode::{reading, writing};
use crate::run::store::{StoreError, UserRecord, UserStore};
use crate::types::{UserName, UserRole};

#[async_trait]
impl UserStore for SqliteStore {
    async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
        let name = name.clone();
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT role, password_hash, default_password, generation FROM users WHERE name = ?1")
                .map_err(reading)?;
            let row = statement
                .query_row([name.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                .optional()
                .map_err(reading)?;
            let Some((role, password_hash, default_password, generation)) = row else { return Ok(None) };
            let role = match role.as_str() {
                "admin" => UserRole::Admin,
                "user" => UserRole::User,
                other => {
                    let problem = format!("role {other:?} is not known");
                    return Err(StoreError::Damaged { table: "users", id: name.to_string(), problem });
                }
            };
            Ok(Some(UserRecord { name, role, password_hash, default_password, generation }))
        })
        .await
    }

    async fn add_user(&self, user: UserRecord) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "INSERT INTO users (name, role, password_hash, default_password, generation) VALUES (?1, ?2, ?3, ?4, ?5)
                           ON CONFLICT (name) DO NOTHING";
                let values = params![user.name.as_str(), user.role.as_str(), user.password_hash, user.default_password, user.generation];
                let added = connection.prepare_cached(sql).and_then(|mut insert| insert.execute(values));
                added.map(|rows| rows == 1).map_err(|error| writing(&error))
            })
            .await
    }

    async fn set_password(&self, name: &UserName, password_hash: String) -> Result<bool, StoreError> {
        let name = name.clone();
        self.writer
            .write(move |connection| {
                let sql = "UPDATE users SET password_hash = ?2, default_password = 0, generation = generation + 1 WHERE name = ?1";
                let changed = connection.prepare_cached(sql).and_then(|mut update| update.execute(params![name.as_str(), password_hash]));
                changed.map(|rows| rows == 1).map_err(|error| writing(&error))
            })
            .await
    }
}
