//! Programs whose shim is dead, out of reach, or behind a broken connection, and process directories that a crash has damaged.
//!
//! Rules: K1, K3.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::TaskTracker;

use super::connection::{Connection, Event};
use super::program::{GracePeriods, RunningProgram, reattach, start};
use super::{AgentEnd, AgentHandle, Delivery, Logged, MessageDigest, Restrictions, Update};
use crate::agent::{Item, LineOutcome, Message, Output, Parser};
use crate::process::shim::{ExitRecord, Greeting, PROTOCOL, ProcessDir, ProcessRecord, Report, ShimCommand, Spooled};
use crate::process::testing::sleeper;
use crate::process::{Exit, Identity, Marker};
use crate::types::{OutputCheckpoint, StreamEvent};

/// Emits every line, ends its turn at `end`, and passes messages on.
struct Lines;

impl Parser for Lines {
    fn reads_json(&self) -> bool {
        false
    }

    fn open(&mut self, out: &mut Output) {
        out.send.extend_from_slice(b"prompt\n");
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        out.emit_raw(line)
    }

    fn steer(&mut self, message: &Message, out: &mut Output) -> bool {
        out.send.extend_from_slice(format!("{}\n", message.text).as_bytes());
        true
    }
}

const OUTPUT: &[u8] = b"one\ntwo\nthree\n";
const JOURNAL: &[u8] = b"{\"at\":0,\"size\":7}\n{\"at\":4,\"call\":{\"steer\":{\"text\":\"more\"}},\"size\":5}\n{\"at\":8,\"size\":2}\n";
/// The log covers two lines and the message.
const STORED: OutputCheckpoint = OutputCheckpoint { out: 8, err: 0, out_ended: false, err_ended: false, calls: 1 };

fn program(dir: &Path) -> RunningProgram {
    let second = Duration::from_secs(1);
    let marker = Marker::new(format!("handle tests {}", dir.display()));
    RunningProgram {
        dir: ProcessDir::new(dir.to_owned()),
        marker,
        grace: GracePeriods { exit: second, stop: second },
        restrictions: Restrictions::default(),
        inputs: None,
    }
}

/// A process that has exited.
fn dead() -> Identity {
    Identity { pid: i32::MAX, started: 1 }
}

fn process_record(boot: Option<&str>) -> ProcessRecord {
    ProcessRecord { protocol: PROTOCOL, shim: dead(), agent: dead(), group: None, boot: boot.map(str::to_owned) }
}

fn exit_record(boot: Option<&str>, durable: bool) -> ExitRecord {
    ExitRecord {
        exit: Some(Exit::Code(0)),
        spooled: Spooled { out: OUTPUT.len() as u64, ..Spooled::default() },
        boot: boot.map(str::to_owned),
        durable,
        ..ExitRecord::default()
    }
}

fn write_record(path: &Path, record: &impl serde::Serialize) {
    std::fs::write(path, serde_json::to_vec(record).unwrap()).unwrap();
}

/// The files of a run whose shim has ended with its agent, in an earlier boot so that no processes are looked for.
fn ended_run(durable: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let files = ProcessDir::new(dir.path().to_owned());
    std::fs::write(files.out(), OUTPUT).unwrap();
    std::fs::write(files.err(), b"").unwrap();
    std::fs::write(files.journal(), JOURNAL).unwrap();
    write_record(&files.identity(), &process_record(Some("an earlier boot")));
    write_record(&files.exit(), &exit_record(Some("an earlier boot"), durable));
    dir
}

/// What the driver gets of a reattached program: the lines that are new, the commands that the agent has received, and the end.
async fn updates(dir: &Path, stored: OutputCheckpoint) -> Option<(Vec<String>, usize, AgentEnd)> {
    let logged = Logged { checkpoint: stored, ..Logged::default() };
    let agent = reattach(program(dir), Box::new(Lines), logged, false, &TaskTracker::new()).await.unwrap()?;
    let (mut handle, mut lines, mut commands) = (agent.handle, Vec::new(), 0);
    let mut add = |item| match item {
        Item::Event(StreamEvent::Raw { line }) => lines.push(line),
        other => panic!("{other:?}"),
    };
    loop {
        match handle.next().await {
            Update::Restored { history, .. } => {
                assert!(history.steered.iter().all(|text| *text == MessageDigest::of("more", None)), "{history:?}");
                commands += history.steered.len();
                history.new_items.into_iter().for_each(&mut add);
            }
            Update::Items { items, .. } => items.into_iter().for_each(&mut add),
            Update::Activity => {}
            Update::Ended(end) => return Some((lines, commands, end)),
        }
    }
}

#[tokio::test]
async fn a_durable_exit_record_of_an_earlier_boot_counts_and_another_one_does_not() {
    let (lines, commands, end) = updates(ended_run(true).path(), STORED).await.unwrap();
    assert_eq!((lines, commands, end.exit, end.lost), (vec!["three".to_owned()], 1, Some(Exit::Code(0)), None));
    let (lines, commands, end) = updates(ended_run(false).path(), STORED).await.unwrap();
    assert_eq!((lines, commands, end.exit), (vec!["three".to_owned()], 1, None), "what is there is read");
    assert!(end.lost.is_some());
    // In the same boot nothing is lost with a process.
    let dir = ended_run(false);
    write_record(&ProcessDir::new(dir.path().to_owned()).exit(), &exit_record(None, false));
    assert_eq!(updates(dir.path(), STORED).await.unwrap().2.exit, Some(Exit::Code(0)));
}

#[tokio::test]
async fn output_that_is_truncated_anywhere_is_never_repeated_and_is_the_end_of_a_lost_agent() {
    for durable in [true, false] {
        for length in 0..=OUTPUT.len() {
            let dir = ended_run(durable);
            let file = File::options().write(true).open(ProcessDir::new(dir.path().to_owned()).out()).unwrap();
            file.set_len(length as u64).unwrap();
            let (lines, commands, end) = updates(dir.path(), STORED).await.unwrap();
            let rest = OUTPUT.get(usize::try_from(STORED.out).unwrap()..length).unwrap_or_default();
            let expected: Vec<&str> = std::str::from_utf8(rest).unwrap().lines().collect();
            assert_eq!((lines, commands), (expected.iter().map(|line| (*line).to_owned()).collect(), 1), "{length} bytes");
            let is_complete = durable && length == OUTPUT.len();
            assert_eq!((end.lost.is_none(), end.exit.is_some()), (is_complete, is_complete), "{length} bytes: {end:?}");
            assert_eq!(end.failure, None, "the disk is not at fault");
        }
    }
}

#[tokio::test]
async fn a_journal_that_is_truncated_anywhere_never_gives_the_parser_another_history() {
    let stored_call = JOURNAL.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let call_end = stored_call + JOURNAL[stored_call..].iter().position(|byte| *byte == b'\n').unwrap();
    for length in 0..=JOURNAL.len() {
        let dir = ended_run(true);
        File::options().write(true).open(ProcessDir::new(dir.path().to_owned()).journal()).unwrap().set_len(length as u64).unwrap();
        let (lines, commands, end) = updates(dir.path(), STORED).await.unwrap();
        // The command is complete without its newline.
        let has_command = length >= call_end;
        assert_eq!(commands, usize::from(has_command), "{length} bytes");
        assert_eq!((end.lost.is_none(), lines.len()), (has_command, usize::from(has_command)), "{length} bytes: {end:?}");
    }
}

#[tokio::test]
async fn records_that_are_truncated_anywhere_leave_a_lost_agent_or_no_trace_of_one() {
    let dir = ended_run(true);
    let files = ProcessDir::new(dir.path().to_owned());
    let (process, exit) = (std::fs::read(files.identity()).unwrap(), std::fs::read(files.exit()).unwrap());
    for length in 0..exit.len() {
        std::fs::write(files.exit(), &exit[..length]).unwrap();
        let (lines, _, end) = updates(dir.path(), STORED).await.unwrap();
        assert_eq!((lines, end.exit), (vec!["three".to_owned()], None));
        assert!(end.lost.is_some(), "{length} bytes");
    }
    std::fs::remove_file(files.exit()).unwrap();
    for length in [0, 1, process.len() / 2, process.len() - 1] {
        std::fs::create_dir_all(dir.path()).unwrap();
        std::fs::write(files.identity(), &process[..length]).unwrap();
        assert!(updates(dir.path(), STORED).await.is_none(), "{length} bytes");
        assert!(!dir.path().exists(), "a shim that is only starting finds no directory");
    }
}

/// The shim's side of a connection.
struct TestShim {
    reader: BufReader<tokio::net::unix::OwnedReadHalf>,
    writer: tokio::net::unix::OwnedWriteHalf,
}

impl TestShim {
    fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer }
    }

    /// The next command, with the bytes of an input.
    async fn command(&mut self) -> (ShimCommand, Vec<u8>) {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.unwrap();
        let command = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let mut bytes = Vec::new();
        if let ShimCommand::Input(input) = &command {
            bytes.resize(usize::try_from(input.size).unwrap(), 0);
            self.reader.read_exact(&mut bytes).await.unwrap();
        }
        (command, bytes)
    }

    /// The next input, after any other commands.
    async fn input(&mut self) -> String {
        loop {
            if let (ShimCommand::Input(_), bytes) = self.command().await {
                return String::from_utf8(bytes).unwrap();
            }
        }
    }

    async fn report(&mut self, report: &Report) {
        let line = serde_json::to_string(report).unwrap() + "\n";
        self.writer.write_all(line.as_bytes()).await.unwrap();
    }

    async fn greet(&mut self, spooled: Spooled) {
        self.greet_as(spooled, false).await;
    }

    async fn greet_as(&mut self, spooled: Spooled, lends: bool) {
        assert!(matches!(self.command().await.0, ShimCommand::Hello { .. }));
        let greeting = Greeting {
            protocol: PROTOCOL,
            agent: Some(dead()),
            exit: None,
            left_ms: None,
            stopping: None,
            spooled,
            handover: String::new(),
            reports_before_ack: 8,
            lends,
        };
        self.report(&Report::Hello(greeting)).await;
    }
}

/// A running program whose shim is this test, and the directory with its socket.
fn running() -> (AgentHandle, TestShim, UnixListener, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path());
    // The shim of this process directory is alive as long as this test is.
    let shim = Identity::of(std::process::id().cast_signed()).unwrap();
    write_record(&program.dir.identity(), &ProcessRecord { shim, ..process_record(None) });
    let listener = UnixListener::bind(program.dir.socket()).unwrap();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    for stream in [&ours, &theirs] {
        stream.set_nonblocking(true).unwrap();
    }
    let shim = crate::process::shim::begin(UnixStream::from_std(ours).unwrap());
    let handle = start(program, shim, Box::new(Lines), &TaskTracker::new());
    (handle, TestShim::new(UnixStream::from_std(theirs).unwrap()), listener, dir)
}

fn append(path: &Path, text: &str) {
    File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_broken_connection_is_re_established_without_losing_or_repeating_anything() {
    let (mut handle, mut shim, listener, dir) = running();
    let files = ProcessDir::new(dir.path().to_owned());
    shim.greet(Spooled::default()).await;
    assert_eq!(shim.input().await, "prompt\n");
    append(&files.journal(), "{\"at\":0,\"size\":7}\n");
    append(&files.out(), "one\n");
    let spooled = |out| Spooled { out, ..Spooled::default() };
    shim.report(&Report::Spooled(spooled(4))).await;
    assert!(matches!(handle.next().await, Update::Items { checkpoint: OutputCheckpoint { out: 4, .. }, .. }));
    handle.set_time_limit(Some(Duration::from_secs(100))).await;
    assert!(handle.send_message("recorded".into(), Delivery::IntoTurn).await.unwrap());
    assert!(handle.send_message("sent".into(), Delivery::IntoTurn).await.unwrap());
    assert_eq!((shim.input().await, shim.input().await), ("recorded\n".to_owned(), "sent\n".to_owned()));
    // The shim has recorded only the first message when the connection breaks, and the output grows meanwhile.
    append(&files.journal(), "{\"at\":4,\"call\":\"interrupt\",\"size\":9}\n");
    drop(shim);
    append(&files.out(), "two\n");
    assert!(handle.send_message("unsent".into(), Delivery::IntoTurn).await.unwrap(), "commands are accepted while it is broken");
    let mut shim = TestShim::new(listener.accept().await.unwrap().0);
    shim.greet(spooled(8)).await;
    assert_eq!(shim.command().await.0, ShimCommand::Ack { out: 4, err: 0 });
    assert!(matches!(shim.command().await.0, ShimCommand::SetTimeLimit { left_ms: Some(left) } if left <= 105_000));
    assert_eq!((shim.input().await, shim.input().await), ("sent\n".to_owned(), "unsent\n".to_owned()));
    match handle.next().await {
        Update::Items { items, checkpoint } => {
            assert_eq!(items, [Item::Event(StreamEvent::Raw { line: "two".to_owned() })]);
            assert_eq!(checkpoint, OutputCheckpoint { out: 8, calls: 3, ..OutputCheckpoint::default() });
        }
        other => panic!("{other:?}"),
    }
    // Once more, while the agent is to be stopped.
    handle.stop("cancel".to_owned(), Duration::from_secs(7)).await;
    while shim.command().await.0 != (ShimCommand::Stop { grace_ms: 7000 }) {}
    drop(shim);
    let mut shim = TestShim::new(listener.accept().await.unwrap().0);
    shim.greet(spooled(8)).await;
    while shim.command().await.0 != (ShimCommand::Stop { grace_ms: 7000 }) {}
    shim.report(&Report::Ended(Box::new(ExitRecord { exit: Some(Exit::Signal(15)), spooled: spooled(8), ..ExitRecord::default() }))).await;
    match handle.next().await {
        Update::Ended(end) => assert_eq!((end.exit, end.lost), (Some(Exit::Signal(15)), None)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_exit_record_that_was_written_while_the_connection_was_broken_is_found() {
    let (mut handle, mut shim, listener, dir) = running();
    shim.greet(Spooled::default()).await;
    drop(listener);
    write_record(&ProcessDir::new(dir.path().to_owned()).exit(), &ExitRecord { exit: Some(Exit::Code(3)), ..ExitRecord::default() });
    drop(shim);
    match handle.next().await {
        Update::Ended(end) => assert_eq!((end.exit, end.lost), (Some(Exit::Code(3)), None)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_living_shim_that_cannot_be_reached_is_waited_for_until_its_agent_is_to_stop() {
    let (mut handle, mut shim, listener, dir) = running();
    let files = ProcessDir::new(dir.path().to_owned());
    shim.greet(Spooled::default()).await;
    let (mut process, identity) = sleeper("out of reach");
    write_record(&files.identity(), &ProcessRecord { shim: identity, ..process_record(None) });
    drop((listener, shim));
    let hour = Duration::from_hours(1);
    assert!(tokio::time::timeout(hour, handle.next()).await.is_err(), "the run goes on");
    handle.stop("cancel".to_owned(), Duration::ZERO).await;
    match handle.next().await {
        Update::Ended(end) => assert!(end.lost.is_some()),
        other => panic!("{other:?}"),
    }
    assert!(!process.wait().unwrap().success(), "it was killed");
}

#[tokio::test]
async fn input_is_kept_only_until_it_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let program = program(dir.path());
    let mut connection = Connection::new(program.dir.clone(), program.marker, Some(crate::process::shim::begin(ours)), 0);
    let mut shim = TestShim::new(theirs);
    connection.input(0, None, false, vec![b'x'; 100_000]);
    let journal = program.dir.journal();
    let (event, ()) = tokio::join!(connection.event(), async {
        shim.input().await;
        append(&journal, "{\"at\":0,\"size\":100000}\n");
        shim.report(&Report::Spooled(Spooled::default())).await;
    });
    assert!(matches!(event, Event::Report(_)));
    assert_eq!(connection.unconfirmed_bytes(), 0);
    drop(shim);
    assert!(matches!(connection.event().await, Event::Broken));
    assert!(connection.is_open() && connection.is_broken());
    connection.close();
    assert!(!connection.is_open());
}

/// Sends the pipe of the agent's stdout along with a report.
#[cfg(target_os = "linux")]
fn lend(shim: &TestShim, pipe: &std::io::PipeReader, out: u64) {
    use std::os::fd::AsFd as _;

    let line = serde_json::to_string(&Report::Lent { out, max_out: 1000 }).unwrap() + "\n";
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
    let descriptors = [pipe.as_fd()];
    assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(&descriptors)));
    let stream: &UnixStream = shim.writer.as_ref();
    let bytes = [std::io::IoSlice::new(line.as_bytes())];
    assert_eq!(rustix::net::sendmsg(stream, &bytes, &mut control, rustix::net::SendFlags::empty()).unwrap(), line.len());
}

#[cfg(target_os = "linux")]
async fn lines_of(handle: &mut AgentHandle, count: usize) -> (Vec<String>, u64) {
    let (mut lines, mut out) = (Vec::new(), 0);
    while lines.len() < count {
        if let Update::Items { items, checkpoint } = handle.next().await {
            out = checkpoint.out;
            lines.extend(items.into_iter().map(|item| match item {
                Item::Event(StreamEvent::Raw { line }) => line,
                other => panic!("{other:?}"),
            }));
        }
    }
    (lines, out)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn output_that_a_shim_lends_is_moved_decoded_and_returned_when_the_agent_exits() {
    let (mut handle, mut shim, _listener, dir) = running();
    let files = ProcessDir::new(dir.path().to_owned());
    append(&files.out(), "zero\n");
    shim.greet_as(Spooled::default(), true).await;
    assert_eq!(shim.input().await, "prompt\n");
    shim.report(&Report::Started { agent: dead() }).await;
    assert_eq!(shim.command().await.0, ShimCommand::Lend {});
    let (pipe, mut agent) = std::io::pipe().unwrap();
    lend(&shim, &pipe, 5);
    assert_eq!(lines_of(&mut handle, 1).await, (vec!["zero".to_owned()], 5), "what the shim had stored");
    for line in ["one\n", "two\n"] {
        agent.write_all(line.as_bytes()).unwrap();
        assert_eq!(lines_of(&mut handle, 1).await.0, [line.trim_end()]);
    }
    assert_eq!(std::fs::read(files.out()).unwrap(), b"zero\none\ntwo\n");
    // A late report of the shim, which does not know the length, takes nothing back.
    shim.report(&Report::Spooled(Spooled { out: 5, err: 0, ..Spooled::default() })).await;
    agent.write_all(b"three\n").unwrap();
    assert_eq!(lines_of(&mut handle, 1).await, (vec!["three".to_owned()], 19));
    shim.report(&Report::Exited { exit: Exit::Code(0) }).await;
    while shim.command().await.0 != (ShimCommand::Return {}) {}
    assert_eq!(shim.command().await.0, ShimCommand::Ack { out: 19, err: 0 }, "or the shim would take the server to be behind");
    agent.write_all(b"four\n").unwrap();
    drop(agent);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut &pipe, &mut rest).unwrap();
    assert_eq!(rest, "four\n", "the shim handles the end");
    append(&files.out(), &rest);
    let spooled = Spooled { out: 24, out_ended: true, err_ended: true, ..Spooled::default() };
    shim.report(&Report::Ended(Box::new(ExitRecord { exit: Some(Exit::Code(0)), spooled, ..ExitRecord::default() }))).await;
    assert_eq!(lines_of(&mut handle, 1).await, (vec!["four".to_owned()], 24));
    assert!(matches!(handle.next().await, Update::Ended(_)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn lent_output_is_no_longer_touched_when_the_connection_to_the_shim_has_ended() {
    let (mut handle, mut shim, listener, dir) = running();
    let files = ProcessDir::new(dir.path().to_owned());
    append(&files.out(), "");
    shim.greet_as(Spooled::default(), true).await;
    shim.report(&Report::Started { agent: dead() }).await;
    while shim.command().await.0 != (ShimCommand::Lend {}) {}
    let (pipe, mut agent) = std::io::pipe().unwrap();
    lend(&shim, &pipe, 0);
    agent.write_all(b"one\n").unwrap();
    assert_eq!(lines_of(&mut handle, 1).await.0, ["one"]);
    drop(shim);
    let mut shim = TestShim::new(listener.accept().await.unwrap().0);
    agent.write_all(b"two\n").unwrap();
    let mut two = [0; 4];
    std::io::Read::read_exact(&mut &pipe, &mut two).unwrap();
    append(&files.out(), "two\n");
    shim.greet_as(Spooled { out: 8, ..Spooled::default() }, true).await;
    assert_eq!(lines_of(&mut handle, 1).await, (vec!["two".to_owned()], 8));
    while shim.command().await.0 != (ShimCommand::Lend {}) {}
    lend(&shim, &pipe, 8);
    agent.write_all(b"three\n").unwrap();
    assert_eq!(lines_of(&mut handle, 1).await, (vec!["three".to_owned()], 14));
    assert_eq!(std::fs::read(files.out()).unwrap(), b"one\ntwo\nthree\n");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_shim_of_an_earlier_release_is_not_asked_for_its_output() {
    let (mut handle, mut shim, _listener, dir) = running();
    let files = ProcessDir::new(dir.path().to_owned());
    shim.greet(Spooled::default()).await;
    assert_eq!(shim.input().await, "prompt\n");
    shim.report(&Report::Started { agent: dead() }).await;
    for round in 1..=4 {
        append(&files.out(), "line\n");
        shim.report(&Report::Spooled(Spooled { out: 5 * round, ..Spooled::default() })).await;
        assert_eq!(lines_of(&mut handle, 1).await, (vec!["line".to_owned()], 5 * round));
    }
    assert_eq!(shim.command().await.0, ShimCommand::Ack { out: 20, err: 0 }, "the first command since the prompt");
}
