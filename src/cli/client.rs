//! Speaks to a server as any client does: over HTTP.

use std::path::Path;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::types::StreamEvent;

/// A signed-in client of one server.
pub(super) struct ApiClient {
    http: Client,
    base: String,
    token: String,
}

impl ApiClient {
    pub(super) async fn log_in(base: String, username: &str, password: &str) -> anyhow::Result<Self> {
        let http = Client::builder().no_proxy().build()?;
        let login = json!({ "username": username, "password": password });
        let answer = read(http.post(format!("{base}/api/auth/login")).json(&login).send().await?).await?;
        let token = answer["token"].as_str().context("the server gave no token")?.to_owned();
        Ok(Self { http, base, token })
    }

    /// Makes a run and gives the address of its events.
    pub(super) async fn create_run(&self, agent: &str, prompt: &str, dir: &Path) -> anyhow::Result<String> {
        let body = json!({ "input": { "text": prompt }, "metadata": { "agent_type": agent, "working_dir": dir } });
        let request = self.http.post(format!("{}/api/runs", self.base)).bearer_auth(&self.token).json(&body);
        let answer = read(request.send().await?).await?;
        answer["events_url"].as_str().map(str::to_owned).context("the server gave no address of the run's events")
    }

    /// Gives every event of a run to `each`, in order, until the last.
    pub(super) async fn follow(&self, events_url: &str, mut each: impl FnMut(StreamEvent) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let request = self.http.get(format!("{}{events_url}", self.base)).bearer_auth(&self.token).header("Accept", "application/x-ndjson");
        let response = request.send().await?;
        if !response.status().is_success() {
            read(response).await?;
            return Ok(());
        }
        let mut stream = response.bytes_stream();
        let mut lines = crate::process::LineSplitter::default();
        while let Some(bytes) = stream.next().await {
            let mut told = Ok(());
            lines.push(&bytes.context("the stream broke off")?, |line| {
                if told.is_ok() && !line.bytes.is_empty() {
                    // An event of a later release is none of ours to show.
                    told = serde_json::from_slice(line.bytes).map_or(Ok(()), &mut each);
                }
            });
            told?;
        }
        Ok(())
    }
}

/// The answer's JSON, or its problem in the server's own words.
async fn read(response: Response) -> anyhow::Result<Value> {
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    bail!("the server answers {status}: {}", body["detail"].as_str().unwrap_or("without saying why"))
}
