//! `openrunner mcp`

use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use rmcp::ServiceExt;
use serde_json::Value;

use crate::cli::api_error::ClientError;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, exit_codes};
use crate::mcp::{Backend, BackendError, BoundedInput, ByteStream, Call, McpServer};

/// Arguments of `mcp`.
#[derive(Debug, Args)]
#[command(after_help = exit_codes!())]
pub(in crate::cli) struct McpArgs {}

/// Serves MCP on standard input and output until the input ends. Runs go on without it.
///
/// # Errors
/// If no server can be reached at the start, or the first messages are not MCP.
pub(in crate::cli) async fn mcp(context: &Context, _args: McpArgs) -> anyhow::Result<Exit> {
    let server = McpServer::new(Arc::new(Remote(context.connect().await?)));
    let transport = (BoundedInput::new(tokio::io::stdin()), tokio::io::stdout());
    server.serve(transport).await?.waiting().await?;
    Ok(Exit::Success)
}

/// Requests to a server.
struct Remote(Client);

#[async_trait]
impl Backend for Remote {
    async fn json(&self, call: Call) -> Result<Value, BackendError> {
        let answer = match (call.method, &call.body) {
            ("POST", body) => self.0.post(&call.path, body.as_ref()).await,
            _ => self.0.get(&call.path).await,
        };
        answer.map_err(failed)
    }

    async fn stream(&self, path: &str, accept: &'static str) -> Result<ByteStream, BackendError> {
        let response = self.0.open(path, accept).await.map_err(failed)?;
        let broken = |error: reqwest::Error| BackendError::Unavailable(format!("the answer ended early: {error}"));
        Ok(response.bytes_stream().map_err(broken).boxed())
    }
}

fn failed(error: ClientError) -> BackendError {
    match error {
        ClientError::Refused(problem) => BackendError::Refused(problem.to_string()),
        ClientError::Unreachable { .. } | ClientError::UnexpectedResponse { .. } => BackendError::Unavailable(error.to_string()),
    }
}
