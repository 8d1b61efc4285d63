//! Collects what an agent does on the network, as a bounded number of events.
//!
//! The first connection to a host is reported when it ends. Further ones are added up and reported together, in intervals that grow with
//! every report.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::types::bounds::{MAX_NETWORK_EVENTS, MAX_NETWORK_HOSTS};
use crate::types::{HostPort, Level, NetworkReason, NetworkUse, NoticeCode, StreamEvent};

/// The shortest and the longest time between two reports of one host.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// What the connections of one run have in common. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reporter {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// At most [`MAX_NETWORK_HOSTS`], plus those without a host.
    entries: Vec<Entry>,
    /// Number of events so far.
    events: usize,
    notices: Vec<StreamEvent>,
    hosts_are_full: bool,
    events_are_full: bool,
}

/// Connections that are reported together, and what of them has not been reported.
#[derive(Debug)]
struct Entry {
    target: Option<HostPort>,
    allowed: bool,
    reason: Option<NetworkReason>,
    connections: u64,
    sent: u64,
    received: u64,
    due: Instant,
    interval: Duration,
}

impl Entry {
    fn is(&self, target: Option<&HostPort>, allowed: bool, reason: Option<NetworkReason>) -> bool {
        self.target.as_ref() == target && self.allowed == allowed && self.reason == reason
    }

    fn take(&mut self, now: Instant) -> StreamEvent {
        self.due = now + self.interval;
        self.interval = (self.interval * 2).min(INTERVAL.1);
        StreamEvent::Network(NetworkUse {
            host: self.target.as_ref().map_or("*", HostPort::host).to_owned(),
            port: self.target.as_ref().map_or(0, HostPort::port),
            allowed: self.allowed,
            connections: std::mem::take(&mut self.connections),
            bytes_sent: std::mem::take(&mut self.sent),
            bytes_received: std::mem::take(&mut self.received),
            reason: self.reason,
        })
    }
}

impl Table {
    fn known_hosts(&self) -> usize {
        self.entries.iter().filter(|entry| entry.target.is_some()).count()
    }

    /// Whether another connection to `target` can be listed.
    fn has_room_for(&mut self, target: &HostPort) -> bool {
        if self.entries.iter().any(|entry| entry.target.as_ref() == Some(target)) || self.known_hosts() < MAX_NETWORK_HOSTS {
            return true;
        }
        if !std::mem::replace(&mut self.hosts_are_full, true) {
            self.notices.push(notice("network_hosts", MAX_NETWORK_HOSTS, "connections to further hosts are refused"));
        }
        false
    }

    fn add(&mut self, target: Option<&HostPort>, allowed: bool, reason: Option<NetworkReason>, sent: u64, received: u64) {
        let index = self.entries.iter().position(|entry| entry.is(target, allowed, reason));
        // One host can have several entries, so the limit is checked again.
        let is_full = index.is_none() && target.is_some() && self.known_hosts() >= 2 * MAX_NETWORK_HOSTS;
        if is_full {
            return self.add(None, allowed, Some(NetworkReason::TooManyHosts), sent, received);
        }
        let index = index.unwrap_or_else(|| {
            let (due, interval) = (Instant::now(), INTERVAL.0);
            self.entries.push(Entry { target: target.cloned(), allowed, reason, connections: 0, sent: 0, received: 0, due, interval });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index];
        entry.connections = entry.connections.saturating_add(1);
        entry.sent = entry.sent.saturating_add(sent);
        entry.received = entry.received.saturating_add(received);
    }

    /// The events that are due now.
    fn take_due(&mut self, now: Instant) -> Vec<StreamEvent> {
        let mut events = std::mem::take(&mut self.notices);
        for entry in self.entries.iter_mut().filter(|entry| entry.connections > 0 && entry.due <= now) {
            if self.events == MAX_NETWORK_EVENTS {
                if !std::mem::replace(&mut self.events_are_full, true) {
                    events.push(notice("network_events", MAX_NETWORK_EVENTS, "further connections are reported at the end of the run"));
                }
                break;
            }
            self.events += 1;
            events.push(entry.take(now));
        }
        events
    }

    /// When the next event is due.
    fn next_due(&self) -> Option<Instant> {
        let waiting = self.entries.iter().filter(|entry| entry.connections > 0 && self.events < MAX_NETWORK_EVENTS);
        waiting.map(|entry| entry.due).min()
    }
}

fn notice(limit: &str, max: usize, effect: &str) -> StreamEvent {
    let message = format!("the agent reached the limit of {max} for {limit}: {effect}");
    let data = Some(json!({ "limit": limit, "max": max }));
    StreamEvent::Notice { level: Level::Warning, code: NoticeCode::LimitReached, message, data }
}

impl Reporter {
    /// Whether a connection to `target` can be listed. If not, it must be refused.
    pub(super) fn has_room_for(&self, target: &HostPort) -> bool {
        let has_room = self.table().has_room_for(target);
        if !has_room {
            self.shared.changed.notify_one();
        }
        has_room
    }

    /// Records a connection that was refused or failed. Without a target, it names none.
    pub(super) fn record_failure(&self, target: Option<&HostPort>, allowed: bool, reason: NetworkReason) {
        let target = target.filter(|_| reason != NetworkReason::TooManyHosts);
        self.table().add(target, allowed, Some(reason), 0, 0);
        self.shared.changed.notify_one();
    }

    /// Counts an allowed connection, which is recorded when the counter is dropped.
    pub(super) fn open(&self, target: HostPort) -> Counter {
        Counter { reporter: self.clone(), target, sent: AtomicU64::new(0), received: AtomicU64::new(0), has_failed: AtomicBool::new(false) }
    }

    /// Waits for the next events. Never empty. Cancel-safe.
    pub(super) async fn next(&self) -> Vec<StreamEvent> {
        loop {
            let changed = self.shared.changed.notified();
            let (events, due) = {
                let mut table = self.table();
                (table.take_due(Instant::now()), table.next_due())
            };
            if !events.is_empty() {
                return events;
            }
            match due {
                Some(due) => {
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(due) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Everything that has not been reported.
    pub(super) fn take_all(&self) -> Vec<StreamEvent> {
        let (mut table, now) = (self.table(), Instant::now());
        let mut events = std::mem::take(&mut table.notices);
        events.extend(table.entries.iter_mut().filter(|entry| entry.connections > 0).map(|entry| entry.take(now)));
        events
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the bytes of one connection, and records it when it is dropped.
#[derive(Debug)]
pub(super) struct Counter {
    reporter: Reporter,
    target: HostPort,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    /// Whether the host could not be reached.
    pub(super) has_failed: AtomicBool,
}

impl Drop for Counter {
    fn drop(&mut self) {
        let (sent, received) = (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed));
        let reason = self.has_failed.load(Ordering::Relaxed).then_some(NetworkReason::Unreachable);
        self.reporter.table().add(Some(&self.target), true, reason, sent, received);
        self.reporter.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    //! Rules: G4, R7.

    use super::*;

    fn host(text: &str) -> HostPort {
        HostPort::parse(text, Some(443)).unwrap()
    }

    fn uses(events: &[StreamEvent]) -> Vec<&NetworkUse> {
        events.iter().filter_map(|event| if let StreamEvent::Network(network) = event { Some(network) } else { None }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_connection_is_reported_at_once_and_further_ones_are_added_up() {
        let reporter = Reporter::default();
        let connect = |sent| reporter.open(host("a.example")).sent.store(sent, Ordering::Relaxed);
        connect(5);
        let events = reporter.next().await;
        let [first] = uses(&events)[..] else { panic!("{events:?}") };
        assert_eq!((first.host.as_str(), first.port, first.allowed, first.connections, first.bytes_sent), ("a.example", 443, true, 1, 5));
        let before = Instant::now();
        for _ in 0..1000 {
            connect(1);
        }
        let events = reporter.next().await;
        let [further] = uses(&events)[..] else { panic!("{events:?}") };
        assert_eq!((further.connections, further.bytes_sent), (1000, 1000));
        assert!(before.elapsed() >= INTERVAL.0);
        reporter.record_failure(Some(&host("a.example")), false, NetworkReason::NotAllowed);
        let events = reporter.next().await;
        assert_eq!(uses(&events)[0].reason, Some(NetworkReason::NotAllowed), "a failure is reported by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_with_thousands_of_hosts_gets_one_notice_and_a_bounded_number_of_events() {
        let reporter = Reporter::default();
        let mut refused = 0;
        for n in 0..10_000 {
            let target = host(&format!("h{n}.example"));
            if reporter.has_room_for(&target) {
                reporter.record_failure(Some(&target), false, NetworkReason::NotAllowed);
            } else {
                reporter.record_failure(Some(&target), false, NetworkReason::TooManyHosts);
                refused += 1;
            }
        }
        let events = reporter.next().await;
        assert_eq!(uses(&events).len(), MAX_NETWORK_HOSTS + 1);
        assert_eq!(uses(&events).last().map(|other| (other.host.as_str(), other.connections)), Some(("*", refused)));
        assert_eq!(events.iter().filter(|event| matches!(event, StreamEvent::Notice { .. })).count(), 1);
        assert!(reporter.has_room_for(&host("h0.example")), "known hosts stay reachable");
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_limit_connections_are_reported_at_the_end() {
        let reporter = Reporter::default();
        let (mut events, mut opened) = (0, 0_u64);
        loop {
            drop(reporter.open(host("a.example")));
            opened += 1;
            let batch = reporter.next().await;
            events += uses(&batch).len();
            if batch.iter().any(|event| matches!(event, StreamEvent::Notice { .. })) {
                break;
            }
            tokio::time::advance(INTERVAL.1).await;
        }
        assert_eq!(events, MAX_NETWORK_EVENTS);
        drop(reporter.open(host("a.example")));
        assert!(futures_util::poll!(std::pin::pin!(reporter.next())).is_pending());
        assert_eq!(uses(&reporter.take_all())[0].connections, opened + 1 - u64::try_from(events).unwrap());
    }
}
