//! From rows to values, and from `SQLite`'s errors to ours.

use rusqlite::Row;
use serde::de::DeserializeOwned;

use crate::run::store::{RunRecord, SessionRecord, StoreError};
use crate::types::{RunStatus, Seq, Timestamp};

#[expect(clippy::needless_pass_by_value, reason = "made for `map_err`, which gives the error away")]
pub(super) fn reading(error: rusqlite::Error) -> StoreError {
    StoreError::Read(error.to_string())
}

pub(super) fn writing(error: &rusqlite::Error) -> StoreError {
    StoreError::Write(error.to_string())
}

/// The columns of a run's row, in the order that [`run`] reads them.
pub(super) const RUN_COLUMNS: &str =
    "id, session_id, owner, status, spec, widened, created_at, started_at, ended_at, last_seq, done, place, held";

/// Reads a run's row.
pub(super) fn run(row: &Row<'_>) -> Result<RunRecord, StoreError> {
    let id: String = row.get(0).map_err(reading)?;
    let damaged = |problem: String| StoreError::Damaged { table: "runs", id: id.clone(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    let moment = |column: usize| row.get::<_, Option<i64>>(column).map_err(|error| damaged(error.to_string()));
    let status = text(3)?;
    let last_seq: i64 = row.get(9).map_err(|error| damaged(error.to_string()))?;
    let done: Option<String> = row.get(10).map_err(|error| damaged(error.to_string()))?;
    let withheld: Option<String> = row.get(12).map_err(|error| damaged(error.to_string()))?;
    let checkpoint: Option<String> = row.get(11).map_err(|error| damaged(error.to_string()))?;
    Ok(RunRecord {
        id: id.parse().map_err(|error| damaged(format!("{error}")))?,
        session: text(1)?.parse().map_err(|error| damaged(format!("{error}")))?,
        owner: text(2)?.parse().map_err(|error| damaged(format!("{error}")))?,
        status: RunStatus::from_name(&status).ok_or_else(|| damaged(format!("status {status:?} is not known")))?,
        spec: json(&text(4)?).map_err(&damaged)?,
        widened: json(&text(5)?).map_err(&damaged)?,
        created_at: Timestamp::from_millis(moment(6)?.ok_or_else(|| damaged("created_at is missing".into()))?),
        started_at: moment(7)?.map(Timestamp::from_millis),
        ended_at: moment(8)?.map(Timestamp::from_millis),
        last_seq: u64::try_from(last_seq).ok().and_then(Seq::new).ok_or_else(|| damaged(format!("last_seq is {last_seq}")))?,
        done: done.map(|done| json(&done)).transpose().map_err(&damaged)?,
        withheld: withheld.map(|withheld| json(&withheld)).transpose().map_err(&damaged)?.unwrap_or_default(),
        webhooks: Vec::new(),
        checkpoint: checkpoint.map(|checkpoint| json(&checkpoint)).transpose().map_err(&damaged)?,
    })
}

/// The columns of a session's row, in the order that [`session`] reads them.
pub(super) const SESSION_COLUMNS: &str = "id, owner, agent_type, working_dir, agent_session, created_at";

/// Reads a session's row.
pub(super) fn session(row: &Row<'_>) -> Result<SessionRecord, StoreError> {
    let id: String = row.get(0).map_err(reading)?;
    let damaged = |problem: String| StoreError::Damaged { table: "sessions", id: id.clone(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    Ok(SessionRecord {
        id: id.parse().map_err(|error| damaged(format!("{error}")))?,
        owner: text(1)?.parse().map_err(|error| damaged(format!("{error}")))?,
        agent_type: text(2)?,
        working_dir: json(&text(3)?).map_err(&damaged)?,
        agent_session: row.get(4).map_err(|error| damaged(error.to_string()))?,
        created_at: Timestamp::from_millis(row.get(5).map_err(|error| damaged(error.to_string()))?),
    })
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A number of things or bytes, which is never negative.
pub(super) fn count(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(|number| u64::try_from(number).unwrap_or(0))
}

/// The number as `SQLite` keeps it. Numbers of events and sizes never come near the bound.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
