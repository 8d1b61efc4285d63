//! A connection to the database that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::run::store::testing::new_database;

/// Passes connections on to the server.
pub(super) struct Proxy {
    directory: TempDir,
    database: String,
    loses: Arc<AtomicBool>,
    frozen: watch::Sender<bool>,
    needle: &'static [u8],
}

impl Proxy {
    /// A proxy before a new database, which can lose the answer to a message that contains `needle`. None where there is no PostgreSQL.
    pub(super) fn start(needle: &'static [u8]) -> Option<Self> {
        let url = new_database()?;
        let (base, server) = url.split_once("?host=").unwrap();
        let (database, socket) = (base.rsplit('/').next().unwrap().to_owned(), format!("{server}/.s.PGSQL.5432"));
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let loses = Arc::new(AtomicBool::new(false));
        let frozen = watch::Sender::new(false);
        let (tasks, flag, passing) = (TaskTracker::new(), Arc::clone(&loses), frozen.subscribe());
        tasks.clone().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                tasks.spawn(pass(client, server, needle, Arc::clone(&flag), passing.clone()));
            }
        });
        Some(Self { directory, database, loses, frozen, needle })
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://openrunner@/{}?host={}", self.database, self.directory.path().display())
    }

    /// Loses the answer to the next message with the needle, and the connection with it.
    pub(super) fn lose_next(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }

    /// Holds all data back, or passes on what was held back.
    pub(super) fn freeze(&self, is_frozen: bool) {
        self.frozen.send_replace(is_frozen);
    }

    /// Whether the answer was lost.
    pub(super) fn has_lost(&self) -> bool {
        !self.needle.is_empty() && !self.loses.load(Ordering::SeqCst)
    }
}

async fn pass(
    mut client: UnixStream,
    mut server: UnixStream,
    needle: &'static [u8],
    loses: Arc<AtomicBool>,
    mut frozen: watch::Receiver<bool>,
) {
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let mut is_losing = false;
    loop {
        if frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        tokio::select! {
            // Before it reads anything.
            biased;
            changed = frozen.changed() => if changed.is_err() {
                return;
            },
            read = client.read(&mut from_client) => {
                let Ok(count @ 1..) = read else { return };
                let found = memchr::memmem::find(&from_client[..count], needle).is_some();
                is_losing = is_losing || (found && loses.swap(false, Ordering::SeqCst));
                if server.write_all(&from_client[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(count @ 1..) = read else { return };
                // The server has done it and says so, but the client does not learn of it.
                if is_losing || client.write_all(&from_server[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
