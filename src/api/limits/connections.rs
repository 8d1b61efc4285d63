//! Which connections the server holds, and which of them makes room for another.
//!
//! ```text
//! a client network   a share of the connections, for those without a user
//! untrusted clients  all but a reserve, which is kept for this machine, trusted proxies and networks of users
//! no free connection the one that has been idle for longest is closed; one whose request is being handled never is
//! ```
//! A connection is idle while it waits for a request. While a request's body is being received the connection is closed only if none is idle:
//! nothing has been done for the request yet. Event streams are requests that are being handled.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long after a request of a user the user's network is trusted, and how many networks are remembered.
const TRUSTED: (Duration, usize) = (Duration::from_hours(1), 4096);

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This machine, from this loopback address.
    Local(IpAddr),
    /// A trusted proxy. Each request belongs to the client that the proxy names.
    Proxy,
    /// Another client network.
    Network(IpAddr),
}

/// The connections of a server. A clone is another handle.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Mutex<Pool>>);

/// A connection that was admitted. It is counted until this is dropped.
#[derive(Debug)]
pub struct Connection {
    handle: ConnectionHandle,
    evicted: CancellationToken,
}

/// The connection of a request. It does not keep the connection.
#[derive(Clone, Debug)]
pub struct ConnectionHandle {
    connections: Connections,
    id: u64,
}

/// A request whose response has not been sent. When this is dropped, the connection is idle.
#[derive(Debug)]
pub struct InProgress(ConnectionHandle);

/// All connections are in use, or all of the client network's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoneFree;

impl Connections {
    /// A server with at most `max` connections.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Mutex::new(Pool::new(max))))
    }

    /// Admits a new connection, which may close others.
    ///
    /// # Errors
    /// [`NoneFree`] if the connection has to be refused.
    pub fn admit(&self, source: Source) -> Result<Connection, NoneFree> {
        let evicted = CancellationToken::new();
        let id = self.lock().admit(source, evicted.clone(), Instant::now())?;
        Ok(Connection { handle: ConnectionHandle { connections: self.clone(), id }, evicted })
    }

    /// The number of connections that were closed to make room since the last call.
    pub fn take_evicted(&self) -> u64 {
        std::mem::take(&mut self.lock().evicted)
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A handle for the requests of this connection.
    pub fn handle(&self) -> ConnectionHandle {
        self.handle.clone()
    }

    /// Completes when the connection must be closed to make room for another.
    pub async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.handle.connections.lock().remove(self.handle.id);
    }
}

impl ConnectionHandle {
    /// A request has arrived, perhaps without its body.
    pub fn begin(&self) -> InProgress {
        self.connections.lock().set_state(self.id, State::Receiving);
        InProgress(self.clone())
    }

    /// The request has arrived as a whole. Returns false if the connection is being closed, so that the request must not be handled.
    pub fn received(&self) -> bool {
        self.connections.lock().set_state(self.id, State::Handling)
    }

    /// The request is that of a user.
    pub(in crate::api) fn has_user(&self) {
        self.connections.lock().set_user(self.id, Instant::now());
    }

    /// The request comes from this client network. Matters only for connections of trusted proxies.
    ///
    /// # Errors
    /// [`NoneFree`] if the network's share is in use.
    pub(in crate::api) fn attribute(&self, network: Option<IpAddr>) -> Result<(), NoneFree> {
        self.connections.lock().attribute(self.id, network)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.connections.lock().set_state(self.0.id, State::Idle);
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Idle,
    Receiving,
    Handling,
}

/// Who has a connection. The first ones are closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Untrusted,
    /// This machine, a trusted proxy, or the network of a user.
    Trusted,
    User,
}

/// The order in which connections are closed: who has it, what it does, for how long, and its id.
type Order = (Rank, State, u64, u64);

#[derive(Debug)]
struct Entry {
    rank: Rank,
    state: State,
    /// When it got this state, as a number that grows with time.
    since: u64,
    is_proxy: bool,
    /// The network whose share it counts towards, with the size of the share.
    share: Option<(IpAddr, usize)>,
    evicted: CancellationToken,
}

impl Entry {
    /// Its place in the order, if it may be closed.
    fn order(&self, id: u64) -> Option<Order> {
        (self.state != State::Handling).then_some((self.rank, self.state, self.since, id))
    }
}

/// The connections of a network that count towards its share.
#[derive(Debug, Default)]
struct Share {
    count: usize,
    evictable: BTreeSet<Order>,
}

/// The pure state of [`Connections`].
#[derive(Debug)]
struct Pool {
    max: usize,
    entries: HashMap<u64, Entry>,
    untrusted: usize,
    evictable: BTreeSet<Order>,
    shares: HashMap<IpAddr, Share>,
    /// Networks of users, with the time of their last request.
    known: HashMap<IpAddr, Instant>,
    next: u64,
    evicted: u64,
}

impl Pool {
    fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            entries: HashMap::new(),
            untrusted: 0,
            evictable: BTreeSet::new(),
            shares: HashMap::new(),
            known: HashMap::new(),
            next: 0,
            evicted: 0,
        }
    }

    /// Maximum number of connections without a user for a client network. For this machine it is larger, because here it is shared by
    /// programs, and by proxies that are not listed.
    fn size_of_share(&self, is_local: bool) -> usize {
        (if is_local { self.max / 2 } else { self.max / 4 }).max(1)
    }

    /// Maximum number of connections of clients that are not trusted.
    fn max_untrusted(&self) -> usize {
        self.max - self.max / 16
    }

    fn admit(&mut self, source: Source, evicted: CancellationToken, now: Instant) -> Result<u64, NoneFree> {
        let share = match source {
            Source::Local(address) => Some((address, self.size_of_share(true))),
            Source::Network(network) => Some((network, self.size_of_share(false))),
            Source::Proxy => None,
        };
        let is_trusted = match source {
            Source::Local(_) | Source::Proxy => true,
            Source::Network(network) => self.known.get(&network).is_some_and(|last| now.duration_since(*last) < TRUSTED.0),
        };
        let rank = if is_trusted { Rank::Trusted } else { Rank::Untrusted };
        self.make_room_in_share(share)?;
        if !is_trusted && self.untrusted >= self.max_untrusted() {
            let oldest = self.first_evictable(Rank::Untrusted);
            self.evict(oldest)?;
        }
        if self.entries.len() >= self.max {
            // An untrusted client does not displace a trusted one.
            let oldest = self.first_evictable(if is_trusted { Rank::User } else { Rank::Untrusted });
            self.evict(oldest)?;
        }
        let (id, since) = (self.tick(), self.next);
        let is_proxy = source == Source::Proxy;
        self.insert(id, Entry { rank, state: State::Idle, since, is_proxy, share, evicted });
        Ok(id)
    }

    /// A number that no call has returned before.
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn make_room_in_share(&mut self, share: Option<(IpAddr, usize)>) -> Result<(), NoneFree> {
        let full = share.and_then(|(network, size)| self.shares.get(&network).filter(|used| used.count >= size));
        match full.map(|used| used.evictable.first().copied()) {
            None => Ok(()),
            Some(oldest) => self.evict(oldest),
        }
    }

    /// The first connection that may be closed, if its rank is at most `max`.
    fn first_evictable(&self, max: Rank) -> Option<Order> {
        self.evictable.first().copied().filter(|(rank, ..)| *rank <= max)
    }

    fn evict(&mut self, which: Option<Order>) -> Result<(), NoneFree> {
        let (_rank, _state, _since, id) = which.ok_or(NoneFree)?;
        if let Some(entry) = self.remove(id) {
            entry.evicted.cancel();
            self.evicted += 1;
        }
        Ok(())
    }

    fn insert(&mut self, id: u64, entry: Entry) {
        self.untrusted += usize::from(entry.rank == Rank::Untrusted);
        self.evictable.extend(entry.order(id));
        if let Some((network, _size)) = entry.share {
            let share = self.shares.entry(network).or_default();
            share.count += 1;
            share.evictable.extend(entry.order(id));
        }
        self.entries.insert(id, entry);
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.untrusted -= usize::from(entry.rank == Rank::Untrusted);
        let order = entry.order(id);
        if let Some(order) = &order {
            self.evictable.remove(order);
        }
        if let Some((network, _size)) = entry.share
            && let Some(share) = self.shares.get_mut(&network)
        {
            share.count -= 1;
            if let Some(order) = &order {
                share.evictable.remove(order);
            }
            if share.count == 0 {
                self.shares.remove(&network);
            }
        }
        Some(entry)
    }

    /// Returns whether the connection is still there.
    fn set_state(&mut self, id: u64, state: State) -> bool {
        let Some(mut entry) = self.remove(id) else { return false };
        (entry.state, entry.since) = (state, self.tick());
        if entry.is_proxy && state == State::Idle {
            // The next request may be that of another client.
            (entry.rank, entry.share) = (Rank::Trusted, None);
        }
        self.insert(id, entry);
        true
    }

    fn set_user(&mut self, id: u64, now: Instant) {
        if self.entries.get(&id).is_none_or(|entry| entry.rank == Rank::User) {
            return;
        }
        let Some(mut entry) = self.remove(id) else { return };
        if let Some((network, _size)) = entry.share.take() {
            self.know(network, now);
        }
        entry.rank = Rank::User;
        self.insert(id, entry);
    }

    fn know(&mut self, network: IpAddr, now: Instant) {
        self.known.insert(network, now);
        if self.known.len() > TRUSTED.1
            && let Some(oldest) = self.known.iter().min_by_key(|(_network, last)| **last).map(|(network, _last)| *network)
        {
            self.known.remove(&oldest);
        }
    }

    fn attribute(&mut self, id: u64, network: Option<IpAddr>) -> Result<(), NoneFree> {
        let Some(network) = network.filter(|_| self.entries.get(&id).is_some_and(|entry| entry.is_proxy)) else { return Ok(()) };
        let share = Some((network, self.size_of_share(false)));
        let Some(entry) = self.remove(id) else { return Ok(()) };
        let room = self.make_room_in_share(share);
        let share = share.filter(|_| room.is_ok());
        self.insert(id, Entry { share, rank: Rank::Trusted, ..entry });
        room
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D10.

    use proptest::prelude::*;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    fn remote(last: u8) -> Source {
        Source::Network(address(last))
    }

    const LOCAL: Source = Source::Local(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn is_open(connection: &Connection) -> bool {
        !connection.evicted.is_cancelled()
    }

    fn open(connections: &[Connection]) -> usize {
        connections.iter().filter(|connection| is_open(connection)).count()
    }

    /// As many connections as the source gets without closing its own.
    fn fill(connections: &Connections, source: Source, count: usize) -> Vec<Connection> {
        (0..count).map(|_| connections.admit(source).unwrap()).collect()
    }

    #[test]
    fn one_network_cannot_hold_more_than_its_share_and_loses_its_own_oldest_connection() {
        let connections = Connections::new(64);
        let other = connections.admit(remote(2)).unwrap();
        let held = fill(&connections, remote(1), 100);
        assert_eq!(open(&held), 16);
        assert!(is_open(&other) && held[84..].iter().all(is_open), "the newest stay");
    }

    #[test]
    fn idle_connections_that_send_a_request_now_and_then_make_room_for_other_clients() {
        let connections = Connections::new(64);
        let held: Vec<Vec<Connection>> = (0..10).map(|network| fill(&connections, remote(network), 16)).collect();
        for connection in held.iter().flatten().filter(|connection| is_open(connection)) {
            let request = connection.handle().begin();
            assert!(connection.handle().received());
            drop(request);
        }
        assert_eq!(held.iter().map(|held| open(held)).sum::<usize>(), 60, "all but the reserve");
        let newcomer = connections.admit(remote(99)).unwrap();
        let local: Vec<Connection> = fill(&connections, LOCAL, 8);
        assert!(is_open(&newcomer) && local.iter().all(is_open));
        assert!(held.iter().map(|held| open(held)).sum::<usize>() < 60);
    }

    #[test]
    fn requests_in_progress_are_never_closed_and_the_reserve_admits_this_machine_and_users() {
        let connections = Connections::new(64);
        let user = connections.admit(remote(200)).unwrap();
        user.handle().has_user();
        let busy: Vec<(Connection, InProgress)> = (0..60)
            .map(|number| {
                let connection = connections.admit(remote(number % 4)).unwrap();
                let request = connection.handle().begin();
                assert!(connection.handle().received());
                (connection, request)
            })
            .collect();
        assert_eq!(connections.admit(remote(99)).unwrap_err(), NoneFree);
        let (local, known) = (connections.admit(LOCAL).unwrap(), connections.admit(remote(200)).unwrap());
        assert!(is_open(&local) && is_open(&known) && is_open(&user) && busy.iter().all(|(connection, _)| is_open(connection)));
        // Without a free connection, an idle one of a trusted client makes room for another, and one of a user last.
        let more = fill(&connections, LOCAL, 2);
        assert!(!is_open(&local) && is_open(&known) && more.iter().all(is_open) && is_open(&user));
    }

    #[test]
    fn a_body_that_is_being_received_is_given_up_after_the_idle_connections() {
        let connections = Connections::new(4);
        let slow = connections.admit(remote(1)).unwrap();
        let request = slow.handle().begin();
        let idle = fill(&connections, remote(2), 1);
        let more = [3, 4].map(|network| connections.admit(remote(network)).unwrap());
        let next = connections.admit(remote(5)).unwrap();
        assert!(!is_open(&idle[0]) && is_open(&slow) && more.iter().all(is_open));
        let handled = [&more[0], &more[1], &next].map(|connection| {
            let request = connection.handle().begin();
            assert!(connection.handle().received());
            request
        });
        let last = connections.admit(remote(6)).unwrap();
        assert!(!is_open(&slow) && is_open(&last) && handled.len() == 3);
        assert!(!slow.handle().received(), "its request must not be handled any more");
        drop(request);
    }

    #[test]
    fn clients_behind_a_trusted_proxy_have_shares_of_their_own() {
        let connections = Connections::new(16);
        let held: Vec<(Connection, InProgress)> = (0..6)
            .map(|_| {
                let connection = connections.admit(Source::Proxy).unwrap();
                let request = connection.handle().begin();
                (connection, request)
            })
            .collect();
        let attribute = |index: usize, network: u8| held[index].0.handle().attribute(Some(address(network)));
        for (connection, _request) in &held[..4] {
            connection.handle().attribute(Some(address(1))).unwrap();
            assert!(connection.handle().received());
        }
        assert_eq!(attribute(4, 1), Err(NoneFree), "the share of this client");
        assert_eq!(attribute(4, 2), Ok(()));
        let mut held = held;
        drop(held.remove(0).1);
        let index = held.len() - 1;
        assert_eq!(held[index].0.handle().attribute(Some(address(1))), Ok(()), "a request has ended");
    }

    #[test]
    fn only_recent_users_make_their_network_trusted_and_few_networks_are_remembered() {
        let mut pool = Pool::new(16);
        let now = Instant::now();
        let user = pool.admit(remote(1), CancellationToken::new(), now).unwrap();
        pool.set_user(user, now);
        let rank = |pool: &mut Pool, at: Instant| {
            let id = pool.admit(remote(1), CancellationToken::new(), at).unwrap();
            pool.remove(id).unwrap().rank
        };
        assert_eq!(rank(&mut pool, now + TRUSTED.0 / 2), Rank::Trusted);
        assert_eq!(rank(&mut pool, now + TRUSTED.0), Rank::Untrusted);
        for number in 0..5_000_u32 {
            pool.know(IpAddr::from(number.to_be_bytes()), now + Duration::from_secs(1));
        }
        assert_eq!((pool.known.len(), pool.known.contains_key(&address(1))), (TRUSTED.1, false));
    }

    proptest! {
        #[test]
        fn the_limits_hold_for_any_order_of_calls(max in 1_usize..40, steps in proptest::collection::vec((0_u8..8, 0_u8..12), 0..300)) {
            let connections = Connections::new(max);
            let (mut held, mut requests): (Vec<Connection>, Vec<InProgress>) = (Vec::new(), Vec::new());
            for (action, number) in steps {
                let chosen = held.get(usize::from(number) % held.len().max(1)).map(Connection::handle);
                let handling: Vec<u64> = {
                    let pool = connections.lock();
                    pool.entries.iter().filter(|(_, entry)| entry.state == State::Handling).map(|(id, _)| *id).collect()
                };
                match (action, chosen) {
                    (0..=2, _) => {
                        let source = match number { 0 => Source::Proxy, 1..=3 => LOCAL, _ => remote(number) };
                        held.extend(connections.admit(source));
                        let pool = connections.lock();
                        prop_assert!(handling.iter().all(|id| pool.entries.contains_key(id)), "a request in progress was closed");
                    }
                    (3, Some(connection)) => requests.push(connection.begin()),
                    (4, Some(connection)) => _ = connection.received(),
                    (5, Some(connection)) => connection.has_user(),
                    (6, Some(connection)) => _ = connection.attribute(Some(address(number))),
                    (_, Some(_)) if number % 2 == 0 && !requests.is_empty() => drop(requests.swap_remove(0)),
                    (_, Some(_)) => drop(held.swap_remove(usize::from(number) % held.len())),
                    _ => {}
                }
                held.retain(is_open);
                let pool = connections.lock();
                prop_assert!(pool.entries.len() <= pool.max && pool.entries.len() == held.len());
                prop_assert!(pool.untrusted <= pool.max_untrusted());
                prop_assert_eq!(pool.untrusted, pool.entries.values().filter(|entry| entry.rank == Rank::Untrusted).count());
                let orders: BTreeSet<Order> = pool.entries.iter().filter_map(|(id, entry)| entry.order(*id)).collect();
                prop_assert_eq!(&pool.evictable, &orders);
                for (network, share) in &pool.shares {
                    let counted = pool.entries.values().filter(|entry| entry.share.is_some_and(|(counted, _)| counted == *network));
                    prop_assert_eq!(share.count, counted.count());
                    prop_assert!(share.count <= pool.size_of_share(true));
                }
            }
            drop((requests, held));
            let pool = connections.lock();
            prop_assert!(pool.entries.is_empty() && pool.shares.is_empty() && pool.evictable.is_empty() && pool.untrusted == 0);
        }
    }
}
