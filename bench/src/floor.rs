//! The floor: a minimal relay, as a lower bound for comparison. It copies the output of agents from their pipes to every socket, without
//! parsing, storing or numbering it.
//!
//! It starts the agents when the given number of readers has connected, and ends with them. A slow reader blocks all others.

use std::fs::File;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The capacity of a pipe.
const BUFFER_SIZE: usize = 64 * 1024;
const RESPONSE_HEADERS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// One run of a relay: an agent and its readers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct RelayRun {
    /// The agent's prompt.
    pub(crate) prompt: String,
    /// Number of connections that read the run.
    pub(crate) readers: usize,
}

/// What a relay writes to standard output, as one line of JSON, when it listens. A peer that is measured instead of the floor does the same.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    /// The path of each run's stream.
    pub(crate) paths: Vec<String>,
}

/// Reads the runs as one line of JSON from standard input, prints [`Listening`], waits for the readers, and relays the output of one `agent`
/// per run.
///
/// # Errors
/// If an agent cannot be started, or a reader disconnects before its request is complete.
pub(crate) fn run(agent: &Path) -> anyhow::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let runs: Vec<RelayRun> = serde_json::from_str(&line)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let listening = Listening { address: listener.local_addr()?, paths: (0..runs.len()).map(|run| format!("/{run}")).collect() };
    writeln!(io::stdout(), "{}", serde_json::to_string(&listening)?)?;
    let mut sockets: Vec<Vec<TcpStream>> = runs.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs.iter().map(|run| run.readers).sum() {
        let (socket, run) = accept_reader(&listener)?;
        sockets.get_mut(run).context("a reader asked for an unknown run")?.push(socket);
    }
    let relays = runs.iter().zip(sockets).map(|(run, sockets)| Relay::start(agent, &run.prompt, sockets));
    relay(&mut relays.collect::<anyhow::Result<Vec<_>>>()?)?;
    // Keeps the process alive until the driver has read its CPU time.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// An agent, its output, and where that goes.
struct Relay {
    agent: Child,
    output: File,
    sockets: Vec<TcpStream>,
}

impl Relay {
    fn start(agent: &Path, prompt: &str, sockets: Vec<TcpStream>) -> anyhow::Result<Self> {
        let mut agent = Command::new(agent).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = agent.stdin.take().context("no pipe")?;
        writeln!(input, "{}", json!({ "type": "user", "message": { "role": "user", "content": prompt } }))?;
        drop(input);
        let output = File::from(OwnedFd::from(agent.stdout.take().context("no pipe")?));
        Ok(Self { agent, output, sockets })
    }

    /// Relays what is in the pipe. Returns whether more may follow.
    fn relay(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let count = self.output.read(buffer)?;
        let size = format!("{count:x}\r\n");
        for socket in &mut self.sockets {
            let chunk = [IoSlice::new(size.as_bytes()), IoSlice::new(&buffer[..count]), IoSlice::new(b"\r\n")];
            // A reader may disconnect when it is complete; it reports lost events to the driver itself.
            let _ = write_all(socket, chunk);
        }
        if count == 0 {
            self.agent.wait()?;
        }
        Ok(count > 0)
    }
}

/// Relays until all agents have exited.
fn relay(relays: &mut [Relay]) -> anyhow::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (index, relay) in relays.iter().enumerate() {
        epoll::add(&epoll, &relay.output, EventData::new_u64(index as u64), EventFlags::IN)?;
    }
    let (mut buffer, mut events, mut running) = (vec![0; BUFFER_SIZE], Vec::<Event>::with_capacity(256), relays.len());
    while running > 0 {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let relay = &mut relays[usize::try_from(event.data.u64())?];
            if !relay.relay(&mut buffer)? {
                epoll::delete(&epoll, &relay.output)?;
                running -= 1;
            }
        }
    }
    Ok(())
}

/// Accepts a connection, reads the request and sends the response headers. Returns the number of the run as well.
fn accept_reader(listener: &TcpListener) -> anyhow::Result<(TcpStream, usize)> {
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read(&mut chunk)? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            count => request.extend_from_slice(&chunk[..count]),
        }
    }
    let request = String::from_utf8(request)?;
    let run = request.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()).context("not a request of a reader")?.parse()?;
    socket.write_all(RESPONSE_HEADERS)?;
    Ok((socket, run))
}

/// Writes a chunk with as few system calls as possible. The empty chunk at the end also ends the response.
fn write_all(socket: &mut TcpStream, mut parts: [IoSlice<'_>; 3]) -> io::Result<()> {
    let mut parts = &mut parts[..];
    while !parts.is_empty() {
        match socket.write_vectored(parts)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => IoSlice::advance_slices(&mut parts, count),
        }
    }
    Ok(())
}
