//! The floor: a minimal relay, as a lower bound for comparison. It copies the agent's output from the pipe to every socket, without
//! parsing, storing or numbering it.
//!
//! It starts the agent when the given number of readers has connected, and ends with the agent. A slow reader blocks all others.

use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

/// The capacity of a pipe.
const BUFFER_SIZE: usize = 64 * 1024;
const RESPONSE_HEADERS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Prints its address in one line, waits for `readers` connections, and relays the output of `agent` for `prompt`.
///
/// # Errors
/// If the agent cannot be started, or a reader disconnects before its request is complete.
pub(crate) fn run(agent: &Path, prompt: &str, readers: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let mut sockets: Vec<TcpStream> = (0..readers).map(|_| accept_reader(&listener)).collect::<io::Result<_>>()?;

    let mut child = Command::new(agent).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().ok_or_else(|| io::Error::other("no pipe"))?;
    writeln!(input, "{}", json!({ "type": "user", "message": { "role": "user", "content": prompt } }))?;
    drop(input);
    let mut output = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;

    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        let count = output.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        let size = format!("{count:x}\r\n");
        for socket in &mut sockets {
            let chunk = [IoSlice::new(size.as_bytes()), IoSlice::new(&buffer[..count]), IoSlice::new(b"\r\n")];
            // A reader may disconnect when it is complete; it reports lost events to the driver itself.
            let _ = write_all(socket, chunk);
        }
    }
    for socket in &mut sockets {
        let _ = socket.write_all(b"0\r\n\r\n");
    }
    child.wait()?;
    // Keeps the process alive until the driver has read its CPU time.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Accepts a connection, reads the request and sends the response headers.
fn accept_reader(listener: &TcpListener) -> io::Result<TcpStream> {
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => request.extend_from_slice(&chunk[..count]),
        }
    }
    socket.write_all(RESPONSE_HEADERS)?;
    Ok(socket)
}

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
