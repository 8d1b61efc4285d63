//! Files that a later server relies on are durable before they count (`docs/adr/0005-one-shim-per-agent.md`). The system calls of server
//! and shim are observed with strace.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::support::{Server, live};

/// Whether processes can be traced here.
fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
    let can = traced.is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("SKIPPED: strace is missing or not permitted");
    }
    can
}

/// The system calls by which files become durable, of a server and the processes that it starts.
struct Trace {
    path: PathBuf,
    _strace: Child,
}

impl Trace {
    /// Traces a server from now on. Ends when dropped, or with the last process.
    async fn start(server: &Server) -> Self {
        let path = server.directory().join("trace");
        let mut strace = tokio::process::Command::new("strace");
        let pid = server.pid().to_string();
        strace.args(["-f", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-p", &pid, "-o"]).arg(&path);
        let mut strace = strace.stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("strace");
        let mut said = BufReader::new(strace.stderr.take().expect("a pipe")).lines();
        let attached = said.next_line().await.expect("a pipe").unwrap_or_default();
        assert!(attached.contains("attached"), "{attached}");
        // The pipe must stay open, since strace reports each process that it follows.
        #[expect(clippy::disallowed_methods, reason = "it ends with strace")]
        tokio::spawn(async move { while matches!(said.next_line().await, Ok(Some(_))) {} });
        Self { path, _strace: strace }
    }

    /// The numbers of the lines with one of these system calls and this text.
    fn lines(&self, calls: &[&str], text: &str) -> Vec<usize> {
        let trace = std::fs::read_to_string(&self.path).unwrap_or_default();
        let is_call = |line: &str| calls.iter().any(|call| line.contains(&format!(" {call}("))) && line.contains(text);
        trace.lines().enumerate().filter(|(_, line)| is_call(line)).map(|(number, _)| number).collect()
    }

    fn syncs(&self, path: &Path) -> Vec<usize> {
        self.lines(&["fsync", "fdatasync"], &format!("<{}>", path.display()))
    }

    /// When a file or directory was synced first.
    fn synced(&self, path: &Path) -> Option<usize> {
        self.syncs(path).first().copied()
    }

    /// When a file or directory was synced last.
    fn last_synced(&self, path: &Path) -> Option<usize> {
        self.syncs(path).last().copied()
    }

    /// When a file got this name last.
    fn last_renamed(&self, name: &str) -> Option<usize> {
        self.lines(&["rename", "renameat", "renameat2"], name).last().copied()
    }
}

#[test]
fn a_message_is_durable_in_the_journal_before_the_agent_receives_it() {
    if !can_trace() {
        return;
    }
    live(async {
        let server = Server::start().await;
        let trace = Trace::start(&server).await;
        let user = server.client("user").await;
        let id = user.script("say up\nresult one").await;
        assert_eq!(user.say(&id, "queue", "say received\nhang").await.status, 202);
        user.follow(&id).await.until_text("received").await;
        let runs = server.data().join("runs");
        for path in [runs.join(&id).join("calls"), runs.join(&id), runs] {
            assert!(trace.synced(&path).is_some(), "{} was not synced", path.display());
        }
    });
}

#[test]
fn the_end_of_an_agent_without_a_server_is_durable_after_everything_that_it_covers() {
    if !can_trace() {
        return;
    }
    live(async {
        let mut server = Server::start().await;
        let trace = Trace::start(&server).await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("say up\nwait {}\nsay more\nexit 3", go.display())).await;
        user.follow(&id).await.until_text("up").await;
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        std::fs::write(go, "").unwrap();
        let directory = server.data().join("runs").join(&id);
        // A first record says how the agent ended; the one that counts after a crash of the machine follows.
        let is_durable = || std::fs::read_to_string(directory.join("exit.json")).is_ok_and(|record| record.contains("\"durable\":true"));
        while !is_durable() || trace.last_synced(&directory) < trace.last_renamed("exit.json") {
            tokio::task::yield_now().await;
        }
        let recorded = trace.last_renamed("exit.json");
        for name in ["out", "calls", "task.json", "exit.unfinished"] {
            let synced = trace.synced(&directory.join(name));
            assert!(synced.is_some() && synced < recorded, "{name} was not synced before the end was recorded");
        }
        let server = server.again().start().await;
        assert_eq!(user.at(server.url()).end_of(&id).await["exit_code"], 3);
    });
}
