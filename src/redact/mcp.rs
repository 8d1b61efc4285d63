//! Secrets in the configuration of MCP servers.

use super::{MASK, Secrets};
use crate::types::{McpServer, McpTransport};

/// Shortest value that is redacted in an agent's error about an MCP server, in bytes. It is lower than
/// [`MIN_LENGTH`](super::MIN_LENGTH) because such an error often quotes the server's configuration.
const MIN_LENGTH_IN_ERROR: usize = 4;

/// The values of `servers` that may be secrets: environment values, header values, the credentials in header values, and URLs, which may
/// contain tokens.
pub fn mcp_values(servers: &[McpServer]) -> impl Iterator<Item = &str> {
    servers.iter().flat_map(|server| match &server.transport {
        McpTransport::Stdio { env, .. } => env.values().map(String::as_str).collect::<Vec<_>>(),
        McpTransport::Http { url, headers } => {
            // The scheme before the credentials is not a secret: `Bearer …`.
            let credentials = headers.values().filter_map(|value| Some(value.split_once(' ')?.1));
            headers.values().map(String::as_str).chain(credentials).chain([url.as_str()]).collect()
        }
    })
}

/// An agent's error about one of `servers`, without their secrets. If the configuration of any server is no longer known, the whole text
/// is replaced by [`MASK`].
pub fn redact_mcp_error(error: &str, servers: &[McpServer]) -> String {
    if servers.iter().any(McpServer::is_placeholder) {
        return MASK.to_owned();
    }
    let mut text = error.to_owned();
    Secrets::with_min_length(mcp_values(servers), MIN_LENGTH_IN_ERROR).redact(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_mcp_servers_are_redacted_in_an_agents_error() {
        let stdio = McpTransport::Stdio {
            command: "tiny".into(),
            args: vec![],
            env: [("A".to_owned(), "secret".to_owned()), ("B".to_owned(), "secret-and-more".to_owned()), ("C".to_owned(), "1".to_owned())]
                .into(),
        };
        let http = McpTransport::Http { url: "http://x/?token=t".into(), headers: [("H".to_owned(), "Bearer t".to_owned())].into() };
        let servers = [stdio, http].map(|transport| McpServer { name: "s".into(), transport });
        let redacted = redact_mcp_error("secret-and-more, secret: 1 failed at http://x/?token=t with Bearer t", &servers);
        assert_eq!(redacted, "[masked], [masked]: 1 failed at [masked] with [masked]");
    }

    #[test]
    fn an_error_is_masked_completely_when_the_configuration_of_a_server_is_unknown() {
        assert_eq!(redact_mcp_error("secret", &[McpServer::placeholder("s".into(), true)]), MASK);
    }
}
