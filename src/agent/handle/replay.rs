//! An agent's past, read again from the files of its run.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;

use serde::Deserialize;

use super::decoder::OutputDecoder;
use super::{Command, HistoryEntry, OutputCheckpoint};
use crate::agent::{Item, Parser};
use crate::process::shim::ProcessFolder;

/// Read at once from a file: short enough to be no burden on the runtime when it comes from memory, as what was just written does.
const READ: usize = 256 * 1024;

/// Reads the outputs that a shim writes. They are opened when there is something in them.
#[derive(Debug)]
pub(super) struct Outputs {
    folder: ProcessFolder,
    out: Option<File>,
    err: Option<File>,
    buffer: Vec<u8>,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Out,
    Err,
}

impl Outputs {
    pub(super) fn new(folder: ProcessFolder) -> Self {
        Self { folder, out: None, err: None, buffer: Vec::new() }
    }

    /// Some bytes from `from` on, none of them after `to`, which must be there.
    pub(super) fn read(&mut self, which: Which, from: u64, to: u64) -> io::Result<&[u8]> {
        let (file, path) = match which {
            Which::Out => (&mut self.out, self.folder.out()),
            Which::Err => (&mut self.err, self.folder.err()),
        };
        let file = match file {
            Some(file) => file,
            None => file.insert(File::open(path)?),
        };
        let wanted = usize::try_from(to - from).unwrap_or(READ).min(READ);
        self.buffer.resize(wanted, 0);
        match file.read_at(&mut self.buffer, from)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the agent's output is shorter than it was")),
            count => Ok(&self.buffer[..count]),
        }
    }

    /// How long both are now.
    pub(super) fn lengths(&self) -> (u64, u64) {
        let length = |path| std::fs::metadata(path).map_or(0, |file| file.len());
        (length(self.folder.out()), length(self.folder.err()))
    }
}

/// What the shim has written down of one of our inputs.
#[derive(Debug, Deserialize)]
struct JournalEntry {
    at: u64,
    #[serde(default)]
    call: Option<Command>,
    #[serde(default)]
    close: bool,
}

/// An agent's past, and where we now stand with it.
pub(super) struct Replayed {
    pub(super) decoder: OutputDecoder,
    pub(super) history: Vec<HistoryEntry>,
    /// What of the agent's output and of our calls the voice has heard.
    pub(super) checkpoint: OutputCheckpoint,
    /// The agent's stdin was closed.
    pub(super) closed: bool,
}

/// Tells a fresh `parser` everything that the one before it was told: the output, and the calls at their places. What comes of it up
/// to `stored` is in the log. Bytes that the agent was sent already are not sent again; those that it was not are in the voice.
///
/// Reads the whole output, which may be long: not for the runtime's threads.
///
/// # Errors
/// If a file cannot be read, or is not what was written.
pub(super) fn replay(folder: &ProcessFolder, parser: Box<dyn Parser>, stored: OutputCheckpoint) -> io::Result<Replayed> {
    let journal = journal(folder)?;
    let sent_up_to = journal.iter().map(|journal| journal.at).max();
    let mut replay = Replay {
        outputs: Outputs::new(folder.clone()),
        decoder: OutputDecoder::new(parser),
        history: Vec::new(),
        checkpoint: OutputCheckpoint::default(),
        stored,
        sent_up_to,
    };
    replay.decoder.open();
    replay.take(stored != OutputCheckpoint::default());
    for journal in &journal {
        replay.hear(journal.at)?;
        if let Some(call) = &journal.call {
            replay.call(call.clone());
        }
    }
    replay.hear(stored.out)?;
    if stored.out_ended {
        replay.decoder.end_of_output();
        replay.checkpoint.out_ended = true;
        replay.take(true);
    }
    replay.hear_stderr()?;
    let Replay { decoder, history, checkpoint, .. } = replay;
    Ok(Replayed { decoder, history, checkpoint, closed: journal.iter().any(|journal| journal.close) })
}

struct Replay {
    outputs: Outputs,
    decoder: OutputDecoder,
    history: Vec<HistoryEntry>,
    checkpoint: OutputCheckpoint,
    stored: OutputCheckpoint,
    /// What the output up to here calls for was sent; `None` if nothing ever was.
    sent_up_to: Option<u64>,
}

impl Replay {
    /// Hears stdout up to a checkpoint.
    fn hear(&mut self, to: u64) -> io::Result<()> {
        while self.checkpoint.out < to {
            // Never across the checkpoint where the log ends: what comes of the one side is known, of the other new.
            let bound = if self.checkpoint.out < self.stored.out { to.min(self.stored.out) } else { to };
            let bytes = self.outputs.read(Which::Out, self.checkpoint.out, bound)?;
            self.checkpoint.out += bytes.len() as u64;
            self.decoder.stdout(bytes);
            self.take(self.checkpoint.out <= self.stored.out);
        }
        Ok(())
    }

    /// Hears stderr as far as the log has it; the parser does not hear it at all.
    fn hear_stderr(&mut self) -> io::Result<()> {
        while self.checkpoint.err < self.stored.err {
            let bytes = self.outputs.read(Which::Err, self.checkpoint.err, self.stored.err)?;
            self.checkpoint.err += bytes.len() as u64;
            self.decoder.stderr(bytes);
            self.take(true);
        }
        if self.stored.err_ended {
            self.decoder.end_of_stderr();
            self.checkpoint.err_ended = true;
            self.take(true);
        }
        Ok(())
    }

    fn call(&mut self, call: Command) {
        self.decoder.carry_out(&call);
        self.checkpoint.calls += 1;
        self.history.push(HistoryEntry::Command(call));
        self.take(self.checkpoint.calls <= self.stored.calls);
    }

    /// Keeps what has come of the last bytes or call. Of what is known only the ends of turns still matter: the rest is in the log.
    fn take(&mut self, known: bool) {
        for item in self.decoder.take_items() {
            match item {
                Item::TurnEnded(_) if known => self.history.push(HistoryEntry::Logged(item)),
                _ if known => {}
                item => self.history.push(HistoryEntry::New(item)),
            }
        }
        if self.sent_up_to.is_some_and(|sent| self.checkpoint.out <= sent) {
            self.decoder.output.send.clear();
            self.decoder.output.close_stdin = false;
        }
    }
}

/// Everything that was journal to the agent. A last line that is cut off was never acted on.
fn journal(folder: &ProcessFolder) -> io::Result<Vec<JournalEntry>> {
    let file = match File::open(folder.calls()) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    let mut lines = file.split(b'\n').peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_slice(&line?) {
            Ok(journal) => all.push(journal),
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
    Ok(all)
}
