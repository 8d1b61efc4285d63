//! Keeps requests without a user from filling the log.
//!
//! Anyone can send requests that are refused, as often as they like. The first few answers to a client network in a minute are logged one by
//! one; the further ones become one line with their numbers. Requests of users are always logged.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines per minute that are logged one by one, for one client network and for all.
const MAX_LINES: (u64, u64) = (10, 300);

/// Maximum number of client networks that are told apart within a minute.
const MAX_NETWORKS: usize = 1024;

/// Maximum number of networks that have a line of their own. The others share one.
const MAX_DIGESTS: usize = 50;

/// The requests without a user in the current minute.
#[derive(Debug, Default)]
pub(in crate::api) struct LogDigest(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    logged: u64,
    by_network: HashMap<Option<IpAddr>, Counts>,
    others: Counts,
}

/// Requests of one network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Logged one by one.
    logged: u64,
    /// Not logged one by one: all of them, and those among them that were refused.
    unlogged: u64,
    refused: u64,
}

impl LogDigest {
    /// Counts an answer with this status. Returns whether it is to be logged; otherwise it is part of the digest.
    pub(in crate::api) fn count(&self, network: Option<IpAddr>, status: u16) -> bool {
        let mut minute = self.lock();
        let minute = &mut *minute;
        let is_known = minute.by_network.len() < MAX_NETWORKS || minute.by_network.contains_key(&network);
        let counts = if is_known { minute.by_network.entry(network).or_default() } else { &mut minute.others };
        let (per_network, total) = MAX_LINES;
        let is_logged = counts.logged < per_network && minute.logged < total;
        if is_logged {
            counts.logged += 1;
            minute.logged += 1;
        } else {
            counts.unlogged += 1;
            counts.refused += u64::from(status >= 400);
        }
        is_logged
    }

    /// Logs the requests that were not logged one by one. Begins a new minute.
    pub(in crate::api) fn log(&self) {
        let (digests, others) = self.take();
        for (network, Counts { unlogged, refused, .. }) in digests {
            let network = network.map_or_else(|| "unknown".to_owned(), |network| network.to_string());
            tracing::info!(client.network = network, requests = unlogged, refused, "more requests without a token");
        }
        if others.unlogged > 0 {
            tracing::info!(requests = others.unlogged, refused = others.refused, "more requests without a token, of other clients");
        }
    }

    /// The networks with the most unlogged requests, and the sum of the others.
    fn take(&self) -> (Vec<(Option<IpAddr>, Counts)>, Counts) {
        let Minute { by_network, mut others, .. } = std::mem::take(&mut *self.lock());
        let mut digests: Vec<_> = by_network.into_iter().filter(|(_network, counts)| counts.unlogged > 0).collect();
        digests.sort_by_key(|(network, counts)| (std::cmp::Reverse(counts.unlogged), *network));
        for (_network, counts) in digests.drain(digests.len().min(MAX_DIGESTS)..) {
            others.unlogged += counts.unlogged;
            others.refused += counts.refused;
        }
        (digests, others)
    }

    fn lock(&self) -> MutexGuard<'_, Minute> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D12.

    use super::*;

    fn network(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn the_first_answers_are_logged_and_the_others_counted() {
        let digest = LogDigest::default();
        let logged = (0..60_000).filter(|number| digest.count(Some(network(1)), if number % 2 == 0 { 401 } else { 200 })).count();
        assert_eq!(logged as u64, MAX_LINES.0);
        assert!(digest.count(Some(network(2)), 200), "another client");
        let (digests, others) = digest.take();
        assert_eq!(digests, [(Some(network(1)), Counts { logged: 10, unlogged: 59_990, refused: 29_995 })]);
        assert_eq!(others, Counts::default());
        assert!(digest.count(Some(network(1)), 401), "a new minute");
    }

    #[test]
    fn the_lines_per_minute_are_bounded_and_every_request_is_counted() {
        let digest = LogDigest::default();
        let clients = 5_000_u32;
        let logged = (0..3 * clients).filter(|number| digest.count(Some(network(number % clients)), 401)).count() as u64;
        assert!(digest.lock().by_network.len() <= MAX_NETWORKS);
        let (digests, others) = digest.take();
        assert!(logged <= MAX_LINES.1 && digests.len() <= MAX_DIGESTS, "{logged}, {}", digests.len());
        let counted = digests.iter().map(|(_network, counts)| counts.unlogged).sum::<u64>() + others.unlogged;
        assert_eq!(logged + counted, u64::from(3 * clients));
    }
}
