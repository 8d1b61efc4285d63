//! A minimal server: starts a shim, sends commands and reads reports, synchronously.

use std::fs;
use std::io::{BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openrunner::process::Containment;
use openrunner::process::shim::{ExitRecord, Greeting, Identity, InputCommand, PROTOCOL, ProcessDir, Report, ShimCommand, StartCommand};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;

use crate::support::{carrying, is_alive};

/// Time limit of any wait: far more than needed on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A shim with its directories. Dropping it kills the shim, and with it the agent.
pub(super) struct TestShim {
    pub(super) shim: Child,
    pub(super) directory: ProcessDir,
    pub(super) work: TempDir,
    pub(super) marker: String,
    _home: TempDir,
}

impl TestShim {
    /// A shim without a start command.
    pub(super) fn new() -> (Self, TestServer) {
        Self::at("run", Command::new(env!("CARGO_BIN_EXE_openrunner")))
    }

    /// A shim that is started by `command` with a process directory of this name.
    pub(super) fn at(name: &str, mut command: Command) -> (Self, TestServer) {
        let (home, work) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
        let directory = home.path().canonicalize().expect("it is there").join(name);
        fs::create_dir_all(&directory).expect("a directory");
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let shim = command
            .arg("shim")
            .arg(&directory)
            .env_clear()
            .current_dir(work.path())
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shim");
        let marker = work.path().file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        (Self { shim, directory: ProcessDir::new(directory), work, marker, _home: home }, TestServer::new(ours))
    }

    /// Starts a shell with this script. Its `$0` is the scripted agent, which provides further processes.
    pub(super) fn script(&self, script: &str) -> StartCommand {
        StartCommand {
            program: "/bin/sh".to_owned(),
            args: ["-c", script, env!("CARGO_BIN_EXE_fake_agent")].map(str::to_owned).to_vec(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("ORN_RUN".into(), self.marker.clone())],
            umask: 0o022,
            marker: self.marker.clone(),
            max_out: 100_000_000,
            max_err: 1_000_000,
            left_ms: None,
            grace_ms: 10_000,
            containment: Containment::default(),
            handover: String::new(),
        }
    }

    /// A shim whose agent is a shell with this script.
    pub(super) fn running(script: &str) -> (Self, TestServer) {
        Self::running_with(script, |_| {})
    }

    /// The same with a modified start command.
    pub(super) fn running_with(script: &str, change: impl FnOnce(&mut StartCommand)) -> (Self, TestServer) {
        let (kept, mut peer) = Self::new();
        let mut order = kept.script(script);
        change(&mut order);
        peer.start(order);
        (kept, peer)
    }

    /// A later server, which has received the greeting.
    pub(super) fn connect(&self) -> (TestServer, Greeting) {
        let mut peer = self.connect_silently();
        peer.send(&ShimCommand::Hello { protocol: PROTOCOL });
        let greeting = peer.until(|report| match report {
            Report::Hello(greeting) => Some(greeting),
            _ => None,
        });
        (peer, greeting)
    }

    /// A connection that has sent nothing.
    pub(super) fn connect_silently(&self) -> TestServer {
        TestServer::new(UnixStream::connect(self.directory.socket()).expect("a shim listens"))
    }

    /// Waits for the exit of the shim and returns its exit record.
    pub(super) fn record(&mut self) -> ExitRecord {
        assert!(self.shim.wait().expect("a child").success());
        let record = serde_json::from_slice(&fs::read(self.directory.exit()).expect("a record")).expect("a whole record");
        assert_eq!(carrying(&self.marker), Vec::<i32>::new(), "nothing of the run is left");
        record
    }

    /// The stored output of the agent.
    pub(super) fn out(&self) -> String {
        fs::read_to_string(self.directory.out()).expect("text")
    }

    /// The journal.
    pub(super) fn journal(&self) -> Vec<InputCommand> {
        let journal = fs::read_to_string(self.directory.journal()).expect("text");
        journal.lines().map(|line| serde_json::from_str(line).expect("a call")).collect()
    }
}

impl Drop for TestShim {
    fn drop(&mut self) {
        if matches!(self.shim.try_wait(), Ok(None)) {
            let _ = self.shim.kill();
            let _ = self.shim.wait();
        }
        for pid in carrying(&self.marker) {
            let pid = rustix::process::Pid::from_raw(pid).expect("a process has a pid");
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// One connection to a shim.
pub(super) struct TestServer {
    stream: UnixStream,
    reports: BufReader<UnixStream>,
}

impl TestServer {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        Self { reports: BufReader::new(stream.try_clone().expect("a descriptor")), stream }
    }

    /// Sends hello and the start command.
    pub(super) fn start(&mut self, order: StartCommand) -> Identity {
        self.send(&ShimCommand::Hello { protocol: PROTOCOL });
        self.send(&ShimCommand::Start(Box::new(order)));
        self.until(|report| match report {
            Report::Started { agent } => Some(agent),
            Report::NotStarted { message, .. } => panic!("not started: {message}"),
            _ => None,
        })
    }

    pub(super) fn send(&mut self, order: &ShimCommand) {
        self.say_bytes(format!("{}\n", serde_json::to_string(order).expect("an order")).as_bytes());
    }

    pub(super) fn say_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the shim is there");
    }

    /// Sends bytes for the agent with a journal entry of this name.
    pub(super) fn input(&mut self, call: &str, bytes: &[u8], close: bool) {
        self.send(&ShimCommand::Input(InputCommand { at: 0, call: Some(call.into()), close, size: bytes.len() as u64 }));
        self.say_bytes(bytes);
    }

    /// Asks for the agent's stdout. Returns the length of its file, and the pipe. Skips all other reports.
    pub(super) fn borrow(&mut self) -> (u64, OwnedFd) {
        // What was received before the question contains no answer.
        let mut received = self.reports.buffer().to_vec();
        self.reports.consume(received.len());
        received.drain(..received.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1));
        self.send(&ShimCommand::Lend {});
        let mut pipe = None;
        loop {
            let mut byte = [0];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let count = recvmsg(&self.stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::empty()).expect("a report").bytes;
            assert_eq!(count, 1, "the shim is there");
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    pipe = descriptors.last();
                }
            }
            received.extend_from_slice(&byte);
            if !received.ends_with(b"\n") {
                continue;
            }
            if let Report::Lent { out, .. } = serde_json::from_slice(&received).expect("a report") {
                return (out, pipe.expect("the pipe comes with the report"));
            }
            received.clear();
        }
    }

    pub(super) fn stop(&mut self, grace_ms: u64) {
        self.send(&ShimCommand::Stop { grace_ms });
    }

    /// The next report; `None` if the shim closes the connection.
    pub(super) fn report(&mut self) -> Option<Report> {
        let mut line = String::new();
        self.reports.read_line(&mut line).expect("the shim says something in time");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("a report"))
    }

    /// Reads reports up to the one that matches, and acknowledges all output immediately.
    pub(super) fn until<T>(&mut self, mut found: impl FnMut(Report) -> Option<T>) -> T {
        loop {
            let report = self.report().expect("the shim is there");
            if let Report::Spooled(spooled) = &report {
                let ack = serde_json::to_string(&ShimCommand::Ack { out: spooled.out, err: spooled.err }).expect("an order");
                // A shim whose agent has ended may have exited after it sent this report.
                let _ = self.stream.write_all(format!("{ack}\n").as_bytes());
            }
            if let Some(found) = found(report) {
                return found;
            }
        }
    }

    /// Waits until stdout has this length.
    pub(super) fn until_out(&mut self, bytes: u64) {
        self.until(|report| matches!(report, Report::Spooled(spooled) if spooled.out >= bytes).then_some(()));
    }

    /// Waits until the agent has written this many lines, and returns all of them.
    pub(super) fn until_lines(&mut self, kept: &TestShim, count: usize) -> Vec<String> {
        while kept.out().lines().count() < count || !kept.out().ends_with('\n') {
            self.until(|report| matches!(report, Report::Spooled(_)).then_some(()));
        }
        kept.out().lines().map(str::to_owned).collect()
    }

    /// Waits for the end.
    pub(super) fn until_end(&mut self) -> ExitRecord {
        self.until(|report| match report {
            Report::Ended(record) => Some(*record),
            _ => None,
        })
    }

    /// Waits until the shim has closed the connection.
    pub(super) fn until_closed(&mut self) {
        // A reset is acceptable: the shim may exit with unread bytes.
        let _ = self.reports.read_to_end(&mut Vec::new());
    }
}

/// The pids that an agent printed on stdout.
pub(super) fn pids(lines: &[String]) -> Vec<i32> {
    lines.iter().map(|line| line.parse().expect("a pid")).collect()
}

/// Whether none of them is alive.
pub(super) fn all_gone(pids: &[i32]) -> bool {
    pids.iter().all(|pid| !is_alive(*pid))
}

/// Polls until the condition holds, where no event reports it: files of a process, or `/proc`.
pub(super) fn until(mut so: impl FnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < limit, "it has not come to be so");
        std::thread::yield_now();
    }
}
