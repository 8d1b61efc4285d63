//! A client of the API: one connection, one request after the other.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// Longest wait for an answer; longer than the longest `?wait=`.
const PATIENCE: Duration = Duration::from_mins(2);

/// A connection with a login.
pub(super) struct Client {
    address: SocketAddrV4,
    token: String,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects without a login.
    pub(super) fn guest(address: SocketAddrV4) -> anyhow::Result<Self> {
        Self::with_token(address, String::new())
    }

    /// Connects with the token of a login.
    pub(super) fn with_token(address: SocketAddrV4, token: String) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { address, token, stream: BufReader::new(stream) })
    }

    /// Logs in as `admin`, which a new server allows from its own machine.
    pub(super) fn login(address: SocketAddrV4) -> anyhow::Result<Self> {
        let mut client = Self::guest(address)?;
        let answer = client.post("/api/auth/login", &json!({ "username": "admin", "password": "admin" }))?;
        answer["token"].as_str().context("the login gave no token")?.clone_into(&mut client.token);
        Ok(client)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.ask("GET", path, "")
    }

    pub(super) fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask("POST", path, &body.to_string())
    }

    /// Waits until a run has ended and gives its status.
    pub(super) fn end_of(&mut self, run: &str) -> anyhow::Result<String> {
        loop {
            let run = self.get(&format!("/api/runs/{run}?wait=30"))?;
            let status = run["status"].as_str().context("a run without a status")?;
            if !["queued", "starting", "running", "waiting", "stopping"].contains(&status) {
                return Ok(status.to_owned());
            }
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let (status, text) = self.exchange(method, path, body).with_context(|| format!("{method} {path}"))?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} was answered with {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    fn exchange(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.address, body.len());
        if !self.token.is_empty() {
            let _ = write!(request, "Authorization: Bearer {}\r\n", self.token);
        }
        if !body.is_empty() {
            request += "Content-Type: application/json\r\n";
        }
        request += "\r\n";
        request += body;
        self.stream.get_mut().write_all(request.as_bytes())?;

        let status = self.line()?.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let mut length = 0;
        loop {
            let header = self.line()?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if header.starts_with("transfer-encoding:") {
                bail!("an answer that was expected whole comes in pieces");
            }
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text)?;
        Ok((status, String::from_utf8(text)?))
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the server hung up");
        }
        Ok(line.trim_end().to_owned())
    }
}
