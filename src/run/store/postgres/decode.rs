//! Decodes rows of runs and sessions.

use tokio_postgres::Row;

use super::sql::Columns;
use crate::run::store::{RunRecord, SessionRecord, StoreError, values};
use crate::types::{Lease, RunId, RunStatus, Seq, UserName, UserRef};

/// The columns of a run in `runs JOIN run_leases ON run_id = id`, in the order in which [`run`] reads them.
pub(super) const RUN_COLUMNS: &str = "runs.id, session_id, runs.owner, status, spec, widened, created_at, started_at, ended_at, tip, done, \
    checkpoint, withheld, node_id, epoch, launched_at, waits_until, (SELECT name FROM user_names WHERE user_names.id = runs.owner)";

/// Decodes a row of [`RUN_COLUMNS`].
pub(super) fn run(row: &Row) -> Result<RunRecord, StoreError> {
    let columns = Columns::new("runs", row);
    let id: RunId = columns.parse(0)?;
    let epoch: i64 = columns.get(14)?;
    let epoch = values::epoch(epoch).ok_or_else(|| columns.damaged(format!("epoch is {epoch}")))?;
    let lease = Lease { run: id, node: columns.parse(13)?, epoch };
    Ok(RunRecord {
        id,
        session: columns.parse(1)?,
        owner: owner(&columns, 2, 17)?,
        status: columns.named(3, RunStatus::from_name)?,
        spec: columns.json(4)?,
        widened: columns.json(5)?,
        lease: Some(lease),
        created_at: columns.time(6)?,
        launched_at: columns.time_optional(15)?,
        waits_until: columns.time_optional(16)?,
        started_at: columns.time_optional(7)?,
        ended_at: columns.time_optional(8)?,
        last_seq: Seq::new(columns.number(9)?).ok_or_else(|| columns.damaged("last_seq is 0"))?,
        done: columns.json_optional(10)?,
        checkpoint: columns.json_optional(11)?,
        withheld: columns.json_optional(12)?.unwrap_or_default(),
        webhooks: Vec::new(),
        attachments: Vec::new(),
    })
}

/// The owner, whose id and name are in these columns. The id stands in for a name that is missing.
pub(super) fn owner(columns: &Columns<'_>, id: usize, name: usize) -> Result<UserRef, StoreError> {
    let id = columns.parse(id)?;
    Ok(UserRef { id, name: columns.parse(name).unwrap_or_else(|_unreadable| UserName::from(id)) })
}

/// The columns of a session, in the order in which [`session`] reads them.
pub(super) const SESSION_COLUMNS: &str = "id, owner, agent_type, working_dir, agent_session, created_at, first_run, title, \
    (SELECT name FROM user_names WHERE user_names.id = owner)";

/// Decodes a row of [`SESSION_COLUMNS`].
pub(super) fn session(row: &Row) -> Result<SessionRecord, StoreError> {
    let columns = Columns::new("sessions", row);
    Ok(SessionRecord {
        id: columns.parse(0)?,
        owner: owner(&columns, 1, 8)?,
        agent_type: columns.get(2)?,
        working_dir: columns.json(3)?,
        agent_session: columns.get(4)?,
        title: columns.get(7)?,
        created_at: columns.time(5)?,
        first_run: columns.parse(6)?,
    })
}
