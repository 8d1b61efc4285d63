//! Changes of users and keys that another process makes in the data directory, such as `openrunner user rm --data-dir`.

use std::time::Duration;

use super::{Audit, Auth};
use crate::run::store::AuditFilter;

/// Interval between two looks at the audit log. Streams end within a second of a change.
const INTERVAL: Duration = Duration::from_millis(500);

/// Number of entries to look at. In PostgreSQL, an entry can be committed shortly after one with a higher id.
const NEWEST: usize = 16;

impl Auth {
    /// Notifies the subscribers of [`Auth::access_changes`] of changes that other processes make, until it is dropped.
    ///
    /// Such a change is stored together with its entry in the audit log, so a look at the newest entries suffices. Nothing is read while there
    /// are no subscribers. Entries that end no access cause a notification as well; subscribers check anyway what they may still do.
    pub async fn report_offline_changes(&self, audit: &Audit) {
        // Of no log yet, so that the first look notifies.
        let (mut newest, mut is_readable) = (None, true);
        loop {
            if self.changes.receiver_count() == 0 {
                self.subscribed.notified().await;
                continue;
            }
            match audit.read(AuditFilter::default(), NEWEST).await {
                Ok(entries) => {
                    is_readable = true;
                    let found = Some(entries.iter().map(|entry| entry.id).collect::<Vec<_>>());
                    if found != newest {
                        newest = found;
                        self.changes.send_replace(());
                    }
                }
                // Streams check at longer intervals by themselves.
                Err(error) if is_readable => {
                    is_readable = false;
                    tracing::warn!(%error, "cannot read the audit log; streams may end late after changes by `--data-dir`");
                }
                Err(_reported) => {}
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I11.

    use std::sync::Arc;

    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::auth::tests::auth_over;
    use crate::auth::{AuditEvent, Target};
    use crate::run::store::SqliteStore;
    use crate::types::{AuditAction, UserName};

    #[tokio::test]
    async fn a_change_by_another_process_is_reported_to_subscribers() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let (auth, clock) = auth_over(store.clone(), None).await.unwrap();
        let audit = Audit::new(store, clock.clone(), TaskTracker::new());
        let other = Arc::new(SqliteStore::open_alongside_server(directory.path()).unwrap());
        let other_audit = Audit::new(other.clone(), clock, TaskTracker::new());
        let user: UserName = "user".parse().unwrap();
        let mut changes = auth.access_changes();
        let subscriber = async {
            // Of the state at its subscription.
            changes.changed().await.unwrap_or(());
            let (other_auth, _clock) = auth_over(other, None).await.unwrap();
            let remove = async |entry| other_auth.remove_user(&user, Some(entry)).await;
            let event = AuditEvent::by_user(None, None, AuditAction::UserDelete).to(Target::User(user.clone()));
            other_audit.perform(event, remove, |()| None, |_error| "refused").await.unwrap();
            changes.changed().await.unwrap();
        };
        tokio::select! {
            () = auth.report_offline_changes(&audit) => unreachable!("it has no end"),
            done = tokio::time::timeout(Duration::from_mins(1), subscriber) => done.expect("a notification"),
        }
    }
}
