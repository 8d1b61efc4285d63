//! The database of a server, opened beside it or after its end.

use rusqlite::Connection;
use rusqlite::types::FromSql;
use rustix::process::Signal;

use super::{Server, Setup};

impl Server {
    /// Opens its database. The server may be running.
    pub(crate) fn database(&self) -> Connection {
        let database = Connection::open(self.data().join("openrunner.db")).expect("a database");
        database.busy_timeout(std::time::Duration::from_secs(20)).expect("a time limit");
        database
    }

    /// Kills it with SIGKILL, changes its database, and returns the setup of its successor.
    pub(crate) async fn killed_and_changed(mut self, change: &str) -> Setup {
        self.signal(Signal::KILL);
        assert_eq!(self.ended().await, -9);
        self.database().execute_batch(change).expect("a change that the database accepts");
        self.again()
    }
}

/// The only value that a query returns.
pub(crate) fn query<T: FromSql>(database: &Connection, sql: &str) -> T {
    database.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}
