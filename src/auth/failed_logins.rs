//! Keeps failed logins from filling the audit log.
//!
//! Anyone can fail to log in, as often as they like. The first failure of a client network with a user name is recorded at once; the further
//! ones of the same minute become one entry with their number. The number of entries per minute is bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::client_network;
use crate::run::store::AuditEntry;
use crate::types::UserId;

/// Maximum number of failures per minute that are recorded at once, and of entries with further ones. Those that exceed the latter share one
/// more entry.
const MAX_ENTRIES: usize = 20;

/// Maximum number of kinds of failures that are told apart within a minute.
const MAX_KINDS: usize = 1024;

/// The failed logins of the current minute.
#[derive(Debug, Default)]
pub(super) struct FailedLogins(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    recorded_at_once: usize,
    failures: HashMap<Kind, Further>,
}

/// What failures are counted by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Kind {
    network: Option<IpAddr>,
    user: Option<UserId>,
    outcome: String,
}

/// Failures that were not recorded at once.
#[derive(Debug, Default)]
struct Further {
    first: Option<AuditEntry>,
    count: u64,
}

impl FailedLogins {
    /// Counts a failed login. Returns whether it is to be recorded at once; otherwise it is part of a later [`FailedLogins::take`].
    pub(super) fn count(&self, entry: &AuditEntry) -> bool {
        let mut minute = self.lock();
        let network = entry.address.map(client_network);
        let kind = Kind { network, user: entry.user.as_ref().map(|user| user.id), outcome: entry.outcome.clone() };
        let is_first = !minute.failures.contains_key(&kind);
        let records_at_once = is_first && minute.recorded_at_once < MAX_ENTRIES;
        minute.recorded_at_once += usize::from(records_at_once);
        // Beyond the limit, failures are told apart by their outcome only.
        let is_counted_apart = !is_first || minute.failures.len() < MAX_KINDS;
        let kind = if is_counted_apart { kind } else { Kind { outcome: kind.outcome, ..Kind::default() } };
        let further = minute.failures.entry(kind).or_default();
        if !records_at_once {
            further.count += 1;
            further.first.get_or_insert_with(|| entry.clone());
        }
        records_at_once
    }

    /// The entries for the failures that were not recorded at once, the most frequent first. Begins a new minute.
    pub(super) fn take(&self) -> Vec<AuditEntry> {
        let failures = std::mem::take(&mut *self.lock()).failures;
        let mut further: Vec<(AuditEntry, u64)> =
            failures.into_values().filter_map(|Further { first, count }| Some((first?, count))).collect();
        further.sort_by_key(|(entry, count)| (std::cmp::Reverse(*count), entry.created_at));
        let rest = further.split_off(further.len().min(MAX_ENTRIES));
        let mut entries: Vec<AuditEntry> =
            further.into_iter().map(|(entry, count)| with_detail(entry, format!("attempts={count}"))).collect();
        let attempts: u64 = rest.iter().map(|(_entry, count)| count).sum();
        let networks = rest.len();
        if let Some((entry, _count)) = rest.into_iter().next() {
            let detail = format!("attempts={attempts} sources={networks}");
            entries.push(AuditEntry { user: None, address: None, ..with_detail(entry, detail) });
        }
        entries
    }

    fn lock(&self) -> MutexGuard<'_, Minute> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_detail(entry: AuditEntry, detail: String) -> AuditEntry {
    AuditEntry { detail: Some(detail), ..entry }
}

#[cfg(test)]
mod tests {
    //! Rules: D12.

    use super::*;
    use crate::types::{AuditAction, Timestamp, UserRef};

    fn failure(address: &str, user: Option<&str>) -> AuditEntry {
        AuditEntry {
            created_at: Timestamp::from_millis(1_000),
            user: user.map(UserRef::named),
            key: None,
            address: Some(address.parse().unwrap()),
            action: AuditAction::Login,
            outcome: "wrong_credentials".to_owned(),
            run: None,
            target_user: None,
            target_username: None,
            target_key: None,
            detail: None,
        }
    }

    fn brief(entries: &[AuditEntry]) -> Vec<(String, &str)> {
        let address = |entry: &AuditEntry| entry.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        entries.iter().map(|entry| (address(entry), entry.detail.as_deref().unwrap())).collect()
    }

    #[test]
    fn the_first_failure_is_recorded_at_once_and_further_ones_become_one_entry() {
        let failed = FailedLogins::default();
        let counted: Vec<bool> = (0..5).map(|_| failed.count(&failure("10.0.0.1", Some("admin")))).collect();
        assert_eq!(counted, [true, false, false, false, false]);
        assert!(failed.count(&failure("10.0.0.1", None)), "another name");
        assert!(failed.count(&failure("10.0.0.2", Some("admin"))), "another client");
        let entries = failed.take();
        assert_eq!(brief(&entries), [("10.0.0.1".to_owned(), "attempts=4")]);
        assert_eq!(entries[0].user.as_ref().map(|user| user.name.as_str()), Some("admin"));
        assert_eq!(failed.take(), []);
        assert!(failed.count(&failure("10.0.0.1", Some("admin"))), "a new minute");
    }

    #[test]
    fn clients_of_one_ipv6_network_are_counted_together() {
        let failed = FailedLogins::default();
        assert!(failed.count(&failure("2001:db8::1", None)));
        assert!(!failed.count(&failure("2001:db8::2", None)));
        assert!(failed.count(&failure("2001:db8:0:1::1", None)));
    }

    #[test]
    fn the_entries_per_minute_are_bounded_and_every_attempt_is_counted() {
        let failed = FailedLogins::default();
        let mut recorded = 0;
        for number in 0..5_000_u32 {
            let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes()).to_string();
            recorded += usize::from(failed.count(&failure(&address, None)));
            recorded += usize::from(failed.count(&failure("198.51.100.1", None)));
        }
        assert!(failed.lock().failures.len() <= MAX_KINDS + 1);
        let entries = failed.take();
        assert_eq!((recorded, entries.len()), (MAX_ENTRIES, MAX_ENTRIES + 1));
        assert_eq!(brief(&entries)[..2].iter().filter(|(address, _)| address == "198.51.100.1").count(), 1, "the most frequent are named");
        let attempts = |entry: &AuditEntry| entry.detail.as_ref().unwrap()[9..].split(' ').next().unwrap().parse::<usize>().unwrap();
        assert_eq!(entries.iter().map(attempts).sum::<usize>() + recorded, 10_000);
        assert_eq!((entries.last().unwrap().address, entries.last().unwrap().user.as_ref()), (None, None));
    }
}
