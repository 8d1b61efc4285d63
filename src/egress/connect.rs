//! Connections to hosts: the list, the resolution of the name, and the check of its addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

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
pub(super) async fn connect(access: &Access, target: &HostPort, tasks: &TaskTracker) -> Result<TcpStream, NetworkReason> {
    if !access.allows(target) {
        return Err(NetworkReason::NotAllowed);
    }
    let addresses = match target.address() {
        Some(address) => vec![SocketAddr::new(address, target.port())],
        None => resolve(target, access.resolving(), tasks).await.ok_or(NetworkReason::Unresolved)?,
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
async fn resolve(target: &HostPort, resolving: Arc<Semaphore>, tasks: &TaskTracker) -> Option<Vec<SocketAddr>> {
    let (host, port) = (target.host().to_owned(), target.port());
    let lookup = async move {
        let slot = resolving.acquire_owned().await.ok()?;
        // In its own task, which keeps the slot after the time limit: the thread cannot be interrupted.
        Some((slot, lookup_host((host, port)).await.ok()?.collect::<Vec<SocketAddr>>()))
    };
    let (_slot, addresses) = timeout(RESOLVE_TIMEOUT, tasks.spawn(lookup)).await.ok()?.ok()??;
    Some(addresses).filter(|addresses| !addresses.is_empty())
}
