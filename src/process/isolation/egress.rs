//! The way out of a sandbox, which has a network of its own.

use std::path::PathBuf;

/// File name of the proxy's socket in [`Egress::dir`].
pub const EGRESS_SOCKET: &str = "egress.sock";

/// Where [`Egress::dir`] is inside.
pub const EGRESS_DIR_INSIDE: &str = "/run/openrunner";

/// This program inside, for helpers of an agent such as git's credential helper.
pub const OWN_PROGRAM_INSIDE: &str = "/run/openrunner-bin/openrunner";

/// The port of the proxy inside, on 127.0.0.1. It is always free, because the network belongs to the run.
pub const PROXY_PORT: u16 = 3128;

/// The only way out of a sandbox: a unix socket at which a proxy outside listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// The directory that contains the proxy's socket and nothing else. The directory is shown to the agent and not the socket, so that it
    /// reaches the socket with which a restarted server replaces the first one.
    pub dir: PathBuf,
    /// Variables that the proxy defines for the agent. They override all others.
    pub env: Vec<(String, String)>,
    /// Whether the proxy inserts the provider's credentials. The agent then gets neither the server's variables with secrets nor copies of
    /// login files.
    pub injects_credentials: bool,
}

/// The variables that lead programs to the proxy.
pub fn proxy_variables() -> Vec<(String, String)> {
    let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
    let local = "localhost,127.0.0.1,::1";
    let both = |name: &str, value: &str| [(name.to_owned(), value.to_owned()), (name.to_ascii_lowercase(), value.to_owned())];
    [both("HTTP_PROXY", &proxy), both("HTTPS_PROXY", &proxy), both("ALL_PROXY", &proxy), both("NO_PROXY", local)].concat()
}
