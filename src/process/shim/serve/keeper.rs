//! The loop that keeps one agent: everything that can happen, one thing after the other.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus};

use super::door::{Door, Visit};
use super::ending::{Ending, Next};
use super::files::Files;
use super::input::Input;
use super::limits::{ALONE, Limits};
use super::spool::{Spool, Taken};
use super::wire::{Heard, Wire};
use crate::process::shim::ProcessFolder;
use crate::process::shim::protocol::{ExitRecord, Greeting, LITTLE, NEWS, Order, PROTOCOL, Report, Spooled, StoppedBy};
use crate::process::{Exit, Identity, Tail};

/// How much of stdout may wait for a connected server before the agent is read no further.
const WINDOW: u64 = 1024 * 1024;
/// Read at once; a Linux pipe holds as much.
const BUFFER: usize = 64 * 1024;
/// How often it is looked for orphans that have ended, since nothing tells of them, and the agent may wait for one to be gone.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is tried again to write down how it ended.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long a server that does not listen is waited for at the end. It finds all of it in the folder.
const FAREWELL: Duration = Duration::from_secs(5);

/// An agent that was started, and what belongs to it.
pub(super) struct Charge {
    pub(super) files: Files,
    pub(super) agent: Identity,
    /// Tells of the agent's end, where the system has such a thing.
    pub(super) handle: Option<OwnedFd>,
    pub(super) input: Input,
    pub(super) out: Spool,
    pub(super) err: Spool,
    pub(super) err_tail: Tail,
    pub(super) ending: Ending,
    pub(super) limits: Limits,
    pub(super) grace: Duration,
}

/// The shim's whole state, once its agent was started.
pub(super) struct Keeper {
    charge: Charge,
    door: Door,
    /// What is kept for a later server, in this memory and nowhere else.
    memo: String,
    /// How it all ended, once it is written down.
    ended: Option<Box<ExitRecord>>,
    /// The server has taken the end.
    released: bool,
    /// What the present server knows of the output.
    told: Spooled,
    /// How often it was told so since it last took something, and how far it had come with that.
    news: u32,
    taken: u64,
    buffer: Vec<u8>,
}

/// What there is to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Listener,
    Guest,
    Server,
    Input,
    Out,
    Err,
    Agent,
}

impl Keeper {
    pub(super) fn new(charge: Charge, door: Door, memo: String) -> Self {
        let (ended, released) = (None, false);
        Self { charge, door, memo, ended, released, told: Spooled::default(), news: 0, taken: 0, buffer: vec![0; BUFFER] }
    }

    /// Keeps the agent until nothing of it is left and that is written down, and then what is to be remembered until it is not wanted.
    pub(super) fn keep(&mut self) {
        let until = loop {
            let now = Instant::now();
            self.reap(now);
            self.hear(now);
            self.watch_limits(now);
            let next = self.charge.ending.go_on(now, !(self.charge.out.has_ended() && self.charge.err.has_ended()));
            match next {
                Next::Over => break now,
                Next::GiveUpPipes => {
                    self.charge.out.give_up();
                    self.charge.err.give_up();
                }
                Next::Wait(until) => {
                    self.tell();
                    self.wait(now, [until, self.limit()].into_iter().flatten().min());
                }
            }
        };
        self.say_farewell(until);
    }

    /// Waits until something happens, at most until `until`, and takes in what it is.
    fn wait(&mut self, now: Instant, until: Option<Instant>) {
        let ready = self.ready(now, until);
        for source in ready {
            match source {
                Source::Listener => self.door.open(now),
                Source::Guest => self.door.receive(true, &mut self.buffer),
                Source::Server => {
                    self.door.flush();
                    self.door.receive(false, &mut self.buffer);
                }
                Source::Input => self.charge.input.push(),
                Source::Out => self.take_out(),
                Source::Err => self.take_err(),
                // It is waited for with all others.
                Source::Agent => {}
            }
        }
    }

    fn ready(&self, now: Instant, until: Option<Instant>) -> Vec<Source> {
        let Charge { input, out, err, handle, .. } = &self.charge;
        let (server, guest) = (self.door.server(), self.door.guest());
        let watched = [
            (Source::Listener, self.door.listener(now).map(AsFd::as_fd), PollFlags::IN),
            (Source::Guest, guest.map(AsFd::as_fd), PollFlags::IN),
            (Source::Server, server.map(AsFd::as_fd), server.map_or(PollFlags::IN, Wire::wants)),
            (Source::Input, input.pipe(), PollFlags::OUT),
            (Source::Out, out.pipe().filter(|_| !self.is_too_far_ahead()), PollFlags::IN),
            (Source::Err, err.pipe(), PollFlags::IN),
            (Source::Agent, handle.as_ref().map(AsFd::as_fd), PollFlags::IN),
        ];
        let open = watched.into_iter().filter_map(|(source, handle, wants)| Some((source, PollFd::from_borrowed_fd(handle?, wants))));
        let (sources, mut all): (Vec<Source>, Vec<PollFd<'_>>) = open.unzip();

        let left = until.map_or(LOOK, |until| until.saturating_duration_since(now).min(LOOK));
        // The clock counts finer than the system waits: a little too long is better than a round for nothing.
        let left = Timespec::try_from(left + Duration::from_millis(1)).ok();
        match poll(&mut all, left.as_ref()) {
            Ok(_) => sources.into_iter().zip(&all).filter(|(_, looked)| !looked.revents().is_empty()).map(|(source, _)| source).collect(),
            // Interrupted, or out of memory for a moment.
            Err(_) => Vec::new(),
        }
    }

    /// A server is there and slow: the agent waits for it. Never while nobody is there, and never once the agent is to end.
    fn is_too_far_ahead(&self) -> bool {
        self.door.server().is_some() && self.charge.ending.is_living() && self.charge.out.kept().saturating_sub(self.taken) > WINDOW
    }

    fn take_out(&mut self) {
        let stop = match self.charge.out.take(&mut self.buffer) {
            Taken::Nothing | Taken::Kept(_) => return,
            Taken::Full(_) => StoppedBy::OutputFull,
            Taken::NoDisk(_) => StoppedBy::Disk,
        };
        self.stop(stop);
    }

    fn take_err(&mut self) {
        match self.charge.err.take(&mut self.buffer) {
            Taken::Nothing => {}
            Taken::Kept(bytes) | Taken::Full(bytes) => self.charge.err_tail.push(bytes),
            Taken::NoDisk(bytes) => {
                self.charge.err_tail.push(bytes);
                self.stop(StoppedBy::Disk);
            }
        }
    }

    /// Ends the agent of our own accord. Said again and again by whoever has reason to; the first time counts.
    fn stop(&mut self, by: StoppedBy) {
        if self.charge.ending.is_living() {
            self.charge.ending.stop(Instant::now(), by, self.charge.grace);
        }
    }

    /// Takes every ended child away: the agent, and orphans that came to us.
    fn reap(&mut self, now: Instant) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() == self.charge.agent.pid && self.charge.ending.exit().is_none() {
                let exit = how(status);
                self.charge.handle = None;
                self.charge.ending.exited(now, exit);
                self.door.say(&Report::Exited { exit });
            }
        }
    }

    fn hear(&mut self, now: Instant) {
        loop {
            match self.door.hear() {
                Visit::NewServer => self.greet(now),
                Visit::Said(Heard::Order(order)) => self.obey(now, &order),
                Visit::Said(Heard::Input(order, pieces)) => {
                    if self.charge.input.accept(&order, pieces).is_err() {
                        self.stop(StoppedBy::Disk);
                    }
                }
                Visit::Nothing => break,
            }
        }
        self.charge.limits.attended(now, self.door.server().is_some());
    }

    fn obey(&mut self, now: Instant, order: &Order) {
        match *order {
            Order::Taken { out, err: _ } => {
                (self.taken, self.news) = (out, 0);
            }
            Order::Limit { left_ms } => self.charge.limits.set(now, left_ms.map(Duration::from_millis)),
            Order::Stop { grace_ms } => self.charge.ending.stop(now, StoppedBy::Order, Duration::from_millis(grace_ms)),
            Order::Release {} => self.released = self.ended.is_some(),
            // Said once already. An input comes with its bytes, elsewhere.
            Order::Hello { .. } | Order::Start(_) | Order::Input(_) => {}
        }
    }

    fn greet(&mut self, now: Instant) {
        let left = self.charge.limits.left(now);
        let greeting = Greeting {
            protocol: PROTOCOL,
            agent: Some(self.charge.agent),
            exit: self.charge.ending.exit(),
            left_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            stopping: self.charge.ending.stopped_by(),
            spooled: self.spooled(),
            memo: self.memo.clone(),
            news: NEWS,
        };
        self.door.say(&Report::Hello(greeting));
        if let Some(record) = &self.ended {
            self.door.say(&Report::Ended(record.clone()));
        }
        (self.told, self.news, self.taken) = (Spooled::default(), 0, 0);
    }

    fn spooled(&self) -> Spooled {
        let Charge { out, err, .. } = &self.charge;
        Spooled { out: out.kept(), err: err.kept(), out_ended: out.has_ended(), err_ended: err.has_ended() }
    }

    /// Tells how far the output has come, unless the server was told much, or often, and has not yet done anything about it. That there
    /// is no more is told at once.
    fn tell(&mut self) {
        let spooled = self.spooled();
        let ended = (spooled.out_ended, spooled.err_ended) != (self.told.out_ended, self.told.err_ended);
        let waits = self.news >= NEWS || (self.news > 0 && self.told.out.saturating_sub(self.taken) >= LITTLE);
        if ended || (!waits && spooled != self.told) {
            self.door.say(&Report::Spooled(spooled));
            (self.told, self.news) = (spooled, self.news + 1);
        }
    }

    /// When the agent's time is over, if it goes on.
    fn limit(&self) -> Option<Instant> {
        self.charge.limits.end().filter(|_| self.charge.ending.is_living())
    }

    fn watch_limits(&mut self, now: Instant) {
        if self.limit().is_some_and(|limit| now >= limit) {
            self.stop(StoppedBy::Limit);
        }
    }

    /// Writes down how it ended and tells the server, whichever of the two can be done: a full disk is waited for while nobody is
    /// there to be told.
    fn say_farewell(&mut self, since: Instant) {
        let record = ExitRecord {
            exit: self.charge.ending.exit(),
            stopped_by: self.charge.ending.stopped_by(),
            leaked_pipe: self.charge.ending.leaked_pipe(),
            left_behind: self.charge.ending.left_behind(),
            out_of_memory: self.charge.ending.ran_out_of_memory(),
            spooled: self.spooled(),
            stderr_tail: self.charge.err_tail.text(),
        };
        self.charge.ending.remove_group();
        while let Err(error) = self.charge.files.put(ProcessFolder::exit, &record)
            && self.door.server().is_none()
        {
            let now = Instant::now();
            // Where the folder is gone, nobody will ever look for it.
            if now >= since + ALONE || error.kind() == io::ErrorKind::NotFound {
                break;
            }
            self.wait(now, Some(now + TRY_AGAIN));
            self.reap(now);
            self.hear(now);
        }
        let record = Box::new(record);
        self.door.say(&Report::Ended(record.clone()));
        self.ended = Some(record);
        let told_by = Instant::now() + FAREWELL;
        if self.memo.is_empty() {
            self.charge.files.forget_socket();
        }
        let mut now = Instant::now();
        while let Some(until) = self.wanted_until(now, told_by).filter(|until| now < *until) {
            self.wait(now, Some(until));
            now = Instant::now();
            self.reap(now);
            self.hear(now);
        }
        self.charge.files.forget_socket();
    }

    /// How long we are needed after the end, unless something happens; `None` if no longer.
    fn wanted_until(&self, now: Instant, told_by: Instant) -> Option<Instant> {
        if self.memo.is_empty() {
            // It finds all of it in the folder, too.
            return self.door.server().filter(|server| !server.is_flushed()).map(|_| told_by);
        }
        let released_by = self.charge.limits.alone_until().unwrap_or(now + ALONE);
        (!self.released).then_some(released_by)
    }
}

/// How a child that was waited for has ended.
fn how(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        // Only ended children are waited for, and they have one or the other.
        (None, None) => Exit::Code(-1),
    }
}
