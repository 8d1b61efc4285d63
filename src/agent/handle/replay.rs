//! Rebuilds the state of an agent's decoder from the files of its run.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Deserialize;

use super::decoder::OutputDecoder;
use super::{Command, History, Logged, OutputCheckpoint};
use crate::agent::Parser;
use crate::process::shim::ProcessDir;

/// Maximum length of one read in bytes: short enough not to block the runtime, as recent output comes from the page cache.
const READ: usize = 256 * 1024;

/// Reads the output files that a shim writes. Each is opened when it has content.
#[derive(Debug)]
pub(super) struct Outputs {
    dir: ProcessDir,
    out: Option<File>,
    err: Option<File>,
    buffer: Vec<u8>,
}

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Outputs {
    pub(super) fn new(dir: ProcessDir) -> Self {
        Self { dir, out: None, err: None, buffer: Vec::new() }
    }

    /// Some bytes starting at `from` and ending before `to`, up to which the output must exist.
    pub(super) fn read(&mut self, stream: Stream, from: u64, to: u64) -> io::Result<&[u8]> {
        let (file, path) = match stream {
            Stream::Stdout => (&mut self.out, self.dir.out()),
            Stream::Stderr => (&mut self.err, self.dir.err()),
        };
        let file = match file {
            Some(file) => file,
            None => file.insert(open(&path)?),
        };
        let length = usize::try_from(to - from).unwrap_or(READ).min(READ);
        self.buffer.resize(length, 0);
        match file.read_at(&mut self.buffer, from)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the output file is shorter than before")),
            count => Ok(&self.buffer[..count]),
        }
    }

    /// The current lengths of stdout and stderr.
    pub(super) fn lengths(&self) -> (u64, u64) {
        let length = |path| std::fs::metadata(path).map_or(0, |file| file.len());
        (length(self.dir.out()), length(self.dir.err()))
    }
}

/// Opens an output for reading, where possible so that reading does not change the time of its last access, which costs as much as the read.
fn open(path: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        // Only the owner of a file may.
        let flags = rustix::fs::OFlags::NOATIME.bits().cast_signed();
        if let Ok(file) = File::options().read(true).custom_flags(flags).open(path) {
            return Ok(file);
        }
    }
    File::open(path)
}

/// One line of the shim's journal of our inputs.
#[derive(Debug, Deserialize)]
struct JournalEntry {
    /// How much of stdout had been decoded before, in bytes.
    at: u64,
    #[serde(default)]
    call: Option<Command>,
    #[serde(default)]
    close: bool,
}

/// The result of a replay.
pub(super) struct Replayed {
    pub(super) decoder: OutputDecoder,
    pub(super) history: History,
    /// How much of the output and of the commands the decoder has processed.
    pub(super) checkpoint: OutputCheckpoint,
    pub(super) stdin_closed: bool,
    /// Number of entries in the journal.
    pub(super) recorded: u64,
}

/// Feeds a new `parser` everything that its predecessor processed: the output, and the commands at their positions in it.
///
/// Items up to the checkpoint of `logged` are in the log. Bytes that were sent to the agent are not sent again; those that were not are left in the
/// decoder. Reads the whole output, which may be long, so it must not run on the runtime's threads.
///
/// # Errors
/// If a file cannot be read, or does not have the expected content.
pub(super) fn replay(dir: &ProcessDir, parser: Box<dyn Parser>, logged: Logged) -> io::Result<Replayed> {
    // Read twice instead of kept: it may be long.
    let (mut sent_up_to, mut stdin_closed, mut recorded) = (None, false, 0);
    for entry in journal(dir)? {
        let entry = entry?;
        sent_up_to = sent_up_to.max(Some(entry.at));
        stdin_closed |= entry.close;
        recorded += 1;
    }
    let stored = logged.checkpoint;
    let mut replay = Replay {
        outputs: Outputs::new(dir.clone()),
        decoder: OutputDecoder::new(parser),
        history: History { waiting: Some(Vec::new()), ..History::default() },
        checkpoint: OutputCheckpoint::default(),
        stored,
        open_requests: logged.open_requests,
        sent_up_to,
    };
    replay.decoder.open();
    replay.collect(stored != OutputCheckpoint::default());
    // The shim adds nothing meanwhile: it has stopped listening to the earlier server, and this one has sent nothing.
    for entry in journal(dir)?.take(recorded) {
        let entry = entry?;
        replay.decode_stdout(entry.at)?;
        if let Some(command) = &entry.call {
            replay.carry_out(command);
        }
    }
    replay.decode_stdout(stored.out)?;
    if stored.out_ended {
        replay.decoder.finish_stdout();
        replay.checkpoint.out_ended = true;
        replay.collect(true);
    }
    replay.decode_stderr()?;
    let Replay { decoder, history, checkpoint, .. } = replay;
    if checkpoint.calls < stored.calls {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the journal is shorter than before"));
    }
    Ok(Replayed { decoder, history, checkpoint, stdin_closed, recorded: recorded as u64 })
}

struct Replay {
    outputs: Outputs,
    decoder: OutputDecoder,
    history: History,
    checkpoint: OutputCheckpoint,
    stored: OutputCheckpoint,
    /// The requests that are open according to the log.
    open_requests: HashSet<String>,
    /// Everything that the output before this position calls for was sent; `None` if nothing ever was.
    sent_up_to: Option<u64>,
}

impl Replay {
    /// Decodes stdout up to `to`.
    fn decode_stdout(&mut self, to: u64) -> io::Result<()> {
        while self.checkpoint.out < to {
            // Never across the stored checkpoint: items before it are logged, items after it are new.
            let bound = if self.checkpoint.out < self.stored.out { to.min(self.stored.out) } else { to };
            let bytes = self.outputs.read(Stream::Stdout, self.checkpoint.out, bound)?;
            self.checkpoint.out += bytes.len() as u64;
            self.decoder.decode_stdout(bytes);
            self.collect(self.checkpoint.out <= self.stored.out);
        }
        Ok(())
    }

    /// Decodes stderr as far as the log covers it. Parsers do not receive it.
    fn decode_stderr(&mut self) -> io::Result<()> {
        while self.checkpoint.err < self.stored.err {
            let bytes = self.outputs.read(Stream::Stderr, self.checkpoint.err, self.stored.err)?;
            self.checkpoint.err += bytes.len() as u64;
            self.decoder.decode_stderr(bytes);
            self.collect(true);
        }
        if self.stored.err_ended {
            self.decoder.finish_stderr();
            self.checkpoint.err_ended = true;
            self.collect(true);
        }
        Ok(())
    }

    fn carry_out(&mut self, command: &Command) {
        self.decoder.carry_out(command);
        self.checkpoint.calls += 1;
        self.history.apply_command(command, &self.open_requests);
        self.collect(self.checkpoint.calls <= self.stored.calls);
    }

    /// Moves the decoder's items to the history.
    fn collect(&mut self, is_logged: bool) {
        for item in self.decoder.take_items() {
            self.history.apply_item(item, is_logged);
        }
        if self.sent_up_to.is_some_and(|sent| self.checkpoint.out <= sent) {
            self.decoder.output.send.clear();
            self.decoder.output.close_stdin = false;
        }
    }
}

/// What the agent has received, as far as the journal can be read. Its output is not read.
pub(super) fn received(dir: &ProcessDir) -> History {
    let mut history = History::default();
    let entries = journal(dir).into_iter().flatten().map_while(Result::ok);
    for command in entries.filter_map(|entry| entry.call) {
        history.apply_command(&command, &HashSet::new());
    }
    history
}

/// The entries of the journal. A truncated last line was never acted on and is skipped. Nothing follows an error.
///
/// # Errors
/// If the file cannot be opened.
fn journal(dir: &ProcessDir) -> io::Result<impl Iterator<Item = io::Result<JournalEntry>>> {
    let file = match File::open(dir.journal()) {
        Ok(file) => Some(BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut lines = file.into_iter().flat_map(|file| file.split(b'\n')).peekable();
    let mut failed = false;
    Ok(std::iter::from_fn(move || {
        let entry = match lines.next().filter(|_| !failed)? {
            Ok(line) => serde_json::from_slice(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
            Err(error) => Err(error),
        };
        failed = entry.is_err();
        if failed && lines.peek().is_none() && entry.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return None;
        }
        Some(entry)
    }))
}
