//! `openrunner acp`: an agent for editors, whose work is done by runs of a server.
//!
//! Rules: K3.

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::{Client, Server, Setup, live};

/// An editor that has started the command.
struct Editor {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Updates that were received, by their JSON.
    updates: Vec<Value>,
    next: u64,
}

impl Editor {
    /// Starts the command for an agent of this server, and initializes the protocol.
    async fn start(server: &Server, agent: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openrunner"));
        command.args(["acp", "--agent-type", agent, "--server", &server.url()]).env("HOME", server.directory());
        command.env("XDG_CONFIG_HOME", server.directory());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the command");
        let (stdin, stdout) = (child.stdin.take().expect("input"), child.stdout.take().expect("output"));
        let mut editor = Self { child, stdin, lines: BufReader::new(stdout).lines(), updates: Vec::new(), next: 0 };
        let initialized = editor.ask("initialize", json!({ "protocolVersion": 1, "clientCapabilities": {} })).await;
        assert_eq!((&initialized["protocolVersion"], &initialized["agentCapabilities"]["loadSession"]), (&json!(1), &json!(true)));
        editor
    }

    async fn write(&mut self, message: &Value) {
        self.stdin.write_all(format!("{message}\n").as_bytes()).await.expect("open input");
    }

    /// Sends a request, without waiting for its answer.
    async fn send(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    async fn notify(&mut self, method: &str, params: Value) {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// The next message that is no update.
    async fn message(&mut self) -> Value {
        loop {
            let line = self.lines.next_line().await.expect("output").expect("a line");
            let message: Value = serde_json::from_str(&line).expect("nothing but messages is printed");
            if message["method"] != "session/update" {
                return message;
            }
            self.updates.push(message["params"].clone());
        }
    }

    /// The result of a request, or its error.
    async fn answer(&mut self, id: u64) -> Value {
        let message = self.message().await;
        assert_eq!(message["id"], id, "{message}");
        if message["error"].is_null() { message["result"].clone() } else { message["error"].clone() }
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        self.answer(id).await
    }

    async fn new_session(&mut self, cwd: &std::path::Path) -> String {
        let created = self.ask("session/new", json!({ "cwd": cwd, "mcpServers": [] })).await;
        assert_eq!(created["modes"]["currentModeId"], "ask");
        created["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {created}")).to_owned()
    }

    async fn prompt(&mut self, session: &str, text: &str) -> u64 {
        self.send("session/prompt", json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] })).await
    }

    /// Answers the next permission request with the option of this kind, and returns the request.
    async fn decide(&mut self, kind: &str) -> Value {
        let request = self.message().await;
        assert_eq!(request["method"], "session/request_permission", "{request}");
        let options = request["params"]["options"].as_array().expect("options");
        let option = options.iter().find(|option| option["kind"] == kind).unwrap_or_else(|| panic!("no {kind}: {request}"));
        let outcome = json!({ "outcome": "selected", "optionId": option["optionId"] });
        self.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": { "outcome": outcome } })).await;
        request["params"].clone()
    }

    /// Reads until the agent has written this text.
    async fn until(&mut self, text: &str) {
        while !self.text().contains(text) {
            let line = self.lines.next_line().await.expect("output").expect("a line");
            let message: Value = serde_json::from_str(&line).expect("nothing but messages is printed");
            assert_eq!(message["method"], "session/update", "{message}");
            self.updates.push(message["params"].clone());
        }
    }

    /// The text of the agent.
    fn text(&self) -> String {
        let chunks = self.updates.iter().filter(|update| update["update"]["sessionUpdate"] == "agent_message_chunk");
        chunks.filter_map(|update| update["update"]["content"]["text"].as_str()).collect()
    }

    fn kinds(&self) -> Vec<&str> {
        self.updates.iter().filter_map(|update| update["update"]["sessionUpdate"].as_str()).collect()
    }
}

/// The newest run of the server.
async fn newest(user: &Client) -> Value {
    user.get("/api/runs?limit=1").await.body["items"][0].clone()
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn an_editor_prompts_an_agent_and_answers_its_permission_requests() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let directory = tempfile::tempdir().unwrap();
        let mut editor = Editor::start(&server, "demo").await;
        let session = editor.new_session(directory.path()).await;
        for (kind, exists) in [("reject_once", false), ("allow_once", true)] {
            let turn = editor.prompt(&session, "fast create note.txt").await;
            let asked = editor.decide(kind).await;
            assert_eq!((&asked["sessionId"], &asked["toolCall"]["kind"]), (&json!(session), &json!("edit")), "{asked}");
            assert_eq!(editor.answer(turn).await["stopReason"], "end_turn");
            assert_eq!(directory.path().join("note.txt").exists(), exists, "{kind}");
        }
        assert!(editor.kinds().contains(&"tool_call") && editor.kinds().contains(&"tool_call_update"), "{:?}", editor.kinds());
        // Both turns are runs of one session of the server, in the editor's directory.
        let runs = admin.get("/api/runs").await.body["items"].as_array().unwrap().clone();
        assert_eq!((runs.len(), &runs[0]["session_id"]), (2, &runs[1]["session_id"]));
        assert_eq!(runs[0]["working_dir"], directory.path().canonicalize().unwrap().to_str().unwrap());
        // Without asking, in another mode.
        editor.ask("session/set_mode", json!({ "sessionId": session, "modeId": "auto" })).await;
        let turn = editor.prompt(&session, "fast create other.txt").await;
        assert_eq!(editor.answer(turn).await["stopReason"], "end_turn");
        drop(editor.stdin);
        assert!(editor.child.wait().await.unwrap().success());
    });
}

#[test]
fn a_cancel_ends_the_turn_and_its_run() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let directory = tempfile::tempdir().unwrap();
        let mut editor = Editor::start(&server, "claude_code").await;
        let session = editor.new_session(directory.path()).await;
        let turn = editor.prompt(&session, "say up\nwait-for-interrupt").await;
        editor.until("up").await;
        editor.notify("session/cancel", json!({ "sessionId": session })).await;
        assert_eq!(editor.answer(turn).await["stopReason"], "cancelled");
        assert_eq!(newest(&admin).await["status"], "cancelled");
        // A cancel can overtake the creation of the run.
        let turn = editor.prompt(&session, "hang").await;
        editor.notify("session/cancel", json!({ "sessionId": session })).await;
        assert_eq!(editor.answer(turn).await["stopReason"], "cancelled");
        // A failed run is an error, and the session goes on.
        let turn = editor.prompt(&session, "say half\nexit 3").await;
        assert!(editor.answer(turn).await["message"].as_str().unwrap().contains("crashed"));
        let turn = editor.prompt(&session, "say fine\nresult fine").await;
        assert_eq!(editor.answer(turn).await["stopReason"], "end_turn");
    });
}

#[test]
fn a_session_is_loaded_with_all_its_updates_by_another_process() {
    live(async {
        let server = Server::start().await;
        let directory = tempfile::tempdir().unwrap();
        let mut first = Editor::start(&server, "demo").await;
        let session = first.new_session(directory.path()).await;
        for text in ["fast think and say one", "fast plan and say two"] {
            let turn = first.prompt(&session, text).await;
            assert_eq!(first.answer(turn).await["stopReason"], "end_turn");
        }
        let mut second = Editor::start(&server, "demo").await;
        let loaded = second.ask("session/load", json!({ "sessionId": session, "cwd": directory.path(), "mcpServers": [] })).await;
        assert!(loaded["modes"].is_object(), "{loaded}");
        let of_user = |update: &&Value| update["update"]["sessionUpdate"] == "user_message_chunk";
        let prompts: Vec<_> = second.updates.iter().filter(of_user).map(|update| update["update"]["content"]["text"].clone()).collect();
        assert_eq!(prompts, ["fast think and say one", "fast plan and say two"]);
        let rest: Vec<_> = second.updates.iter().filter(|update| !of_user(update)).collect();
        assert_eq!(rest, first.updates.iter().collect::<Vec<_>>(), "the updates are those of the log");
        // From a position that the editor knows.
        let position = &first.updates[first.updates.len() / 2]["_meta"]["openrunner"];
        let mut third = Editor::start(&server, "demo").await;
        let after = json!({ "openrunner": { "after": position } });
        third.ask("session/load", json!({ "sessionId": session, "cwd": directory.path(), "mcpServers": [], "_meta": after })).await;
        let all = first.updates.iter().skip_while(|update| &update["_meta"]["openrunner"] != position).skip(1);
        let rest: Vec<_> = third.updates.iter().filter(|update| !of_user(update)).collect();
        assert_eq!(rest, all.collect::<Vec<_>>());
        // And its memory goes on.
        let turn = third.prompt(&session, "fast recall").await;
        assert_eq!(third.answer(turn).await["stopReason"], "end_turn");
        assert!(third.text().contains("say one"), "{}", third.text());
        let unknown = third.ask("session/load", json!({ "sessionId": "none", "cwd": "/", "mcpServers": [] })).await;
        assert_eq!(unknown["code"], -32002);
    });
}

#[test]
fn a_turn_survives_kill_9_of_the_server_and_of_the_command() {
    live(async {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let mut server = Setup::new().on_socket(&listener).start().await;
        let directory = tempfile::tempdir().unwrap();
        let mut editor = Editor::start(&server, "claude_code").await;
        let session = editor.new_session(directory.path()).await;
        let turn = editor.prompt(&session, "pace 600 100\nresult done").await;
        editor.until("50 ").await;
        server.signal(Signal::KILL);
        server.ended().await;
        let server = server.again().start().await;
        editor.until("200 ").await;
        // The editor dies with its command; the run goes on.
        editor.child.kill().await.unwrap();
        let (seen, _turn) = (numbers(&editor.text()), turn);
        assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "every event arrives once");
        let mut again = Editor::start(&server, "claude_code").await;
        again.ask("session/load", json!({ "sessionId": session, "cwd": directory.path(), "mcpServers": [] })).await;
        again.until("600").await;
        assert_eq!(numbers(&again.text()), (1..=600).collect::<Vec<_>>());
    });
}

#[test]
fn a_request_that_is_open_when_a_session_is_loaded_is_shown_again() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let directory = tempfile::tempdir().unwrap();
        let mut editor = Editor::start(&server, "demo").await;
        let session = editor.new_session(directory.path()).await;
        editor.prompt(&session, "fast create note.txt").await;
        assert_eq!(editor.message().await["method"], "session/request_permission");
        editor.child.kill().await.unwrap();
        let mut again = Editor::start(&server, "demo").await;
        again.ask("session/load", json!({ "sessionId": session, "cwd": directory.path(), "mcpServers": [] })).await;
        again.decide("allow_once").await;
        let run = newest(&admin).await["run_id"].as_str().unwrap().to_owned();
        assert_eq!(admin.end_of(&run).await["status"], "completed");
        assert!(directory.path().join("note.txt").exists());
    });
}

#[test]
fn messages_that_are_not_understood_are_errors_and_end_nothing() {
    live(async {
        let server = Server::start().await;
        let mut editor = Editor::start(&server, "demo").await;
        editor.stdin.write_all(b"{not json\n\n").await.unwrap();
        assert_eq!(editor.message().await["error"]["code"], -32700);
        assert_eq!(editor.ask("session/fork", json!({})).await["code"], -32601);
        assert_eq!(editor.ask("session/new", json!({})).await["code"], -32602);
        let turn = editor.prompt("none", "hello").await;
        assert_eq!(editor.answer(turn).await["code"], -32002);
        let session = editor.new_session(std::path::Path::new("relative")).await;
        let turn = editor.prompt(&session, "hello").await;
        let error = editor.answer(turn).await;
        assert!(error["message"].as_str().unwrap().contains("absolute path"), "{error}");
    });
}
