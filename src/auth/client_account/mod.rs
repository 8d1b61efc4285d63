//! The account of a client on this machine.
//!
//! Default passwords are documented, so every account of the machine knows them. Only the account that runs the server, and root, may use
//! them: both can read the server's files anyway.

mod socket_owner;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore};

use self::socket_owner::{NoOwner, socket_owner};

/// Maximum number of concurrent lookups. Each may have to read the kernel's table of all connections.
static LOOKUPS: Semaphore = Semaphore::const_new(2);

/// The account at the other end of a connection. It is looked up when it is first needed, and then kept for the connection. The default is
/// unknown. A clone is another handle.
#[derive(Clone, Debug, Default)]
pub struct ClientAccount(Option<Arc<Connection>>);

#[derive(Debug)]
struct Connection {
    client: SocketAddr,
    server: SocketAddr,
    uid: OnceCell<u32>,
}

/// Why a client may not use a default password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotServerAccount {
    /// It is another account of this machine.
    #[error("the request came from another account of the machine (uid {0})")]
    Other(u32),
    /// The account is unknown.
    #[error("the server cannot determine the account that sent the request: {0}")]
    Unknown(NoOwner),
}

impl ClientAccount {
    /// The account that opened the connection from `client` to `server`. Both must be ends of an open connection of this server.
    pub fn of_connection(client: SocketAddr, server: SocketAddr) -> Self {
        Self(Some(Arc::new(Connection { client, server, uid: OnceCell::new() })))
    }

    /// Checks whether the client is the account that runs the server, or root.
    ///
    /// # Errors
    /// [`NotServerAccount`] if it is not, or if that cannot be determined.
    pub async fn require_server_account(&self) -> Result<(), NotServerAccount> {
        let uid = self.uid().await.map_err(NotServerAccount::Unknown)?;
        let is_server = uid == 0 || uid == rustix::process::geteuid().as_raw();
        if is_server { Ok(()) } else { Err(NotServerAccount::Other(uid)) }
    }

    async fn uid(&self) -> Result<u32, NoOwner> {
        let Some(connection) = &self.0 else { return Err(NoOwner::NotFound) };
        let (client, server) = (connection.client, connection.server);
        let look_up = || async move {
            let _permit = LOOKUPS.acquire().await.map_err(|_closed| NoOwner::NotFound)?;
            let found = tokio::task::spawn_blocking(move || socket_owner(client, server)).await;
            found.unwrap_or_else(|panic| Err(NoOwner::Unreadable(panic.to_string())))
        };
        connection.uid.get_or_try_init(look_up).await.copied()
    }

    /// The account that runs the server.
    #[cfg(test)]
    pub(crate) fn server() -> Self {
        Self::with_uid(rustix::process::geteuid().as_raw())
    }

    /// An account of this machine.
    #[cfg(test)]
    pub(crate) fn with_uid(uid: u32) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self(Some(Arc::new(Connection { client: address, server: address, uid: OnceCell::from(uid) })))
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I9.

    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection within this machine: the client's end, the server's end, and the account as the server sees it.
    fn connect(bind: &str, to: &str) -> (TcpStream, TcpStream, ClientAccount) {
        let listener = TcpListener::bind(bind).unwrap();
        let to = SocketAddr::new(to.parse().unwrap(), listener.local_addr().unwrap().port());
        let client = TcpStream::connect(to).unwrap();
        let (accepted, from) = listener.accept().unwrap();
        let account = ClientAccount::of_connection(from, accepted.local_addr().unwrap());
        (client, accepted, account)
    }

    #[tokio::test]
    async fn the_servers_own_account_is_recognized_over_both_protocols() {
        for (bind, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.1"), ("[::]:0", "::ffff:127.0.0.1")] {
            let (_client, _accepted, account) = connect(bind, to);
            assert_eq!(account.require_server_account().await, Ok(()), "{bind} {to}");
        }
    }

    #[tokio::test]
    async fn other_and_unknown_accounts_are_rejected() {
        let other = rustix::process::geteuid().as_raw() + 4_321;
        assert_eq!(ClientAccount::with_uid(other).require_server_account().await, Err(NotServerAccount::Other(other)));
        assert_eq!(ClientAccount::with_uid(0).require_server_account().await, Ok(()), "root");
        let unknown = ClientAccount::default().require_server_account().await;
        assert_eq!(unknown, Err(NotServerAccount::Unknown(NoOwner::NotFound)));
    }

    #[tokio::test]
    async fn a_client_that_has_disconnected_is_unknown() {
        let (client, _accepted, account) = connect("127.0.0.1:0", "127.0.0.1");
        drop(client);
        assert_eq!(account.require_server_account().await, Err(NotServerAccount::Unknown(NoOwner::NotFound)));
    }

    #[tokio::test]
    async fn the_account_is_kept_for_the_connection() {
        let (client, _accepted, account) = connect("127.0.0.1:0", "127.0.0.1");
        assert_eq!(account.require_server_account().await, Ok(()));
        drop(client);
        assert_eq!(account.require_server_account().await, Ok(()));
    }
}
