//! Connections to hosts: the list, the resolution of the name, and the check of its addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::{Access, is_public};
use crate::types::{HostPort, NetworkReason};

/// Time limit for the resolution of a name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum number of addresses that are tried.
const MAX_ADDRESSES: usize = 4;

/// Connects to `target`, if the run may.
///
/// The connection uses an address that was checked here, so a name that is resolved differently the next time has no effect. All addresses of a
/// name must be public.
///
/// # Errors
/// Why it was refused or failed.
pub(super) async fn connect(access: &Access, target: &HostPort) -> Result<TcpStream, NetworkReason> {
    if !access.allows(target) {
        return Err(NetworkReason::NotAllowed);
    }
    let addresses = match target.address() {
        Some(address) => vec![SocketAddr::new(address, target.port())],
        None => resolve(target).await.ok_or(NetworkReason::Unresolved)?,
    };
    if !access.allows_private(target) && !addresses.iter().all(|address| is_public(address.ip())) {
        return Err(NetworkReason::PrivateAddress);
    }
    for address in addresses.iter().take(MAX_ADDRESSES) {
        if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            // If this fails, the connection still works.
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(NetworkReason::Unreachable)
}

/// The addresses of a name. `None` if there are none.
async fn resolve(target: &HostPort) -> Option<Vec<SocketAddr>> {
    let found: io::Result<Vec<SocketAddr>> =
        timeout(RESOLVE_TIMEOUT, lookup_host((target.host(), target.port()))).await.ok()?.map(Iterator::collect);
    found.ok().filter(|addresses| !addresses.is_empty())
}
