//! An agent that is a program: the connection to its shim, its output and its parser in one task.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use super::decoder::OutputDecoder;
use super::replay::{Outputs, Replayed, Which, replay};
use super::{AgentEnd, AgentHandle, Command, Control, Delivery, FoundAgent, HistoryEntry, Link, OutputCheckpoint, SLACK, Update, link};
use crate::agent::{Item, Parser};
use crate::process::shim::{self, ExitRecord, LITTLE, Order, Orders, ProcessFolder, Report, Reports, Spooled, StoppedBy};
use crate::process::{Exit, Leftovers, Marker, launch};
use crate::types::{Cause, Failure, Level, NoticeCode, RunLimits};

/// How long an interrupted turn may take to end before the program is ended by signals.
const INTERRUPT: Duration = Duration::from_secs(3);
/// How long a shim may take to carry out its last order when nobody waits for the agent any more.
const LAST_ORDER: Duration = Duration::from_secs(10);

/// Most of the output, in bytes, that is understood ahead of the driver: what has gathered while it waited for the disk becomes one
/// batch, and the larger a batch, the less a commit costs each event of it. A shim keeps twice as much ready, so neither waits for the
/// other; and what each read takes is far less, so this is passed by one read at most.
const AHEAD: u64 = 512 * 1024;

/// Time limits of a program's end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a program may stay alive after it was told that no further message comes.
    pub exit_grace: Duration,
    /// How long a program may take to end after TERM.
    pub grace: Duration,
}

/// The program of one run, and the files that its shim keeps.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Program {
    pub(in crate::agent) folder: ProcessFolder,
    pub(in crate::agent) marker: Marker,
    pub(in crate::agent) limits: Limits,
    /// What it is held to, for whoever asks.
    pub(in crate::agent) held_to: Option<RunLimits>,
}

/// Hands a shim that was just told to start a program to a task of its own.
pub(in crate::agent) fn start(
    program: Program,
    (orders, reports): (Orders, Reports),
    parser: Box<dyn Parser>,
    tasks: &TaskTracker,
) -> AgentHandle {
    let (handle, link) = link(Some(Leftovers::of_earlier_server(program.marker.clone())), program.held_to);
    let mut supervisor = Supervisor::new(program, OutputDecoder::new(parser), link);
    (supervisor.orders, supervisor.reports) = (Some(orders), Some(reports));
    supervisor.decoder.open();
    tasks.spawn(supervisor.run());
    handle
}

/// Finds a program again that an earlier server has started: alive with its shim, ended, or lost with it. `stored` is how far the
/// log has come, `has_memo` whether there was something to be remembered. `None` if no program was ever started, and none will be.
///
/// # Errors
/// A [`Failure`] if the memo is lost. Nothing of the output was read then: nobody would know what must not be shown of it.
pub(in crate::agent) async fn find_again(
    program: Program,
    parser: Box<dyn Parser>,
    stored: OutputCheckpoint,
    has_memo: bool,
    tasks: &TaskTracker,
) -> Result<Option<FoundAgent>, Failure> {
    let Some(found) = shim::find(&program.folder, &program.marker).await else { return Ok(None) };
    let memo = match &found {
        shim::Found::Alive { greeting, .. } => greeting.memo.clone(),
        shim::Found::Ended(_) | shim::Found::Lost(_) => String::new(),
    };
    if has_memo && memo.is_empty() {
        let message = "the process that kept the agent was killed while no server was there, and with it the values of env and \
                       mcp_servers are lost, which are kept nowhere else; without them nobody can tell what must be masked in \
                       the rest of its output";
        return Err(Failure::new(Cause::NodeLost, message));
    }
    let (handle, link) = link(Some(Leftovers::of_earlier_server(program.marker.clone())), program.held_to);
    tasks.spawn(async move {
        let folder = program.folder.clone();
        // Off the runtime's threads: a long output takes a while.
        let replayed = tokio::task::spawn_blocking(move || replay(&folder, parser, stored)).await;
        match replayed.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
            Ok(replayed) => Supervisor::found_again(program, found, replayed, link).run().await,
            Err(error) => {
                tracing::error!(run.id = program.marker.value(), %error, "an agent's output cannot be read again; it is ended");
                let remains = shim::end_leftovers(&program.folder, &program.marker).await;
                let failure = Failure::new(Cause::Storage, format!("the agent's output cannot be read again: {error}"));
                let end = AgentEnd { failure: Some(failure), left_behind: remains.count, ..AgentEnd::default() };
                let _ = link.updates.send(Update::Ended(end)).await;
            }
        }
    });
    Ok(Some(FoundAgent { handle, memo }))
}

struct Supervisor {
    program: Program,
    /// `None` once they could not be read.
    outputs: Option<Outputs>,
    orders: Option<Orders>,
    reports: Option<Reports>,
    decoder: OutputDecoder,
    /// What the voice has heard.
    checkpoint: OutputCheckpoint,
    /// What there is to hear.
    spooled: Spooled,
    /// What the driver has taken of it: bytes of stdout and stderr.
    taken: (u64, u64),
    /// What the shim was told that we have taken.
    told: (u64, u64),
    /// How often the shim has told of output since then, and how often it does so without an answer.
    news: u32,
    most_news: u32,
    stdin_open: bool,
    /// Its process has ended; what it started may still be there, and the shim sees to that.
    exited: bool,
    gone: Option<Gone>,
    /// The shim was told to end the program, with this grace.
    ending: Option<Duration>,
    /// The program is to be ended, with this grace, as soon as its turn is over.
    stop_after_turn: Option<Duration>,
    /// Why it is to be ended is written down.
    stop_noted: bool,
    finish: Finish,
    deadline: Option<Deadline>,
    /// What the driver has to know first.
    history: Option<Update>,
    link: Link,
}

/// There is no program any more.
enum Gone {
    /// The shim says how it ended.
    Ended(Box<ExitRecord>),
    /// The shim could not start it.
    NotStarted { message: String, shortage: bool },
    /// The shim was killed. This many processes of the run could not be ended.
    Lost(usize),
}

/// Whether it was told that no further message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    No,
    Asked,
    /// It was, stayed alive all the same, and was ended for that.
    Lingered,
}

/// What is to end by when.
#[derive(Clone, Copy)]
enum Deadline {
    /// The turn, after it was interrupted in order to stop the program.
    Interrupted(Instant),
    /// The program, after it was told that no message follows.
    Linger(Instant),
}

impl Deadline {
    fn at(self) -> Instant {
        match self {
            Self::Interrupted(at) | Self::Linger(at) => at,
        }
    }
}

impl Supervisor {
    fn new(program: Program, decoder: OutputDecoder, link: Link) -> Self {
        Self {
            outputs: Some(Outputs::new(program.folder.clone())),
            program,
            orders: None,
            reports: None,
            decoder,
            checkpoint: OutputCheckpoint::default(),
            spooled: Spooled::default(),
            taken: (0, 0),
            told: (0, 0),
            news: 0,
            most_news: 1,
            stdin_open: true,
            exited: false,
            gone: None,
            ending: None,
            stop_after_turn: None,
            stop_noted: false,
            finish: Finish::No,
            deadline: None,
            history: None,
            link,
        }
    }

    fn found_again(program: Program, found: shim::Found, replayed: Replayed, link: Link) -> Self {
        let mut this = Self::new(program, replayed.decoder, link);
        this.checkpoint = replayed.checkpoint;
        this.stdin_open = !replayed.closed;
        let called = |wanted: fn(&Command) -> bool| {
            replayed.history.iter().any(|history| matches!(history, HistoryEntry::Command(call) if wanted(call)))
        };
        this.stop_noted = called(|call| matches!(call, Command::Stop { .. }));
        let mut left = None;
        match found {
            shim::Found::Alive { orders, reports, greeting } => {
                (this.orders, this.reports) = (Some(orders), Some(reports));
                this.spooled = greeting.spooled;
                this.most_news = greeting.news;
                this.exited = greeting.exit.is_some();
                this.ending = (greeting.stopping == Some(StoppedBy::Order)).then_some(this.program.limits.grace);
                left = greeting.left_ms.map(|left| Duration::from_millis(left).saturating_sub(SLACK));
            }
            shim::Found::Ended(record) => this.ended(record),
            shim::Found::Lost(remains) => this.lost(remains.count),
        }
        if called(|call| matches!(call, Command::Finish)) {
            this.finish = Finish::Asked;
            this.deadline =
                Some(Deadline::Linger(Instant::now() + this.program.limits.exit_grace)).filter(|_| this.gone.is_none() && !this.exited);
        }
        this.history = Some(Update::Restored { history: replayed.history, checkpoint: this.checkpoint, left });
        this
    }

    async fn run(mut self) {
        let updates = self.link.updates.clone();
        if let Some(history) = self.history.take()
            && updates.send(history).await.is_err()
        {
            return self.abandon().await;
        }
        self.hear(None);
        self.tell_taken();
        while !self.is_over() {
            let deadline = self.deadline.map(Deadline::at);
            tokio::select! {
                permit = updates.reserve(), if self.decoder.has_items() => match permit {
                    Ok(permit) => {
                        permit.send(Update::Items { items: self.decoder.take_items(), checkpoint: self.checkpoint });
                        self.tell_taken();
                    }
                    Err(_driver_gone) => return self.abandon().await,
                },
                // Not read on when that much waits: the shim hears that we have taken no more, and that is the back-pressure.
                () = tokio::task::yield_now(), if self.may_read() => self.read(),
                report = next(&mut self.reports), if self.reports.is_some() => match report {
                    Some(report) => {
                        self.told(report);
                        // At once: what the shim tells of is there, and to be asked again by the loop would be a detour of its own.
                        if self.may_read() {
                            self.read();
                        }
                    }
                    None => self.connection_lost().await,
                },
                flushed = flush(&mut self.orders), if self.orders.as_ref().is_some_and(|orders| !orders.is_idle()) => if flushed.is_err() {
                    // What has become of the shim, its reports tell.
                    self.orders = None;
                },
                command = self.link.commands.recv() => match command {
                    Some(Control::Detach { done }) => {
                        self.detach().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.handle_command(command),
                    None => return self.abandon().await,
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => self.deadline_passed(),
            }
        }
        self.finish_and_exit().await;
    }

    /// The end is told when everything that was said before it was understood.
    fn is_over(&self) -> bool {
        self.gone.is_some() && !self.has_unread() && !self.decoder.has_items()
    }

    fn has_unread(&self) -> bool {
        let (read, there) = (&self.checkpoint, &self.spooled);
        read.out < there.out || read.err < there.err || there.out_ended && !read.out_ended || there.err_ended && !read.err_ended
    }

    fn may_read(&self) -> bool {
        self.has_unread() && self.ahead() < AHEAD
    }

    /// How much of the output was understood since the driver last took what came of it. Nothing, if nothing came of it.
    fn ahead(&self) -> u64 {
        self.checkpoint.out - self.taken.0 + (self.checkpoint.err - self.taken.1)
    }

    fn told(&mut self, report: Report) {
        match report {
            Report::Spooled(spooled) if self.outputs.is_some() => (self.spooled, self.news) = (spooled, self.news + 1),
            Report::Hello(greeting) => self.most_news = greeting.news,
            Report::Started { .. } | Report::Spooled(_) => {}
            Report::Exited { .. } => (self.exited, self.deadline) = (true, None),
            Report::NotStarted { message, shortage } => self.gone = Some(Gone::NotStarted { message, shortage }),
            Report::Ended(record) => self.ended(record),
        }
        if self.gone.is_some() {
            (self.orders, self.reports, self.deadline) = (None, None, None);
        }
    }

    /// Nothing of the program is left. What of its output is still unread is read yet.
    fn ended(&mut self, record: Box<ExitRecord>) {
        if self.outputs.is_some() {
            self.spooled = Spooled { out_ended: true, err_ended: true, ..record.spooled };
        }
        self.gone = Some(Gone::Ended(record));
    }

    fn lost(&mut self, left: usize) {
        if let Some((out, err)) = self.outputs.as_ref().map(Outputs::lengths) {
            self.spooled = Spooled { out, err, out_ended: true, err_ended: true };
        }
        self.gone = Some(Gone::Lost(left));
    }

    /// The shim has gone: at the end of its work, or somebody has killed it. Its agent dies with it, and what that has started is found.
    async fn connection_lost(&mut self) {
        (self.orders, self.reports, self.deadline) = (None, None, None);
        if let Some(record) = shim::exit_record(&self.program.folder) {
            return self.ended(record);
        }
        let run = self.program.marker.value();
        tracing::warn!(run.id = run, "the shim of a run has gone without a word; what is left of the run is killed");
        let remains = shim::end_leftovers(&self.program.folder, &self.program.marker).await;
        self.lost(remains.count);
    }

    /// Hears some more of the output.
    fn read(&mut self) {
        let Some(outputs) = &mut self.outputs else { return };
        let (checkpoint, there) = (&mut self.checkpoint, self.spooled);
        let mut read = Ok(());
        if checkpoint.out < there.out {
            read = outputs.read(Which::Out, checkpoint.out, there.out).map(|bytes| {
                checkpoint.out += bytes.len() as u64;
                self.decoder.stdout(bytes);
            });
        } else if there.out_ended && !checkpoint.out_ended {
            checkpoint.out_ended = true;
            self.decoder.end_of_output();
        }
        if read.is_ok() && checkpoint.err < there.err {
            read = outputs.read(Which::Err, checkpoint.err, there.err).map(|bytes| {
                checkpoint.err += bytes.len() as u64;
                self.decoder.stderr(bytes);
            });
        } else if there.err_ended && !checkpoint.err_ended {
            checkpoint.err_ended = true;
            self.decoder.end_of_stderr();
        }
        if let Err(error) = read {
            let failure = Failure::new(Cause::Storage, format!("the agent's output cannot be read: {error}"));
            self.decoder.output.items.push(Item::TurnEnded(Err(failure)));
            self.outputs = None;
            self.spooled = Spooled { out: self.checkpoint.out, err: self.checkpoint.err, ..Spooled::default() };
            self.end_program(self.program.limits.grace);
        }
        self.hear(None);
        if !self.decoder.has_items() {
            self.tell_taken();
        }
    }

    /// The driver has taken what was understood. The shim is told in time, before it would wait for that: to tell it each time would
    /// cost a lone event a quarter of its way, and the shim as much as the event itself.
    fn tell_taken(&mut self) {
        self.taken = (self.checkpoint.out, self.checkpoint.err);
        let due = self.news >= self.most_news.div_ceil(2) || self.taken.0 - self.told.0 >= LITTLE / 2;
        if due && self.taken != self.told {
            (self.told, self.news) = (self.taken, 0);
            self.order(&Order::Taken { out: self.taken.0, err: self.taken.1 });
        }
    }

    fn order(&mut self, order: &Order) {
        if let Some(orders) = &mut self.orders {
            orders.say(order);
        }
    }

    /// Sends what the parser wants said, with the call that it comes of.
    fn hear(&mut self, call: Option<&Command>) {
        if let Some(grace) = self.stop_after_turn.filter(|_| self.decoder.turn_is_over()) {
            self.stop_after_turn = None;
            self.deadline = None;
            self.end_program(grace);
        }
        let mut send = std::mem::take(&mut self.decoder.output.send);
        let close = std::mem::take(&mut self.decoder.output.close_stdin) || matches!(call, Some(Command::Finish));
        if !self.stdin_open {
            send.clear();
        }
        let close = close && self.stdin_open;
        self.stdin_open &= !close;
        if let Some(orders) = &mut self.orders
            && (call.is_some() || close || !send.is_empty())
        {
            // A call is made of texts and numbers only, which JSON can always say.
            let call = call.and_then(|call| serde_json::to_value(call).ok());
            orders.input(self.checkpoint.out, call, close, &send);
        }
    }

    /// Does something to the program, if it can be done now.
    fn call(&mut self, call: &Command) -> bool {
        let done = self.decoder.carry_out(call);
        if done {
            self.checkpoint.calls += 1;
            self.hear(Some(call));
        }
        done
    }

    fn handle_command(&mut self, command: Control) {
        match command {
            Control::Answer { request, answer } => {
                self.call(&Command::Answer { request, answer });
            }
            Control::Speak { text, how, done } => {
                let call = match how {
                    Delivery::NextTurn => Command::Message { text },
                    Delivery::IntoTurn => Command::Steer { text },
                };
                let _ = done.send(self.stdin_open && self.call(&call));
            }
            Control::Interrupt { done } => {
                let _ = done.send(self.stdin_open && self.call(&Command::Interrupt));
            }
            Control::Limit(left) => self.limit(left),
            Control::Finish => {
                if self.finish == Finish::No {
                    self.finish = Finish::Asked;
                    self.call(&Command::Finish);
                    if self.deadline.is_none() && !self.exited {
                        self.deadline = Some(Deadline::Linger(Instant::now() + self.program.limits.exit_grace));
                    }
                    self.limit(Some(self.program.limits.exit_grace));
                }
            }
            Control::Stop { reason, grace } => self.stop(reason, grace),
            Control::Detach { .. } => {} // the loop's own
        }
    }

    fn limit(&mut self, left: Option<Duration>) {
        self.order(&Order::Limit { left_ms: left.map(|left| millis(left + SLACK)) });
    }

    /// Interrupts first: an agent that ends its turn itself ends its tools, too, and keeps its conversation whole.
    fn stop(&mut self, reason: String, grace: Duration) {
        if !std::mem::replace(&mut self.stop_noted, true) {
            self.call(&Command::Stop { reason });
        }
        let may_ask = self.ending.is_none() && self.stop_after_turn.is_none() && !grace.is_zero() && self.stdin_open;
        if may_ask && self.call(&Command::Interrupt) {
            let patience = grace.min(INTERRUPT);
            self.stop_after_turn = Some(grace);
            self.deadline = Some(Deadline::Interrupted(Instant::now() + patience));
            // If this server dies now, the shim ends by itself what we have begun.
            self.limit(Some(patience));
        } else {
            self.end_program(grace);
        }
    }

    fn end_program(&mut self, grace: Duration) {
        if self.ending.is_none_or(|given| grace < given) {
            self.ending = Some(grace);
            self.order(&Order::Stop { grace_ms: millis(grace) });
        }
    }

    fn deadline_passed(&mut self) {
        match self.deadline.take() {
            Some(Deadline::Linger(_)) => {
                self.finish = Finish::Lingered;
                let exit_grace = self.program.limits.exit_grace.as_secs();
                let message = format!("the agent was still running {exit_grace} s after its result and was stopped");
                self.decoder.notice(Level::Warning, NoticeCode::ExitGraceExpired, message);
                self.end_program(self.program.limits.grace);
            }
            Some(Deadline::Interrupted(_)) => {
                let grace = self.stop_after_turn.take().unwrap_or_default();
                self.end_program(grace);
            }
            None => {}
        }
    }

    /// Tells how it all went.
    async fn finish_and_exit(mut self) {
        // Nobody is heard any more. A driver that waits for an answer must get none now: it may be us who wait for it below.
        self.link.commands.close();
        while self.link.commands.try_recv().is_ok() {}
        let mut end = AgentEnd { lingered: self.finish == Finish::Lingered, ..AgentEnd::default() };
        let mut leaked_pipe = false;
        match self.gone.take() {
            Some(Gone::Ended(record)) => {
                end.exit = record.exit;
                end.stderr_tail = record.stderr_tail;
                end.left_behind = record.left_behind;
                end.stopped_by = record.stopped_by;
                end.out_of_memory = record.out_of_memory;
                leaked_pipe = record.leaked_pipe;
            }
            Some(Gone::NotStarted { message, shortage }) => {
                let cause = if shortage { Cause::Storage } else { Cause::Crashed };
                end.failure = Some(Failure::new(cause, format!("the system started no process: {message}")));
            }
            Some(Gone::Lost(left)) => (end.lost, end.left_behind) = (true, left),
            None => {}
        }
        // Its work was done, and nobody was there to tell it so in time.
        if self.finish != Finish::No && end.stopped_by == Some(StoppedBy::Limit) {
            (end.stopped_by, end.lingered) = (None, true);
        }
        if leaked_pipe {
            let message = "the agent has exited, but something that it started held its output open and was stopped";
            self.decoder.notice(Level::Warning, NoticeCode::LeakedPipe, message);
        }
        if let Some(exit) = end.exit {
            self.decoder.parser.handle_exit(exit, &mut self.decoder.output);
        }
        if end.left_behind > 0 {
            let message = format!("{} processes of this run could not be ended", end.left_behind);
            self.decoder.notice(Level::Error, NoticeCode::LeftBehind, message);
        }
        end.items = self.decoder.take_items();
        if let Some(exit) = end.exit
            && !self.decoder.turn_ended
        {
            end.failure = not_started(exit, &end.stderr_tail).or_else(|| self.decoder.parser.diagnose(exit, &end.stderr_tail));
        }
        // A driver that has gone does not want to know.
        let _ = self.link.updates.send(Update::Ended(end)).await;
    }

    /// Leaves the program to its shim. What the shim was not told by now is found out again from the log.
    async fn detach(&mut self) {
        if let Some(orders) = &mut self.orders
            && tokio::time::timeout(LAST_ORDER, orders.flush()).await.is_err()
        {
            tracing::warn!(run.id = self.program.marker.value(), "a shim does not listen; its agent was let go all the same");
        }
    }

    /// The handle was dropped: nobody wants this agent any more.
    async fn abandon(mut self) {
        self.end_program(Duration::ZERO);
        let last_order = async {
            flush(&mut self.orders).await.ok()?;
            while let Some(report) = next(&mut self.reports).await {
                if matches!(report, Report::Ended(_) | Report::NotStarted { .. }) {
                    return Some(());
                }
            }
            None
        };
        if self.gone.is_none() && !matches!(tokio::time::timeout(LAST_ORDER, last_order).await, Ok(Some(()))) {
            shim::end_leftovers(&self.program.folder, &self.program.marker).await;
        }
    }
}

/// Our own launcher said that it could not become the agent.
fn not_started(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    let told = stderr_tail.lines().find(|line| line.starts_with(launch::COMPLAINT))?;
    (exit == Exit::Code(launch::NOT_STARTED)).then(|| Failure::new(Cause::NotInstalled, told))
}

/// The next report; `None` if the shim has gone, however.
async fn next(reports: &mut Option<Reports>) -> Option<Report> {
    match reports {
        Some(reports) => reports.next().await.unwrap_or(None),
        None => None,
    }
}

async fn flush(orders: &mut Option<Orders>) -> std::io::Result<()> {
    match orders {
        Some(orders) => orders.flush().await,
        None => Ok(()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
