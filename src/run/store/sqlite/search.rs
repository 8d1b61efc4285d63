//! Full-text search: keeps the index with the rows of runs, and reads it.
//!
//! The index may be damaged without anything else being affected: then searches fail or miss runs, but runs are stored, changed and deleted.

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::damage::RawText;
use super::decode::{self, RUN_COLUMNS};
use super::run_filter;
use super::sql::{Conditions, execute, query_first, read_error, write_error};
use crate::run::store::damaged::DamagedRows;
use crate::run::store::search::searchable_answer;
use crate::run::store::{RunFilter, RunRecord, SearchText, StoreError, searchable};
use crate::types::{RunId, RunSpec, UserId};

/// Length of the tokens of the index, in characters. Shorter terms are looked for in the text itself.
const TOKEN: usize = 3;

/// Adds a new run.
pub(super) fn insert(connection: &Connection, run: RunId, owner: UserId, spec: &RunSpec) -> Result<(), StoreError> {
    let text = searchable(spec, None);
    change_index(connection, || {
        let sql = "INSERT INTO search_texts (run_id, owner, text) VALUES (?1, ?2, ?3)";
        connection.prepare_cached(sql)?.execute(params![run.to_string(), owner.to_string(), text])?;
        add_to_index(connection, connection.last_insert_rowid(), &text)
    })
}

/// Adds the answer of a run that ends.
pub(super) fn add_answer(connection: &Connection, run: RunId, answer: &str) -> Result<(), StoreError> {
    let answer = searchable_answer(answer);
    if answer.is_empty() {
        return Ok(());
    }
    change_index(connection, || {
        let Some((id, text)) = text_of(connection, &run.to_string().into())? else { return Ok(()) };
        remove_from_index(connection, id, &text)?;
        let text = [text.as_bytes(), b"\n", answer.as_bytes()].concat();
        let text = String::from_utf8_lossy(&text);
        connection.prepare_cached("UPDATE search_texts SET text = ?2 WHERE id = ?1")?.execute(params![id, text])?;
        add_to_index(connection, id, &text)
    })
}

/// Removes a run that is deleted.
pub(super) fn remove(connection: &Connection, run: &RawText) -> Result<(), StoreError> {
    change_index(connection, || match text_of(connection, run)? {
        Some((id, text)) => remove_from_index(connection, id, &text),
        None => Ok(()),
    })?;
    execute(connection, "DELETE FROM search_texts WHERE run_id = ?1", [run]).map(|_| ())
}

fn text_of(connection: &Connection, run: &RawText) -> rusqlite::Result<Option<(i64, RawText)>> {
    let mut statement = connection.prepare_cached("SELECT id, text FROM search_texts WHERE run_id = ?1")?;
    statement.query_row([run], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn add_to_index(connection: &Connection, id: i64, text: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO search_index (rowid, text) VALUES (?1, ?2)")?.execute(params![id, text]).map(|_| ())
}

fn remove_from_index(connection: &Connection, id: i64, text: &RawText) -> rusqlite::Result<()> {
    let sql = "INSERT INTO search_index (search_index, rowid, text) VALUES ('delete', ?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![id, text]).map(|_| ())
}

/// Makes a change to the index, or none if the index is damaged: that must not keep a run from being stored, ended or deleted. All other
/// errors are those of the whole database.
fn change_index(connection: &Connection, change: impl FnOnce() -> rusqlite::Result<()>) -> Result<(), StoreError> {
    execute(connection, "SAVEPOINT search", [])?;
    // The index is written here and not at the commit, which would fail for all.
    let flush = "INSERT INTO search_index (search_index) VALUES ('flush')";
    let changed = change().and_then(|()| connection.prepare_cached(flush)?.execute([]).map(|_| ()));
    // Damage that the index does not notice itself collides with rows of its own tables, or is an error without a code.
    let is_damage = |code| matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation | ErrorCode::Unknown);
    match changed {
        Err(error) if error.sqlite_error_code().is_some_and(is_damage) => {
            tracing::warn!(%error, "the search index is damaged; searches may miss runs");
            execute(connection, "ROLLBACK TO search", [])?;
        }
        changed => changed.map_err(write_error)?,
    }
    execute(connection, "RELEASE search", []).map(|_| ())
}

/// Implements [`RunStore::search`](crate::run::store::RunStore::search).
pub(super) fn search(
    connection: &Connection,
    text: &SearchText,
    filter: RunFilter,
    limit: usize,
    damaged: &DamagedRows,
) -> Result<Vec<RunRecord>, StoreError> {
    let before = match filter.before {
        Some(run) => position(connection, run)?,
        None => i64::MAX,
    };
    let filter = RunFilter { before: None, ..filter };
    let mut found = matches(connection, term_source(text), &filter, before, limit, damaged)?;
    if let Some(prefix) = text.id_prefix() {
        let known: Vec<i64> = found.iter().map(|(id, _)| *id).collect();
        let more = matches(connection, id_source(prefix), &filter, before, limit, damaged)?;
        found.extend(more.into_iter().filter(|(id, _)| !known.contains(id)));
        found.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        found.truncate(limit);
    }
    Ok(found.into_iter().map(|(_, run)| run).collect())
}

/// The place of a run in the order of the results. If it was deleted, results continue after the run that was created before it.
fn position(connection: &Connection, run: RunId) -> Result<i64, StoreError> {
    let sql = "SELECT id + (run_id < ?1) FROM search_texts WHERE run_id <= ?1 ORDER BY run_id DESC LIMIT 1";
    Ok(query_first(connection, sql, [run.to_string()], |row| row.get(0).map_err(read_error))?.unwrap_or(0))
}

/// Where matching rows `t` of `search_texts` come from.
struct Source {
    from: &'static str,
    /// The column with the place of a row, by which the source can be read backwards without sorting.
    place: &'static str,
    conditions: Conditions,
}

/// The rows in which all terms occur. Terms reach SQL as values only, and the syntax of the index only as strings in quotes.
fn term_source(text: &SearchText) -> Source {
    let (long, short): (Vec<&String>, Vec<&String>) = text.terms().iter().partition(|term| term.chars().count() >= TOKEN);
    let phrases: Vec<String> = long.into_iter().map(|term| format!("\"{}\"", term.replace('"', "\"\""))).collect();
    let mut conditions = Conditions::new();
    let (from, place) = if phrases.is_empty() {
        ("search_texts AS t", "t.id")
    } else {
        conditions.add("search_index MATCH ?", Some(phrases.join(" AND ")));
        ("search_index AS i CROSS JOIN search_texts AS t ON t.id = i.rowid", "i.rowid")
    };
    for term in short {
        conditions.add("instr(t.text, ?) > 0", Some(term.clone()));
    }
    Source { from, place, conditions }
}

/// The runs whose ids begin with `prefix`.
fn id_source(prefix: &str) -> Source {
    let mut conditions = Conditions::new();
    conditions.add("t.run_id >= ?", Some(prefix.to_owned()));
    // Greater than every digit.
    conditions.add("t.run_id < ?", Some(format!("{prefix}g")));
    Source { from: "search_texts AS t", place: "t.id", conditions }
}

/// The last intact runs of the source before this place that match the filter, with their places.
fn matches(
    connection: &Connection,
    source: Source,
    filter: &RunFilter,
    before: i64,
    limit: usize,
    damaged: &DamagedRows,
) -> Result<Vec<(i64, RunRecord)>, StoreError> {
    let Source { from, place, mut conditions } = source;
    conditions.add(&format!("{place} < ?"), Some(before));
    conditions.add_owner_in("t.owner", filter.owner.clone());
    let of_run = run_filter::conditions(filter.clone(), Conditions::after(&conditions));
    let sql = format!(
        "SELECT {place}, t.run_id FROM {from} WHERE {} AND EXISTS (SELECT 1 FROM runs WHERE id = t.run_id AND {}) ORDER BY {place} DESC",
        conditions.clause(),
        of_run.clause()
    );
    let values: Vec<_> = conditions.values().into_iter().chain(of_run.values()).collect();
    let run = format!("SELECT {RUN_COLUMNS} FROM runs WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(read_error)?;
    let mut rows = statement.query(values.as_slice()).map_err(read_error)?;
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next().map_err(read_error)? else { break };
        let (place, id): (i64, RawText) = (row.get(0).map_err(read_error)?, row.get(1).map_err(read_error)?);
        let record = query_first(connection, &run, [id], decode::run);
        found.extend(damaged.skip(record)?.flatten().map(|run| (place, run)));
    }
    Ok(found)
}
