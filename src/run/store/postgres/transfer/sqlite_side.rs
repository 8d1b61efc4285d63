//! Rows of a database in SQLite.

use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::super::value::text;
use super::tables::{Cell, Table};
use crate::run::store::values::integer;

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Stored::Null),
            Self::Int(number) => ToSqlOutput::Owned(Stored::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// A row as PostgreSQL can store it: text is UTF-8 without NUL characters.
fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null | ValueRef::Real(_) => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Text(bytes) => Cell::Text(text(String::from_utf8_lossy(bytes).into_owned())),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec().into()),
    }
}

/// Reads a table page by page: each page is one statement, so that nothing of the connection is held between them.
pub(super) struct Batches<'a> {
    connection: &'a Connection,
    table: &'a Table,
    offset: usize,
    ids: Vec<i64>,
}

/// The rows of a table, in the order of their keys.
pub(super) fn read_batches<'a>(connection: &'a Connection, table: &'a Table) -> rusqlite::Result<Batches<'a>> {
    if is_keyed(table) {
        return Ok(Batches { connection, table, offset: 0, ids: Vec::new() });
    }
    // Only the order is read at once: 8 bytes a row.
    let sql = format!("SELECT rowid FROM {} ORDER BY {}", table.name, table.key);
    let mut statement = connection.prepare(&sql)?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    Ok(Batches { connection, table, offset: 0, ids })
}

impl Batches<'_> {
    /// At most this number of rows, and about this number of bytes; `None` after the last one.
    pub(super) fn next_batch(&mut self, (count, bytes): (usize, usize)) -> rusqlite::Result<Option<Vec<Vec<Cell>>>> {
        let names: Vec<String> = self.table.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let (columns, table) = (names.join(", "), self.table.name);
        let decode =
            |row: &rusqlite::Row<'_>| (0..names.len()).map(|column| row.get_ref(column).map(cell)).collect::<rusqlite::Result<Vec<Cell>>>();
        let mut batch = Vec::new();
        if is_keyed(self.table) {
            let sql = format!("SELECT {columns} FROM {table} ORDER BY {} LIMIT ?1 OFFSET ?2", self.table.key);
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([count, self.offset].map(|number| integer(number as u64)))?;
            while let Some(row) = rows.next()? {
                batch.push(decode(row)?);
            }
            self.offset += batch.len();
        } else {
            let mut statement = self.connection.prepare_cached(&format!("SELECT {columns} FROM {table} WHERE rowid = ?1"))?;
            let mut size = 0;
            while batch.len() < count && size < bytes && self.offset < self.ids.len() {
                let row = statement.query_row([self.ids[self.offset]], |row| decode(row))?;
                size += row.iter().map(Cell::size).sum::<usize>();
                batch.push(row);
                self.offset += 1;
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

/// Whether the rows are read by their keys, since the table has no rowid.
fn is_keyed(table: &Table) -> bool {
    matches!(table.name, "usage" | "usage_by_day")
}

/// Adds a row.
pub(super) fn insert(connection: &Connection, table: &Table, row: &[Cell]) -> rusqlite::Result<()> {
    let names: Vec<String> = table.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let values: Vec<String> = (1..=names.len()).map(|number| format!("?{number}")).collect();
    let sql = match table.name {
        // It has one row for good.
        "audit_retention" => "UPDATE audit_retention SET removable_before = ?1".to_owned(),
        name => format!("INSERT INTO {name} ({}) VALUES ({})", names.join(", "), values.join(", ")),
    };
    connection.prepare_cached(&sql)?.execute(params_from_iter(row)).map(|_| ())
}

/// Removes the row that a new store has.
pub(super) fn clear(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    match table.name {
        "audit_retention" => Ok(()),
        name => connection.execute(&format!("DELETE FROM {name}"), []).map(|_| ()),
    }
}
