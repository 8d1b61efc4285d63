//! The floor: the least program that could do the job. What the agent writes goes from its pipe to every socket as it is, without
//! being looked at, kept or numbered.
//!
//! It begins when the readers that it was told of have come, and ends when the agent does. Who reads slowly holds up all others; it
//! is a measure, not a server.

use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

/// As much as a pipe holds.
const BLOCK: usize = 64 * 1024;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Says its address in one line, waits for `readers`, and passes on what `agent` makes of `prompt`.
///
/// # Errors
/// If the agent cannot be started, or a reader goes away before it has asked.
pub(crate) fn be(agent: &Path, prompt: &str, readers: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let mut sockets: Vec<TcpStream> = (0..readers).map(|_| greet(&listener)).collect::<io::Result<_>>()?;

    let mut child = Command::new(agent).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().ok_or_else(|| io::Error::other("the agent has no input"))?;
    writeln!(input, "{}", json!({ "type": "user", "message": { "role": "user", "content": prompt } }))?;
    drop(input);
    let mut output = child.stdout.take().ok_or_else(|| io::Error::other("the agent has no output"))?;

    let mut block = vec![0; BLOCK];
    loop {
        let count = output.read(&mut block)?;
        if count == 0 {
            break;
        }
        let size = format!("{count:x}\r\n");
        for socket in &mut sockets {
            let chunk = [IoSlice::new(size.as_bytes()), IoSlice::new(&block[..count]), IoSlice::new(b"\r\n")];
            // Who has all it wanted may go; whether it has, it tells the driver.
            let _ = write_all(socket, chunk);
        }
    }
    for socket in &mut sockets {
        let _ = socket.write_all(b"0\r\n\r\n");
    }
    child.wait()?;
    // As long as the driver wants to look at this process.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Lets a reader in, once it has asked.
fn greet(listener: &TcpListener) -> io::Result<TcpStream> {
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => request.extend_from_slice(&piece[..count]),
        }
    }
    socket.write_all(HEAD)?;
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
