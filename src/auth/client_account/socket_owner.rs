//! Which account owns the other end of a connection within this machine.
//!
//! The kernel is asked for this one socket (`NETLINK_SOCK_DIAG`, `sock_diag(7)`). Where that is not possible, its table of all TCP sockets
//! is read (`/proc/net/tcp` and `tcp6`). Both show the sockets of the server's own network namespace only.

use std::net::SocketAddr;

/// Why no account was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOwner {
    /// The connection is not, or no longer, an open connection between two sockets of this machine.
    #[error("its end of the connection is not on this machine or is closed")]
    NotFound,
    /// The account is outside the server's user namespace, as for a server in a container.
    #[error("it is outside the server's user namespace")]
    Unmapped,
    /// The kernel's table of sockets cannot be read.
    #[error("the table of connections cannot be read ({0})")]
    Unreadable(String),
    /// The operating system provides no such table.
    #[error("this operating system does not show the account of a connection")]
    NotSupported,
}

#[cfg(not(target_os = "linux"))]
pub(super) fn socket_owner(_client: SocketAddr, _server: SocketAddr) -> Result<u32, NoOwner> {
    Err(NoOwner::NotSupported)
}

/// The account that opened the connection from `client` to `server`. Blocks; call it on a blocking thread.
///
/// # Errors
/// [`NoOwner`], by cause.
#[cfg(target_os = "linux")]
pub(super) fn socket_owner(client: SocketAddr, server: SocketAddr) -> Result<u32, NoOwner> {
    let found = linux::ask_kernel(client, server).or_else(|_not_possible| linux::search_tables(client, server));
    let uid = found.map_err(|error| NoOwner::Unreadable(error.to_string()))?.ok_or(NoOwner::NotFound)?;
    if linux::is_mapped(uid) { Ok(uid) } else { Err(NoOwner::Unmapped) }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::{self, BufRead, BufReader, Read};
    use std::net::{IpAddr, SocketAddr};

    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

    /// Upper limit for reading a table, in bytes: about 400,000 connections.
    const MAX_TABLE: u64 = 64 * 1024 * 1024;

    /// State `TCP_ESTABLISHED`. A socket in any other state may belong to no process, and the kernel then reports root as its owner.
    const ESTABLISHED: u8 = 1;

    const SOCK_DIAG_BY_FAMILY: u16 = 20;

    /// Length of `struct nlmsghdr`.
    const HEADER: usize = 16;

    /// The account that owns the socket with these ends, by asking the kernel for it.
    ///
    /// # Errors
    /// If the kernel does not support that, or knows no such socket.
    pub(super) fn ask_kernel(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<u32>> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
        send(&socket, &request(local, remote), SendFlags::empty())?;
        let mut answer = [0; 512];
        // The kernel has answered by the time `send` returns.
        let (received, _whole) = recv(&socket, &mut answer, RecvFlags::DONTWAIT)?;
        parse_answer(&answer[..received], local.port(), remote.port()).map(Some).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// `struct nlmsghdr` and `struct inet_diag_req_v2` for one socket.
    fn request(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
        const NLM_F_REQUEST: u16 = 1;
        const AF_INET: u8 = 2;
        const AF_INET6: u8 = 10;
        const IPPROTO_TCP: u8 = 6;

        let (local_ip, remote_ip) = (local.ip().to_canonical(), remote.ip().to_canonical());
        let family = if local_ip.is_ipv4() { AF_INET } else { AF_INET6 };
        let mut id = [local.port().to_be_bytes(), remote.port().to_be_bytes()].concat();
        for address in [local_ip, remote_ip] {
            let bytes = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            id.extend(bytes.iter().copied().chain(std::iter::repeat(0)).take(16));
        }
        id.extend(0_u32.to_ne_bytes()); // any interface
        id.extend([0xff; 8]); // no cookie
        let body = [&[family, IPPROTO_TCP, 0, 0][..], &u32::MAX.to_ne_bytes(), &id].concat();
        let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX).to_ne_bytes();
        let (kind, flags) = (SOCK_DIAG_BY_FAMILY.to_ne_bytes(), NLM_F_REQUEST.to_ne_bytes());
        [&length[..], &kind, &flags, &[0; 8], &body].concat()
    }

    /// The account in a `struct inet_diag_msg`, if that is about an open connection between these ports.
    pub(super) fn parse_answer(answer: &[u8], local_port: u16, remote_port: u16) -> Option<u32> {
        let number = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
        let port = |at: usize| Some(u16::from_be_bytes(answer.get(at..at + 2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
        let (state, owner, inode) = (*answer.get(HEADER + 1)?, number(HEADER + 64)?, number(HEADER + 68)?);
        let ports = (port(HEADER + 4)?, port(HEADER + 6)?);
        let is_open = kind == SOCK_DIAG_BY_FAMILY && state == ESTABLISHED && inode != 0;
        (is_open && ports == (local_port, remote_port)).then_some(owner)
    }

    /// The same by reading the tables of all sockets.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub(super) fn search_tables(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<u32>> {
        let (local, remote) = (canonical(local), canonical(remote));
        if local.is_ipv4() {
            let found = search("/proc/net/tcp", local, remote)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        // An IPv6 socket may have an IPv4 connection.
        match search("/proc/net/tcp6", local, remote) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found,
        }
    }

    fn canonical(address: SocketAddr) -> SocketAddr {
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    fn search(table: &str, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<u32>> {
        let is_ipv6 = table.ends_with('6');
        let (local, remote) = (written(local, is_ipv6), written(remote, is_ipv6));
        search_lines(BufReader::new(fs::File::open(table)?.take(MAX_TABLE)), &local, &remote)
    }

    /// The account in the line of an open connection between these ends.
    pub(super) fn search_lines(table: impl BufRead, local: &str, remote: &str) -> io::Result<Option<u32>> {
        for line in table.lines() {
            let line = line?;
            // sl, local_address, rem_address, st, queues, timer, retrnsmt, uid, timeout, inode
            let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
            let [_, from, to, state, _, _, _, uid, _, inode] = fields[..] else { continue };
            let is_open = u8::from_str_radix(state, 16) == Ok(ESTABLISHED) && inode != "0";
            if from == local && to == remote && is_open {
                return Ok(uid.parse().ok());
            }
        }
        Ok(None)
    }

    /// An address as the tables show it: words of the address in the machine's byte order, and the port.
    pub(super) fn written(address: SocketAddr, is_ipv6: bool) -> String {
        let octets = match address.ip() {
            IpAddr::V4(address) if is_ipv6 => address.to_ipv6_mapped().octets().to_vec(),
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let word = |octets: &[u8]| octets.try_into().map_or(0, u32::from_ne_bytes);
        let words: Vec<String> = octets.chunks(4).map(|octets| format!("{:08X}", word(octets))).collect();
        format!("{}:{:04X}", words.concat(), address.port())
    }

    /// Whether `uid` is an account of the server's user namespace. All accounts outside it appear as the overflow uid.
    pub(super) fn is_mapped(uid: u32) -> bool {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        if read("/proc/sys/kernel/overflowuid").trim().parse().unwrap_or(65_534) != uid {
            return true;
        }
        // In the initial namespace, the overflow uid is an account like any other.
        read("/proc/self/uid_map").split_ascii_whitespace().eq(["0", "0", "4294967295"])
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    //! Rules: I9.

    use std::io;
    use std::net::{TcpListener, TcpStream};

    use super::linux::{ask_kernel, parse_answer, search_lines, search_tables, written};
    use super::*;

    fn connection(bind: &str) -> (TcpListener, TcpStream, SocketAddr, SocketAddr) {
        let listener = TcpListener::bind(bind).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ends = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        (listener, client, ends.0, ends.1)
    }

    #[test]
    fn the_kernel_and_its_tables_name_the_same_account() {
        let own = rustix::process::getuid().as_raw();
        for bind in ["127.0.0.1:0", "127.9.8.7:0", "[::1]:0"] {
            let (_listener, _client, local, remote) = connection(bind);
            assert_eq!(search_tables(local, remote).unwrap(), Some(own), "{bind}");
            // Some sandboxes do not implement it; then the tables are used.
            if let Ok(found) = ask_kernel(local, remote) {
                assert_eq!(found, Some(own), "{bind}");
            }
        }
    }

    #[test]
    fn both_ends_must_match() {
        let (_listener, _client, local, remote) = connection("127.0.0.1:0");
        let (_other_listener, _other_client, other_local, other_remote) = connection("127.0.0.1:0");
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], local.port()));
        for (local, remote) in [(local, other_remote), (other_local, remote), (elsewhere, remote)] {
            assert_eq!(socket_owner(local, remote), Err(NoOwner::NotFound), "{local} {remote}");
        }
    }

    #[test]
    fn a_socket_without_a_process_has_no_account() {
        let row = |state: &str, uid: u32, inode: u32| {
            format!(
                "   3: 0100007F:C350 0100007F:0BB8 {state} 00000000:00000000 00:00000000 00000000 {uid:>5} 0 {inode} 1 0 20 4 30 10 -1\n"
            )
        };
        let local = written("127.0.0.1:50000".parse().unwrap(), false);
        let remote = written("127.0.0.1:3000".parse().unwrap(), false);
        if cfg!(target_endian = "little") {
            assert_eq!((local.as_str(), remote.as_str()), ("0100007F:C350", "0100007F:0BB8"));
            let search = |table: String| search_lines(io::Cursor::new(table), &local, &remote).unwrap();
            // TIME_WAIT and orphaned sockets appear as root's.
            assert_eq!(search(row("06", 0, 0) + &row("05", 0, 0) + &row("01", 0, 0) + &row("0A", 0, 7)), None);
            assert_eq!(search(row("06", 0, 0) + &row("01", 1000, 7)), Some(1000));
            assert_eq!(search("sl local\n\n 1: x\n".to_owned()), None);
        }
    }

    #[test]
    fn ipv4_connections_of_ipv6_sockets_are_written_as_mapped_addresses() {
        if cfg!(target_endian = "little") {
            let mapped = written("127.0.0.1:3000".parse().unwrap(), true);
            assert_eq!(mapped, "0000000000000000FFFF00000100007F:0BB8");
            assert_eq!(written("[::1]:1".parse().unwrap(), true), "00000000000000000000000001000000:0001");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_and_no_table_makes_the_search_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            parse_answer(&bytes, 1, 2);
            let _ = search_lines(io::Cursor::new(bytes), "0100007F:0BB8", "0100007F:C350");
        }
    }
}
