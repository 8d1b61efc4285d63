//! A minimal API client: one connection, one request at a time.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// Read timeout; exceeds the longest `?wait=`.
const READ_TIMEOUT: Duration = Duration::from_mins(2);

/// A connection to the server.
pub(super) struct Client {
    address: SocketAddrV4,
    token: String,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects without a token.
    pub(super) fn anonymous(address: SocketAddrV4) -> anyhow::Result<Self> {
        Self::with_token(address, String::new())
    }

    /// Connects with a login token.
    pub(super) fn with_token(address: SocketAddrV4, token: String) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Self { address, token, stream: BufReader::new(stream) })
    }

    /// Connects and logs in as `admin`, with the default password that a new server accepts locally.
    pub(super) fn login(address: SocketAddrV4) -> anyhow::Result<Self> {
        let mut client = Self::anonymous(address)?;
        let login = client.post("/api/auth/login", &json!({ "username": "admin", "password": "admin" }))?;
        login["token"].as_str().context("login response without a token")?.clone_into(&mut client.token);
        Ok(client)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.request("GET", path, "")
    }

    pub(super) fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.request("POST", path, &body.to_string())
    }

    /// The sum of a counter over all its labels, from the server's metrics.
    pub(super) fn metric(&mut self, name: &str) -> anyhow::Result<f64> {
        let (status, text) = self.exchange("GET", "/metrics", "")?;
        let value = |line: &str| -> Option<f64> {
            let (key, value) = line.rsplit_once(' ')?;
            (key.split('{').next() == Some(name)).then(|| value.parse().ok())?
        };
        let values: Vec<f64> = text.lines().filter_map(value).collect();
        if values.is_empty() {
            bail!("GET /metrics returned {status} without {name}");
        }
        Ok(values.iter().sum())
    }

    /// Waits until a run has ended and returns its status.
    pub(super) fn wait_for_end(&mut self, run_id: &str) -> anyhow::Result<String> {
        loop {
            let run = self.get(&format!("/api/runs/{run_id}?wait=30"))?;
            let status = run["status"].as_str().context("run without a status")?;
            if !["queued", "starting", "running", "waiting", "stopping"].contains(&status) {
                return Ok(status.to_owned());
            }
        }
    }

    fn request(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let (status, text) = self.exchange(method, path, body).with_context(|| format!("{method} {path}"))?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} returned {status}: {text}");
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

        let status = self.read_line()?.split(' ').nth(1).and_then(|status| status.parse().ok()).context("invalid status line")?;
        let mut length = 0;
        loop {
            let header = self.read_line()?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if header.starts_with("transfer-encoding:") {
                bail!("unexpected chunked response");
            }
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text)?;
        Ok((status, String::from_utf8(text)?))
    }

    fn read_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}
