//! Why a statement has no result, and how long the database may take to answer.

use std::fmt;
use std::time::Duration;

use crate::run::store::connect_error::message;
use crate::run::store::{ConnectError, StoreError};

/// How long the database may take to answer. The database itself ends statements earlier, see [`prepare`](super::session::prepare), unless it
/// is suspended or a proxy holds the connection open without it.
const ANSWER_LIMIT: Duration = Duration::from_secs(75);

/// Why a statement has no result.
#[derive(Debug)]
pub(super) enum SqlError {
    /// The database refused the statement, or the connection was lost.
    Driver(tokio_postgres::Error),
    /// The database did not answer within this time.
    NoAnswer(Duration),
}

impl SqlError {
    /// Whether the connection is lost: then the statement may have been executed or not.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            // Of the class 57, the database sends a few before it closes the connection.
            Self::Driver(error) => error
                .code()
                .is_none_or(|code| matches!(code.code(), "57P01" | "57P02" | "57P03" | "57P05" | "25P03") || code.code().starts_with("08")),
        }
    }

    /// The database's code of the error.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::NoAnswer(_) => None,
            Self::Driver(error) => error.code().map(tokio_postgres::error::SqlState::code),
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(error) => f.write_str(&message(error)),
            Self::NoAnswer(limit) => write!(f, "the database did not answer within {} seconds", limit.as_secs()),
        }
    }
}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<SqlError> for ConnectError {
    fn from(error: SqlError) -> Self {
        Self::Connect(error.to_string())
    }
}

pub(super) fn read_error(error: impl Into<SqlError>) -> StoreError {
    StoreError::Read(error.into().to_string())
}

pub(super) fn write_error(error: impl Into<SqlError>) -> StoreError {
    StoreError::Write(error.into().to_string())
}

/// The result of a statement, if the database answers in time. Otherwise the connection must not be used any more.
pub(super) async fn in_time<T, E>(statement: impl Future<Output = Result<T, E>>) -> Result<T, SqlError>
where
    SqlError: From<E>,
{
    within(ANSWER_LIMIT, statement).await
}

/// The result of work with the database, if it takes no longer than `limit`.
pub(super) async fn within<T, E>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, SqlError>
where
    SqlError: From<E>,
{
    match tokio::time::timeout(limit, work).await {
        Ok(result) => Ok(result?),
        Err(_elapsed) => Err(SqlError::NoAnswer(limit)),
    }
}
