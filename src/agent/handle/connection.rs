//! The connection to a shim, which is re-established when it breaks: the shim and its agent live on, and so does the run.
//!
//! Reports that are lost with a connection are covered by the greeting on the next one. Input is repeated unless the shim has recorded it:
//! it writes every input to its journal before it acts on it, and it stops listening to the old connection before it sends a greeting, so
//! the journal then contains exactly the input that has reached it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::millis;
use crate::process::Marker;
use crate::process::shim::{self, BorrowedOutput, CommandSender, Found, ProcessDir, Report, ReportReceiver, ShimCommand};

/// Delay before a connection that broke without having brought a report is replaced. It doubles with each such connection.
const MIN_DELAY: Duration = Duration::from_millis(10);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// A connection to the shim of one run.
pub(super) struct Connection {
    /// The agent's stdout, while the shim has lent it. Before the state: its use ends before the connection, which is how a shim knows that
    /// it can continue.
    lent: Option<BorrowedOutput>,
    dir: ProcessDir,
    marker: Marker,
    state: State,
    /// Connections that have broken since the last report.
    broken: u32,
    /// Input that may not have reached the shim, oldest first. It is bounded by what the shim accepts: a shim that is behind with its
    /// input reports no further output, and without output there is no further input.
    unconfirmed: VecDeque<Input>,
    journal: JournalLength,
    /// The time limit that was sent last.
    time_limit: TimeLimit,
}

#[derive(Clone, Copy)]
enum TimeLimit {
    /// None was sent on this connection or an earlier one of this server.
    Unsent,
    Until(Instant),
    Lifted,
}

enum State {
    Connected {
        commands: Option<CommandSender>,
        reports: ReportReceiver,
    },
    /// Looks for the shim.
    Broken(Pin<Box<dyn Future<Output = Found> + Send>>),
    /// There is no shim any more.
    Closed,
}

/// Bytes for the agent's stdin, with their journal entry.
struct Input {
    at: u64,
    call: Option<Value>,
    close: bool,
    bytes: Vec<u8>,
}

/// What happened to a connection.
pub(super) enum Event {
    /// The shim sent a report.
    Report(Report),
    /// Lent output has grown, or is to be returned.
    Output,
    /// The connection is broken. The shim is being looked for.
    Broken,
    /// The search has ended. A shim that is alive must be passed to [`Connection::resume`].
    Found(Found),
}

impl Connection {
    /// A connection to the shim of the run in `dir`, or to none. `recorded` is the number of entries in its journal.
    pub(super) fn new(dir: ProcessDir, marker: Marker, shim: Option<(CommandSender, ReportReceiver)>, recorded: u64) -> Self {
        let journal = JournalLength::new(dir.clone(), recorded);
        let state = match shim {
            Some((commands, reports)) => State::Connected { commands: Some(commands), reports },
            None => State::Closed,
        };
        Self { lent: None, dir, marker, state, broken: 0, unconfirmed: VecDeque::new(), journal, time_limit: TimeLimit::Unsent }
    }

    /// Whether there is a shim, even if it cannot be reached now.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// Whether the shim cannot be reached now.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken(_))
    }

    /// The agent's stdout, if it is lent.
    pub(super) fn lent(&self) -> Option<&BorrowedOutput> {
        self.lent.as_ref()
    }

    /// Begins to move the output of the agent itself, with the pipe that came with the last report. `out` is the length of the file, and
    /// `max_out` its maximum. What cannot be used is returned.
    pub(super) fn borrow(&mut self, out: u64, max_out: u64) {
        let State::Connected { reports, .. } = &mut self.state else { return };
        let borrowed = match reports.take_descriptor() {
            Some(pipe) => BorrowedOutput::begin(pipe, &self.dir.out(), out, max_out),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "a shim lent its output without a pipe")),
        };
        match borrowed {
            Ok(borrowed) => self.lent = Some(borrowed),
            Err(error) => {
                tracing::debug!(run.id = self.marker.value(), %error, "could not borrow the output of an agent");
                self.send(&ShimCommand::Return {});
            }
        }
    }

    /// Ends the use of lent output, and tells the shim. Returns the length of the file, if there was any.
    pub(super) fn return_output(&mut self) -> Option<u64> {
        let length = self.lent.take().map(BorrowedOutput::into_length)?;
        self.send(&ShimCommand::Return {});
        Some(length)
    }

    /// Sends what is queued, and waits for the next event; forever if the connection is closed. Cancel-safe.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            let Self { lent, state, .. } = &mut *self;
            match state {
                State::Connected { commands, reports } => {
                    let is_sending = commands.as_ref().is_some_and(|commands| !commands.is_idle());
                    tokio::select! {
                        report = reports.next() => {
                            let Ok(Some(report)) = report else {
                                self.search();
                                return Event::Broken;
                            };
                            self.broken = 0;
                            self.confirm_inputs();
                            return Event::Report(report);
                        }
                        () = output_change(lent.as_ref()), if lent.is_some() => return Event::Output,
                        flushed = flush(commands), if is_sending => if flushed.is_err() {
                            // The shim may have sent its last reports before it exited. They end with the end of the stream.
                            *commands = None;
                        },
                    }
                }
                State::Broken(search) => {
                    let found = search.as_mut().await;
                    self.state = State::Closed;
                    return Event::Found(found);
                }
                State::Closed => return std::future::pending().await,
            }
        }
    }

    fn search(&mut self) {
        let delay = match self.broken {
            0 => Duration::ZERO,
            broken => MIN_DELAY.saturating_mul(2_u32.saturating_pow(broken - 1)).min(MAX_DELAY),
        };
        self.broken += 1;
        self.lent = None;
        let (dir, marker) = (self.dir.clone(), self.marker.clone());
        self.state = State::Broken(Box::pin(async move {
            tokio::time::sleep(delay).await;
            shim::reconnect(&dir, &marker).await
        }));
    }

    /// Kills a shim that cannot be reached, with its agent. The result is an [`Event::Found`].
    pub(super) fn kill_shim(&mut self) {
        self.lent = None;
        let (dir, marker) = (self.dir.clone(), self.marker.clone());
        self.state = State::Broken(Box::pin(async move { shim::kill(&dir, &marker).await }));
    }

    /// Continues on a new connection: sends the acknowledged lengths of stdout and stderr, the time limit, and the input that has not
    /// reached the shim.
    pub(super) fn resume(&mut self, mut commands: CommandSender, reports: ReportReceiver, (out, err): (u64, u64)) {
        self.confirm_inputs();
        commands.send(&ShimCommand::Ack { out, err });
        if let Some(command) = self.time_limit.command() {
            commands.send(&command);
        }
        for Input { at, call, close, bytes } in &self.unconfirmed {
            commands.input(*at, call.clone(), *close, bytes);
        }
        self.state = State::Connected { commands: Some(commands), reports };
    }

    /// Ends the connection, because the shim has nothing more to do.
    pub(super) fn close(&mut self) {
        self.lent = None;
        self.state = State::Closed;
        self.unconfirmed = VecDeque::new();
    }

    /// Queues a command. It is dropped if the shim cannot be reached.
    pub(super) fn send(&mut self, command: &ShimCommand) {
        if let State::Connected { commands: Some(commands), .. } = &mut self.state {
            commands.send(command);
        }
    }

    /// Queues a time limit that starts now, or removes it. It is repeated on later connections.
    pub(super) fn set_time_limit(&mut self, left: Option<Duration>) {
        // A limit that the clock cannot represent is none.
        let until = left.and_then(|left| Instant::now().checked_add(left));
        self.time_limit = until.map_or(TimeLimit::Lifted, TimeLimit::Until);
        if let Some(command) = self.time_limit.command() {
            self.send(&command);
        }
    }

    /// Queues bytes for the agent's stdin, with their journal entry. They are repeated on later connections unless they are recorded.
    pub(super) fn input(&mut self, at: u64, call: Option<Value>, close: bool, bytes: Vec<u8>) {
        if !self.is_open() {
            return;
        }
        if let State::Connected { commands: Some(commands), .. } = &mut self.state {
            commands.input(at, call.clone(), close, &bytes);
        }
        self.unconfirmed.push_back(Input { at, call, close, bytes });
    }

    /// Sends what is queued, unless the shim cannot be reached. Cancel-safe.
    pub(super) async fn flush(&mut self) {
        if let State::Connected { commands, .. } = &mut self.state {
            // An error means that the shim has gone, and with it the need for commands.
            let _ = flush(commands).await;
        }
    }

    /// Bytes that are kept until they are recorded.
    #[cfg(test)]
    pub(super) fn unconfirmed_bytes(&self) -> usize {
        self.unconfirmed.iter().map(|input| input.bytes.capacity()).sum()
    }

    /// Forgets input that is recorded.
    fn confirm_inputs(&mut self) {
        if self.unconfirmed.is_empty() {
            return;
        }
        let recorded = usize::try_from(self.journal.grown()).unwrap_or(usize::MAX);
        self.unconfirmed.drain(..recorded.min(self.unconfirmed.len()));
        if self.unconfirmed.is_empty() {
            self.unconfirmed = VecDeque::new();
        }
    }
}

impl TimeLimit {
    /// The command that sets the rest of it, unless the shim has its first limit.
    fn command(self) -> Option<ShimCommand> {
        let left_ms = match self {
            Self::Unsent => return None,
            Self::Until(at) => Some(millis(at.saturating_duration_since(Instant::now()))),
            Self::Lifted => None,
        };
        Some(ShimCommand::SetTimeLimit { left_ms })
    }
}

async fn output_change(lent: Option<&BorrowedOutput>) {
    if let Some(lent) = lent {
        lent.changed().await;
    }
}

async fn flush(commands: &mut Option<CommandSender>) -> io::Result<()> {
    match commands {
        Some(commands) => commands.flush().await,
        None => Ok(()),
    }
}

/// Counts the entries of a journal while it grows.
struct JournalLength {
    dir: ProcessDir,
    file: Option<File>,
    /// Length of the complete entries that were counted.
    offset: u64,
    /// Entries that were counted, and entries that were reported.
    entries: u64,
    reported: u64,
}

impl JournalLength {
    /// A count that reports entries after the first `reported` ones.
    fn new(dir: ProcessDir, reported: u64) -> Self {
        Self { dir, file: None, offset: 0, entries: 0, reported }
    }

    /// How many entries were added since the last call. Entries that cannot be read now are reported later.
    fn grown(&mut self) -> u64 {
        // Each read begins where the last one ended, and an entry has the length of its command.
        let _ = self.count();
        let grown = self.entries.saturating_sub(self.reported);
        self.reported += grown;
        grown
    }

    fn count(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::open(self.dir.journal())?),
        };
        let mut buffer = [0; 8 * 1024];
        let mut read_to = self.offset;
        loop {
            let count = file.read_at(&mut buffer, read_to)?;
            if count == 0 {
                return Ok(());
            }
            for newline in memchr::memchr_iter(b'\n', &buffer[..count]) {
                self.offset = read_to + newline as u64 + 1;
                self.entries += 1;
            }
            read_to += count as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn complete_journal_entries_are_counted_once_each() {
        let dir = tempfile::tempdir().unwrap();
        let process_dir = ProcessDir::new(dir.path().to_owned());
        let mut length = JournalLength::new(process_dir.clone(), 2);
        assert_eq!(length.grown(), 0, "there is no journal yet");
        let mut journal = File::options().append(true).create(true).open(process_dir.journal()).unwrap();
        journal.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(length.grown(), 0, "an earlier server sent these");
        journal.write_all(format!("{}\nfour\nincompl", "x".repeat(20_000)).as_bytes()).unwrap();
        assert_eq!((length.grown(), length.grown()), (2, 0));
        journal.write_all(b"ete\n").unwrap();
        assert_eq!(length.grown(), 1);
    }
}
