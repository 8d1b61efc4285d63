//! Chats of sessions in `SQLite`.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::SqliteStore;
use super::damage::Columns;
use super::sql::{execute, query_first, write_error};
use crate::run::store::{ChatDigest, ChatStore, StoreError};
use crate::types::{SessionId, UserId};

#[async_trait]
impl ChatStore for SqliteStore {
    async fn set_chat(&self, session: SessionId, chat: Option<ChatDigest>) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET chat = ?2 WHERE id = ?1";
        self.writer.write(move |connection| execute(connection, sql, params![session.to_string(), chat]).map(|_| ())).await
    }

    async fn chat_session(&self, owner: UserId, chat: ChatDigest) -> Result<Option<SessionId>, StoreError> {
        let sql = "SELECT id FROM sessions WHERE owner = ?1 AND chat = ?2 ORDER BY id DESC LIMIT 1";
        self.read(move |connection| {
            query_first(connection, sql, params![owner.to_string(), chat], |row| Columns::new("sessions", row).parse(0))
        })
        .await
    }

    async fn take_chat_session(&self, owner: UserId, chat: ChatDigest) -> Result<Option<SessionId>, StoreError> {
        let sql = "UPDATE sessions SET chat = NULL
                       WHERE id = (SELECT id FROM sessions WHERE owner = ?1 AND chat = ?2 ORDER BY id DESC LIMIT 1) RETURNING id";
        self.writer
            .write(move |connection| {
                let taken = connection.prepare_cached(sql).and_then(|mut statement| {
                    statement.query_row(params![owner.to_string(), chat], |row| Ok(Columns::new("sessions", row).parse(0))).optional()
                });
                taken.map_err(write_error)?.transpose()
            })
            .await
    }
}
