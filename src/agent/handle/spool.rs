//! An agent's past, read again from the files of its run.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;

use serde::Deserialize;

use super::voice::Voice;
use super::{Call, Past, Place};
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
struct Said {
    at: u64,
    #[serde(default)]
    call: Option<Call>,
    #[serde(default)]
    close: bool,
}

/// An agent's past, and where we now stand with it.
pub(super) struct Replayed {
    pub(super) voice: Voice,
    pub(super) past: Vec<Past>,
    /// What of the agent's output and of our calls the voice has heard.
    pub(super) place: Place,
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
pub(super) fn replay(folder: &ProcessFolder, parser: Box<dyn Parser>, stored: Place) -> io::Result<Replayed> {
    let said = said(folder)?;
    let sent_up_to = said.iter().map(|said| said.at).max();
    let mut replay = Replay {
        outputs: Outputs::new(folder.clone()),
        voice: Voice::new(parser),
        past: Vec::new(),
        place: Place::default(),
        stored,
        sent_up_to,
    };
    replay.voice.open();
    replay.take(stored != Place::default());
    for said in &said {
        replay.hear(said.at)?;
        if let Some(call) = &said.call {
            replay.call(call.clone());
        }
    }
    replay.hear(stored.out)?;
    if stored.out_ended {
        replay.voice.end_of_output();
        replay.place.out_ended = true;
        replay.take(true);
    }
    replay.hear_stderr()?;
    let Replay { voice, past, place, .. } = replay;
    Ok(Replayed { voice, past, place, closed: said.iter().any(|said| said.close) })
}

struct Replay {
    outputs: Outputs,
    voice: Voice,
    past: Vec<Past>,
    place: Place,
    stored: Place,
    /// What the output up to here calls for was sent; `None` if nothing ever was.
    sent_up_to: Option<u64>,
}

impl Replay {
    /// Hears stdout up to a place.
    fn hear(&mut self, to: u64) -> io::Result<()> {
        while self.place.out < to {
            // Never across the place where the log ends: what comes of the one side is known, of the other new.
            let bound = if self.place.out < self.stored.out { to.min(self.stored.out) } else { to };
            let bytes = self.outputs.read(Which::Out, self.place.out, bound)?;
            self.place.out += bytes.len() as u64;
            self.voice.stdout(bytes);
            self.take(self.place.out <= self.stored.out);
        }
        Ok(())
    }

    /// Hears stderr as far as the log has it; the parser does not hear it at all.
    fn hear_stderr(&mut self) -> io::Result<()> {
        while self.place.err < self.stored.err {
            let bytes = self.outputs.read(Which::Err, self.place.err, self.stored.err)?;
            self.place.err += bytes.len() as u64;
            self.voice.stderr(bytes);
            self.take(true);
        }
        if self.stored.err_ended {
            self.voice.end_of_stderr();
            self.place.err_ended = true;
            self.take(true);
        }
        Ok(())
    }

    fn call(&mut self, call: Call) {
        self.voice.carry_out(&call);
        self.place.calls += 1;
        self.past.push(Past::Called(call));
        self.take(self.place.calls <= self.stored.calls);
    }

    /// Keeps what has come of the last bytes or call. Of what is known only the ends of turns still matter: the rest is in the log.
    fn take(&mut self, known: bool) {
        for item in self.voice.take_items() {
            match item {
                Item::TurnEnded(_) if known => self.past.push(Past::Known(item)),
                _ if known => {}
                item => self.past.push(Past::New(item)),
            }
        }
        if self.sent_up_to.is_some_and(|sent| self.place.out <= sent) {
            self.voice.output.send.clear();
            self.voice.output.close_stdin = false;
        }
    }
}

/// Everything that was said to the agent. A last line that is cut off was never acted on.
fn said(folder: &ProcessFolder) -> io::Result<Vec<Said>> {
    let file = match File::open(folder.calls()) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    let mut lines = file.split(b'\n').peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_slice(&line?) {
            Ok(said) => all.push(said),
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
    Ok(all)
}
