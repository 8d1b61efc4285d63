//! Output that shims have lent to the server: one thread moves that of all agents from their pipes into their files.
//!
//! A lone line of output wakes this thread instead of a shim, which costs less and needs no report. While many agents write, the thread waits
//! a little between two rounds, so that the output of many is moved, decoded, committed and sent together: see [`pause`].
//!
//! The thread may be blocked by a disk that is slower than the page cache, and the runtime is not. An agent that writes fast is returned to
//! its shim, which works in parallel and slows the agent down if the server is behind.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use tokio::sync::Notify;

/// Maximum number of bytes per move, as much as a pipe holds.
const MOVE: u64 = 64 * 1024;
/// A move of this size shows an agent that writes fast. Deltas of models are far shorter.
const FAST: u64 = 16 * 1024;
/// Bytes that the server has not read yet beyond which the output is returned.
const UNREAD: u64 = 256 * 1024;
/// Number of pipes that are handled before the thread waits again.
const ROUND: usize = 256;

/// The pause after a round grows by this much with each further agent in it, up to the maximum.
const PAUSE_STEP: Duration = Duration::from_micros(250);
const MAX_PAUSE: Duration = Duration::from_millis(4);

/// The pause after a round that has moved the output of `agents`. It is zero as long as agents write at different times, so that no output
/// is delayed. Above 4,000 lines of output per second it grows to its maximum: each round then finds more agents than the last one.
fn pause(agents: usize) -> Duration {
    let others = u32::try_from(agents.saturating_sub(1)).unwrap_or(u32::MAX);
    PAUSE_STEP.saturating_mul(others).min(MAX_PAUSE)
}

/// The thread that moves output; `None` if the system could not start it. Shims then move it themselves.
static MOVER: LazyLock<Option<Arc<Mover>>> = LazyLock::new(|| {
    let mover = Mover::start();
    if let Err(error) = &mover {
        tracing::warn!(%error, "could not start the thread that moves output; shims do it instead");
    }
    mover.ok()
});

/// The stdout of one agent, lent by its shim. Dropping it ends its use: afterwards the pipe can be returned.
#[derive(Debug)]
pub struct BorrowedOutput {
    mover: Arc<Mover>,
    id: u64,
    output: Arc<Output>,
}

impl BorrowedOutput {
    /// Begins to append what is in `pipe` to the file `path`, whose length is `length`, until it would exceed `max`.
    ///
    /// # Errors
    /// If the file cannot be opened or locked, or the system is out of resources.
    pub fn begin(pipe: OwnedFd, path: &Path, length: u64, max: u64) -> io::Result<Self> {
        let mover = MOVER.clone().ok_or(io::ErrorKind::Unsupported)?;
        let file = File::options().write(true).open(path)?;
        // Not where files cannot be locked.
        drop(Lock::new(&file)?);
        let source = Source { pipe, file, length, max };
        let (id, output) = mover.add(source)?;
        Ok(Self { mover, id, output })
    }

    /// Waits until there is more output, or until the output is to be returned. Cancel-safe.
    pub async fn changed(&self) {
        self.output.changed.notified().await;
    }

    /// Length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.output.length.load(Ordering::Acquire)
    }

    /// Notes that the server has read the file up to here.
    pub fn set_read(&self, read: u64) {
        self.output.read.store(read, Ordering::Relaxed);
    }

    /// Ends its use. Returns the length of the file in bytes.
    pub fn into_length(self) -> u64 {
        self.mover.remove(self.id, &self.output);
        self.length()
    }

    /// Whether no more is moved: the output has ended, the agent writes fast, the file is full or cannot be written. The shim then continues.
    pub fn is_over(&self) -> bool {
        self.output.is_over.load(Ordering::Acquire)
    }
}

impl Drop for BorrowedOutput {
    fn drop(&mut self) {
        self.mover.remove(self.id, &self.output);
    }
}

/// What the thread and the task of an agent share.
#[derive(Debug)]
struct Output {
    /// `None` once the output is no longer moved. Locked during a move.
    source: Mutex<Option<Source>>,
    length: AtomicU64,
    read: AtomicU64,
    is_over: AtomicBool,
    changed: Notify,
}

/// A pipe and the file that its content is appended to.
#[derive(Debug)]
struct Source {
    pipe: OwnedFd,
    file: File,
    length: u64,
    max: u64,
}

/// The right to move output to a file. A shim that takes its output back by force takes it, too, for good.
struct Lock<'a>(&'a File);

impl<'a> Lock<'a> {
    /// Does not wait.
    fn new(file: &'a File) -> io::Result<Self> {
        flock(file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(file))
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // It would end with the use of the file at the latest.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// Result of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    /// This many bytes.
    Bytes(u64),
    /// The pipe was empty.
    Nothing,
    /// Nothing, and nothing can be moved later: the end, a full file, an error, or another process has appended to the file.
    Over,
}

impl Source {
    /// Moves what is in the pipe to the end of the file, in one step: a server that is killed has moved it or not.
    fn advance(&mut self) -> Moved {
        let room = self.max.saturating_sub(self.length).min(MOVE);
        // A shim takes the output of an agent that has exited back from a server that does not return it. A server that was stopped, with
        // all its threads, would otherwise continue between the next two lines and overwrite what the shim has stored.
        let Ok(_lock) = Lock::new(&self.file) else { return Moved::Over };
        let is_ours = self.file.metadata().is_ok_and(|file| file.len() == self.length);
        if room == 0 || !is_ours {
            return Moved::Over;
        }
        let mut end = self.length;
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        match splice(&self.pipe, None, &self.file, Some(&mut end), room, SpliceFlags::NONBLOCK) {
            Ok(0) => Moved::Over,
            Ok(count) => {
                self.length += count as u64;
                Moved::Bytes(count as u64)
            }
            Err(Errno::AGAIN | Errno::INTR) => Moved::Nothing,
            Err(_full_or_broken) => Moved::Over,
        }
    }
}

/// The thread's data.
#[derive(Debug)]
struct Mover {
    epoll: OwnedFd,
    outputs: Mutex<Outputs>,
}

#[derive(Debug, Default)]
struct Outputs {
    next_id: u64,
    by_id: HashMap<u64, Arc<Output>>,
}

impl Mover {
    fn start() -> io::Result<Arc<Self>> {
        let mover = Arc::new(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, outputs: Mutex::default() });
        let thread = Arc::clone(&mover);
        // The thread ends with the process.
        std::thread::Builder::new().name("output".into()).spawn(move || thread.run())?;
        Ok(mover)
    }

    fn outputs(&self) -> MutexGuard<'_, Outputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, source: Source) -> io::Result<(u64, Arc<Output>)> {
        let mut outputs = self.outputs();
        let id = outputs.next_id;
        outputs.next_id += 1;
        let length = source.length;
        epoll::add(&self.epoll, &source.pipe, EventData::new_u64(id), EventFlags::IN)?;
        let output = Arc::new(Output {
            source: Mutex::new(Some(source)),
            length: AtomicU64::new(length),
            read: AtomicU64::new(length),
            is_over: AtomicBool::new(false),
            changed: Notify::new(),
        });
        outputs.by_id.insert(id, Arc::clone(&output));
        Ok((id, output))
    }

    /// Waits for the end of a move, and allows no other.
    fn remove(&self, id: u64, output: &Output) {
        self.outputs().by_id.remove(&id);
        self.end(&mut output.source.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Closes the pipe, which must be removed from `epoll` first: the shim's copy would keep it there.
    fn end(&self, source: &mut Option<Source>) {
        if let Some(source) = source.take() {
            let _ = epoll::delete(&self.epoll, &source.pipe);
        }
    }

    fn run(&self) {
        let mut events: Vec<Event> = Vec::with_capacity(ROUND);
        let mut moved: Vec<Arc<Output>> = Vec::with_capacity(ROUND);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot wait for the output of agents");
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
            let agents = events.len();
            for event in events.drain(..) {
                let output = self.outputs().by_id.get(&event.data.u64()).cloned();
                if let Some(output) = output
                    && self.advance(&output)
                {
                    moved.push(output);
                }
            }
            // Together, so that the runtime wakes up once and what they write is committed together.
            for output in moved.drain(..) {
                output.changed.notify_one();
            }
            let pause = pause(agents);
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
    }

    /// Moves what one agent has written. Returns whether its task is to be told.
    fn advance(&self, output: &Output) -> bool {
        let mut source = output.source.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &mut *source else { return false };
        let moved = open.advance();
        let length = open.length;
        let is_over = match moved {
            Moved::Nothing => return false,
            Moved::Bytes(count) => count >= FAST || length - output.read.load(Ordering::Relaxed).min(length) > UNREAD,
            Moved::Over => true,
        };
        if is_over {
            self.end(&mut source);
        }
        output.length.store(length, Ordering::Release);
        output.is_over.store(is_over, Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{MemfdFlags, SealFlags};

    use super::*;

    /// An output with the agent's end of its pipe, the shim's end, and its file.
    fn lent(max: u64) -> (BorrowedOutput, std::io::PipeWriter, std::io::PipeReader, tempfile::NamedTempFile) {
        let (ours, theirs) = std::io::pipe().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let borrowed = BorrowedOutput::begin(ours.try_clone().unwrap().into(), file.path(), 0, max).unwrap();
        (borrowed, theirs, ours, file)
    }

    async fn until_over(output: &BorrowedOutput) {
        while !output.is_over() {
            output.changed().await;
        }
    }

    #[test]
    fn a_lone_agent_is_never_delayed_and_many_only_briefly() {
        assert_eq!((pause(0), pause(1)), (Duration::ZERO, Duration::ZERO));
        assert!((2..10_000).all(|agents| (PAUSE_STEP..=MAX_PAUSE).contains(&pause(agents))));
    }

    #[tokio::test]
    async fn output_is_moved_to_the_file_until_it_is_returned() {
        let (output, mut agent, mut shim, file) = lent(1000);
        agent.write_all(b"one\n").unwrap();
        while output.length() < 4 {
            output.changed().await;
        }
        agent.write_all(b"two\n").unwrap();
        while output.length() < 8 {
            output.changed().await;
        }
        assert_eq!(std::fs::read(file.path()).unwrap(), b"one\ntwo\n");
        drop(output);
        agent.write_all(b"three\n").unwrap();
        drop(agent);
        let mut rest = String::new();
        io::Read::read_to_string(&mut shim, &mut rest).unwrap();
        assert_eq!(rest, "three\n", "it is left to the shim");
        assert_eq!(std::fs::read(file.path()).unwrap(), b"one\ntwo\n");
    }

    #[tokio::test]
    async fn the_end_of_the_output_is_left_to_the_shim() {
        let (output, mut agent, _shim, file) = lent(1000);
        agent.write_all(b"last words").unwrap();
        drop(agent);
        until_over(&output).await;
        assert_eq!(output.length(), 10);
        assert_eq!(std::fs::read(file.path()).unwrap(), b"last words");
    }

    #[tokio::test]
    async fn a_fast_agent_and_a_full_file_are_returned_with_nothing_lost() {
        for max in [100_000, 10] {
            let (output, mut agent, mut shim, file) = lent(max);
            agent.write_all(&vec![b'x'; 40_000]).unwrap();
            drop(agent);
            until_over(&output).await;
            let length = output.length();
            assert!(length <= max);
            drop(output);
            let mut rest = Vec::new();
            io::Read::read_to_end(&mut shim, &mut rest).unwrap();
            assert_eq!(length + rest.len() as u64, 40_000);
            assert_eq!(std::fs::metadata(file.path()).unwrap().len(), length);
        }
    }

    #[tokio::test]
    async fn nothing_is_overwritten_in_a_file_that_a_shim_has_continued() {
        let (output, mut agent, _shim, file) = lent(1000);
        agent.write_all(b"one\n").unwrap();
        while output.length() < 4 {
            output.changed().await;
        }
        std::fs::OpenOptions::new().append(true).open(file.path()).unwrap().write_all(b"by the shim\n").unwrap();
        agent.write_all(b"two\n").unwrap();
        until_over(&output).await;
        assert_eq!(std::fs::read(file.path()).unwrap(), b"one\nby the shim\n");
    }

    #[tokio::test]
    async fn nothing_is_moved_once_a_shim_has_taken_the_output_back_by_force() {
        let (output, mut agent, mut shim, file) = lent(1000);
        let by_shim = File::options().append(true).open(file.path()).unwrap();
        flock(&by_shim, FlockOperation::NonBlockingLockExclusive).unwrap();
        agent.write_all(b"one\n").unwrap();
        drop(agent);
        until_over(&output).await;
        let mut rest = String::new();
        io::Read::read_to_string(&mut shim, &mut rest).unwrap();
        assert_eq!((rest.as_str(), output.length()), ("one\n", 0));
        assert_eq!(std::fs::read(file.path()).unwrap(), b"");
    }

    #[tokio::test]
    async fn output_for_which_there_is_no_space_is_left_to_the_shim() {
        // A file that cannot grow.
        let full = File::from(rustix::fs::memfd_create("full", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
        (&full).write_all(b"stored\n").unwrap();
        rustix::fs::fcntl_add_seals(&full, SealFlags::GROW).unwrap();
        let path = format!("/proc/self/fd/{}", full.as_raw_fd());
        let (mut shim, mut agent) = std::io::pipe().unwrap();
        let output = BorrowedOutput::begin(shim.try_clone().unwrap().into(), path.as_ref(), 7, 1000).unwrap();
        agent.write_all(b"one\n").unwrap();
        drop(agent);
        until_over(&output).await;
        assert_eq!((output.into_length(), full.metadata().unwrap().len()), (7, 7));
        let mut rest = String::new();
        io::Read::read_to_string(&mut shim, &mut rest).unwrap();
        assert_eq!(rest, "one\n");
    }

    #[tokio::test]
    async fn the_output_of_many_agents_is_moved_completely_and_in_order() {
        let mut agents: Vec<_> = (0..50).map(|_| lent(1 << 20)).collect();
        for round in 0..20 {
            for (number, (_, agent, ..)) in agents.iter_mut().enumerate() {
                writeln!(agent, "{number} {round}").unwrap();
            }
        }
        for (number, (output, agent, _, file)) in agents.into_iter().enumerate() {
            drop(agent);
            until_over(&output).await;
            let expected = (0..20).fold(String::new(), |text, round| text + &format!("{number} {round}\n"));
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), expected);
        }
    }
}
