//! The client that sends requests with a credential.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

use super::tunnel::IDLE_TIMEOUT;

/// Time limit for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The client, created by the first request: creating it loads all trusted certificates of this machine.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    client: OnceLock<Client>,
}

impl Upstream {
    /// The client. It follows no redirects, which could lead a credential elsewhere.
    ///
    /// # Errors
    /// If the certificates cannot be loaded.
    pub(super) fn client(&self) -> reqwest::Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let builder = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT_TIMEOUT).read_timeout(IDLE_TIMEOUT);
        let client = builder.referer(false).build()?;
        Ok(self.client.get_or_init(|| client))
    }
}
