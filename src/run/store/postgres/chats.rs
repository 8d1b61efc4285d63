//! Chats of sessions in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::PostgresStore;
use super::sql::{self, Columns, execute};
use super::value::values;
use crate::run::store::{ChatDigest, ChatStore, StoreError};
use crate::types::{SessionId, UserId};

#[async_trait]
impl ChatStore for PostgresStore {
    async fn set_chat(&self, session: SessionId, chat: Option<ChatDigest>) -> Result<(), StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let chat = chat.map(|chat| bytes::Bytes::copy_from_slice(&chat));
                    execute(client, "UPDATE sessions SET chat = $2 WHERE id = $1", &values![session.to_string(), chat]).await.map(|_| ())
                })
            })
            .await
    }

    async fn chat_session(&self, owner: UserId, chat: ChatDigest) -> Result<Option<SessionId>, StoreError> {
        let sql = "SELECT id FROM sessions WHERE owner = $1 AND chat = $2 ORDER BY id DESC LIMIT 1";
        self.first(sql, &values![owner.to_string(), chat], decode).await
    }

    async fn take_chat_session(&self, owner: UserId, chat: ChatDigest) -> Result<Option<SessionId>, StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "UPDATE sessions SET chat = NULL
                               WHERE id = (SELECT id FROM sessions WHERE owner = $1 AND chat = $2 ORDER BY id DESC LIMIT 1) RETURNING id";
                    sql::first(client, sql, &values![owner.to_string(), chat]).await?.as_ref().map(decode).transpose()
                })
            })
            .await
    }
}

fn decode(row: &Row) -> Result<SessionId, StoreError> {
    Columns::new("sessions", row).parse(0)
}
