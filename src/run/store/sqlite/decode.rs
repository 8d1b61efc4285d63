//! Decodes rows of runs and sessions.

use rusqlite::Row;
use serde::de::DeserializeOwned;

use super::sql::read_error;
use crate::run::store::{RunRecord, SessionRecord, StoreError};
use crate::types::{Epoch, Lease, RunId, RunStatus, Seq, Timestamp};

/// The columns of a run, in the order in which [`run`] reads them.
pub(super) const RUN_COLUMNS: &str = "id, session_id, owner, status, spec, widened, created_at, started_at, ended_at, last_seq, done, checkpoint, \
                                      withheld, node_id, epoch, launched_at";

/// Decodes a row of [`RUN_COLUMNS`].
pub(super) fn run(row: &Row<'_>) -> Result<RunRecord, StoreError> {
    let id: String = row.get(0).map_err(read_error)?;
    let damaged = |problem: String| StoreError::Damaged { table: "runs", id: id.clone(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    let optional_text = |column: usize| row.get::<_, Option<String>>(column).map_err(|error| damaged(error.to_string()));
    let time = |column: usize| row.get::<_, Option<i64>>(column).map_err(|error| damaged(error.to_string()));
    let status = text(3)?;
    let last_seq: i64 = row.get(9).map_err(|error| damaged(error.to_string()))?;
    let (done, checkpoint, withheld) = (optional_text(10)?, optional_text(11)?, optional_text(12)?);
    let run: RunId = id.parse().map_err(|error| damaged(format!("{error}")))?;
    let node = text(13)?.parse().map_err(|error| damaged(format!("{error}")))?;
    let epoch: i64 = row.get(14).map_err(|error| damaged(error.to_string()))?;
    let epoch = self::epoch(epoch).ok_or_else(|| damaged(format!("epoch is {epoch}")))?;
    Ok(RunRecord {
        id: run,
        session: text(1)?.parse().map_err(|error| damaged(format!("{error}")))?,
        owner: text(2)?.parse().map_err(|error| damaged(format!("{error}")))?,
        status: RunStatus::from_name(&status).ok_or_else(|| damaged(format!("unknown status {status:?}")))?,
        spec: from_json(&text(4)?).map_err(&damaged)?,
        widened: from_json(&text(5)?).map_err(&damaged)?,
        lease: Some(Lease { run, node, epoch }),
        created_at: Timestamp::from_millis(time(6)?.ok_or_else(|| damaged("created_at is missing".into()))?),
        launched_at: time(15)?.map(Timestamp::from_millis),
        started_at: time(7)?.map(Timestamp::from_millis),
        ended_at: time(8)?.map(Timestamp::from_millis),
        last_seq: u64::try_from(last_seq).ok().and_then(Seq::new).ok_or_else(|| damaged(format!("last_seq is {last_seq}")))?,
        done: done.map(|done| from_json(&done)).transpose().map_err(&damaged)?,
        checkpoint: checkpoint.map(|checkpoint| from_json(&checkpoint)).transpose().map_err(&damaged)?,
        withheld: withheld.map(|withheld| from_json(&withheld)).transpose().map_err(&damaged)?.unwrap_or_default(),
        webhooks: Vec::new(),
    })
}

/// A stored epoch; `None` if it is not positive.
pub(super) fn epoch(number: i64) -> Option<Epoch> {
    u64::try_from(number).ok().and_then(Epoch::new)
}

/// The columns of a session, in the order in which [`session`] reads them.
pub(super) const SESSION_COLUMNS: &str = "id, owner, agent_type, working_dir, agent_session, created_at";

/// Decodes a row of [`SESSION_COLUMNS`].
pub(super) fn session(row: &Row<'_>) -> Result<SessionRecord, StoreError> {
    let id: String = row.get(0).map_err(read_error)?;
    let damaged = |problem: String| StoreError::Damaged { table: "sessions", id: id.clone(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    Ok(SessionRecord {
        id: id.parse().map_err(|error| damaged(format!("{error}")))?,
        owner: text(1)?.parse().map_err(|error| damaged(format!("{error}")))?,
        agent_type: text(2)?,
        working_dir: from_json(&text(3)?).map_err(&damaged)?,
        agent_session: row.get(4).map_err(|error| damaged(error.to_string()))?,
        created_at: Timestamp::from_millis(row.get(5).map_err(|error| damaged(error.to_string()))?),
    })
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
