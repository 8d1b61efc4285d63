//! Keeping the secrets of MCP servers out of what agents say of them.

use crate::types::{McpServer, McpTransport};

/// Shortest value that is hidden: shorter ones are no secrets, and hiding them would tear holes into any text.
const SHORTEST: usize = 4;

/// `text` with every value of the servers' environments, headers and addresses hidden. Agents quote these when a server does not
/// start, and an address may hold a token. Where those values are not known any more, nothing of the text is shown.
pub(super) fn conceal(text: &str, servers: &[McpServer]) -> String {
    if servers.iter().any(McpServer::is_forgotten) {
        return "***".to_owned();
    }
    let values = servers.iter().flat_map(|server| match &server.transport {
        McpTransport::Stdio { env, .. } => env.values().collect::<Vec<_>>(),
        McpTransport::Http { url, headers } => headers.values().chain([url]).collect(),
    });
    let mut values: Vec<&String> = values.filter(|value| value.len() >= SHORTEST).collect();
    // The longest first, so that a value within another does not leave the rest of it.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.into_iter().fold(text.to_owned(), |text, value| text.replace(value.as_str(), "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_complaint_does_not_tell_what_a_server_was_given() {
        let stdio = McpTransport::Stdio {
            command: "tiny".into(),
            args: vec![],
            env: [("A".to_owned(), "secret".to_owned()), ("B".to_owned(), "secret-and-more".to_owned()), ("C".to_owned(), "1".to_owned())]
                .into(),
        };
        let http = McpTransport::Http { url: "http://x/?token=t".into(), headers: [("H".to_owned(), "Bearer t".to_owned())].into() };
        let servers = [stdio, http].map(|transport| McpServer { name: "s".into(), transport });
        let told = conceal("secret-and-more, secret: 1 failed at http://x/?token=t with Bearer t", &servers);
        assert_eq!(told, "***, ***: 1 failed at *** with ***");
        assert_eq!(conceal("secret", &[McpServer::forgotten("s".into(), true)]), "***");
    }
}
