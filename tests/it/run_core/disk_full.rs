//! A full disk at every step of a run's life: every request is answered, nothing that was acknowledged is lost, and the server recovers by
//! itself.
//!
//! Rules: W5.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::run_of;
use crate::support::{Answer, Client, Disk, Received, Receiver, Server, Setup, assert_dense, carrying, last, live, of};

/// Time limit of one request on a full disk. The goal is 2 s; debug builds on a busy machine get more.
const LIMIT: Duration = Duration::from_secs(10);

/// Time during which the disk is full at least: long enough that a warning per second would be noticed.
const OUTAGE: Duration = Duration::from_secs(3);

const MEGABYTES: u32 = 24;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server on a small disk.
struct SmallDisk {
    server: Server,
    user: Client,
    admin: Client,
    /// An ended run.
    ended: String,
    /// Dropped last: the server's files are on it.
    disk: Disk,
}

/// What was acknowledged while the disk was full.
#[derive(Default)]
struct Acknowledged {
    runs: Vec<String>,
    users: Vec<String>,
    keys: Vec<String>,
    deleted: Vec<String>,
}

impl SmallDisk {
    /// Starts a server; `None` if nothing can be mounted here.
    async fn start(setup: Setup) -> Option<Self> {
        let disk = Disk::mount(&setup.directory().join("data"), MEGABYTES)?;
        let server = setup.start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let ended = user.script("flood 1000\nresult done").await;
        user.end_of(&ended).await;
        Some(Self { server, user, admin, ended, disk })
    }

    /// A path outside the disk, for which a script can wait.
    fn flag(&self, name: &str) -> PathBuf {
        self.server.directory().join(name)
    }

    /// Fills the disk, does `step`, calls every endpoint about this run, frees the disk, and waits until the server has recovered. Then
    /// nothing that was acknowledged may be missing. Returns the result of the step.
    async fn outage<T>(&self, run: &str, step: impl Future<Output = T>) -> T {
        let before = self.server.log().len();
        let filler = self.disk.fill();
        let started = tokio::time::Instant::now();
        let result = step.await;
        let acknowledged = self.call_every_endpoint(run).await;
        tokio::time::sleep_until(started + OUTAGE).await;
        fs::remove_file(filler).expect("the filler");

        while self.server.guest().get("/health").await.body["status"] != "ok" {
            tokio::task::yield_now().await;
        }
        self.assert_kept(&acknowledged).await;
        let again = self.user.script("result again").await;
        assert_eq!(self.user.end_of(&again).await["status"], "completed", "a run after the outage");
        let log = self.server.log().split_off(before);
        assert!(!log.contains("panicked"), "{log}");
        let is_warning = |line: &str| line.contains(" WARN openrunner::run") || line.contains(" ERROR openrunner::run");
        let warnings: Vec<&str> = log.lines().filter(|line| is_warning(line) && line.contains(run)).collect();
        assert!(warnings.len() <= 3, "warnings about one run and one outage: {warnings:#?}");
        result
    }

    /// Sends a request, which must be answered in time and with nothing worse than the report of a full disk.
    async fn call(&self, client: &Client, request: RequestBuilder) -> Answer {
        let what =
            format!("{:?}", request.try_clone().and_then(|request| request.build().ok()).map(|request| request.url().path().to_owned()));
        let answer = tokio::time::timeout(LIMIT, client.send(request)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{what} took longer than {LIMIT:?}"));
        assert!(answer.status < 500 || answer.status == 507, "{what}: {}", answer.text);
        answer
    }

    async fn post(&self, client: &Client, path: &str, body: &Value) -> Answer {
        self.call(client, client.request(Method::POST, path).json(body)).await
    }

    async fn call_every_endpoint(&self, run: &str) -> Acknowledged {
        let (user, admin) = (&self.user, &self.admin);
        let read = [
            "/health",
            "/health/agents",
            "/metrics",
            "/openapi.json",
            "/events.schema.json",
            "/docs",
            "/",
            "/api/auth/me",
            "/api/users",
            "/api/users/user",
            "/api/keys",
            "/api/audit",
            "/api/usage",
            "/api/usage/budget",
            "/api/settings",
            "/api/agents",
            "/api/runs",
            "/api/webhooks/deliveries",
            "/api/sessions",
            "/v1/models",
        ];
        join_all(read.map(|path| self.call(admin, admin.request(Method::GET, path)))).await;
        let of_runs = [run, &self.ended].map(|id| ["", "/requests"].map(|end| format!("/api/runs/{id}{end}"))).concat();
        join_all(of_runs.iter().map(|path| self.call(user, user.request(Method::GET, path)))).await;
        // Streams deliver what is stored.
        let replay = tokio::time::timeout(LIMIT, async { user.follow(&self.ended).await.rest().await }).await.expect("a replay");
        assert_dense(&replay);
        let first = tokio::time::timeout(LIMIT, async { user.follow(run).await.next().await }).await.expect("a stream");
        assert_eq!(first.and_then(|frame| frame.id), Some(1));

        let mut acknowledged = Acknowledged::default();
        self.post(&self.server.guest(), "/api/auth/login", &json!({ "username": "user", "password": "user" })).await;
        self.post(user, &format!("/api/runs/{run}/ticket"), &json!({})).await;
        self.post(user, &format!("/api/runs/{run}/requests/unknown"), &json!({ "decision": "deny" })).await;
        let name = "carol";
        let new = json!({ "username": name, "password": "correct horse battery" });
        if self.post(admin, "/api/users", &new).await.status == 201 {
            acknowledged.users.push(name.to_owned());
        }
        let budget = json!({ "budget": { "tokens_per_day": 1_000_000_000 } });
        self.call(admin, admin.request(Method::PATCH, "/api/users/user").json(&budget)).await;
        let key = self.post(admin, "/api/keys", &json!({ "name": "ci", "scopes": ["runs:read"] })).await;
        acknowledged.keys.extend(key.body["id"].as_str().map(str::to_owned));
        for number in 0..3 {
            let request = user.request(Method::POST, "/api/runs").header("idempotency-key", format!("sweep-{run}-{number}"));
            let created = self.call(user, request.json(&run_of("result swept", json!({})))).await;
            acknowledged.runs.extend(created.body["run_id"].as_str().map(str::to_owned));
        }
        // These answer when their runs have ended, which cannot be stored now. They are refused if nothing can be created.
        if acknowledged.runs.is_empty() {
            let chat = json!({ "message": "result chatted", "model": "claude" });
            self.post(user, "/api/chat", &chat).await;
            let completion = json!({ "model": "claude_code", "messages": [{ "role": "user", "content": "result completed" }] });
            self.post(user, "/v1/chat/completions", &completion).await;
        }
        if run != self.ended {
            let deleted = self.call(user, user.request(Method::DELETE, &format!("/api/runs/{}", self.ended))).await;
            if deleted.status == 204 {
                acknowledged.deleted.push(self.ended.clone());
            }
        }
        acknowledged
    }

    async fn assert_kept(&self, acknowledged: &Acknowledged) {
        for run in &acknowledged.runs {
            assert_eq!(self.user.end_of(run).await["result"], "swept", "a run that was created on a full disk");
        }
        for name in &acknowledged.users {
            assert_eq!(self.admin.get(&format!("/api/users/{name}")).await.status, 200);
        }
        for id in &acknowledged.keys {
            assert_eq!(self.admin.delete(&format!("/api/keys/{id}")).await.status, 204);
        }
        for run in &acknowledged.deleted {
            self.user.get(&format!("/api/runs/{run}")).await.problem(404, "not_found");
        }
    }

    /// Waits for the end of a run that saw an outage, allowing its requests, and checks its log.
    async fn settle(&self, run: &str) -> Vec<crate::support::Frame> {
        let mut reader = self.user.follow(run).await;
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().await {
            if frame.event == "permission_request" {
                let id = frame.data["id"].as_str().expect("an id");
                let answer = self.user.answer(run, id, json!({ "decision": "allow_once" })).await;
                assert!([200, 404, 409].contains(&answer.status), "{}", answer.text);
            }
            frames.push(frame);
        }
        assert_dense(&frames);
        assert_eq!(carrying(run), [0; 0]);
        let requested = of(&frames, "permission_request").len();
        assert_eq!(of(&frames, "permission_resolved").len(), requested, "each request is resolved once");
        assert_eq!(self.user.run(run).await["status"], last(&frames)["status"]);
        assert!(self.user.follow(run).await.rest().await == frames);
        frames
    }

    /// Cancels a run after an outage, at the end of which a cancel was refused. The run may still wait for its next attempt to write.
    async fn cancel_again(&self, run: &str) {
        loop {
            let answer = self.user.cancel(run).await;
            if answer.status == 200 {
                return;
            }
            answer.problem(507, "storage");
        }
    }

    /// A run that has written `up` and then continues with this script once the returned file exists.
    async fn run_until(&self, script: &str) -> (String, PathBuf) {
        let go = self.flag("go");
        let id = self.user.asking(&format!("say up\nwait {}\n{script}", go.display())).await;
        self.user.follow(&id).await.until_text("up").await;
        (id, go)
    }

    /// A run with an open permission request, and the id of the request.
    async fn waiting_run(&self) -> (String, String) {
        let id = self.user.asking("permission Bash\nsay allowed\nresult done").await;
        let frames = self.user.follow(&id).await.until("permission_request").await;
        (id, last(&frames)["id"].as_str().expect("an id").to_owned())
    }
}

#[test]
fn at_creation() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let session = small.user.run(&small.ended).await["session_id"].clone();
        let bodies = [run_of("result one", json!({})), run_of("result one", json!({ "session_id": session }))];
        let created = small.outage(&small.ended, async {
            let mut answers = Vec::new();
            for (key, body) in ["a", "b"].iter().zip(&bodies) {
                answers.push(
                    small.call(&small.user, small.user.request(Method::POST, "/api/runs").header("idempotency-key", *key).json(body)).await,
                );
            }
            answers
        });
        for ((answer, key), body) in created.await.iter().zip(["a", "b"]).zip(&bodies) {
            let again = small.user.post_with_key("/api/runs", key, body).await;
            assert_eq!(again.status, 201, "{}", again.text);
            assert!(answer.status == 507 || answer.text == again.text, "{}", answer.text);
            let frames = small.settle(again.body["run_id"].as_str().expect("an id")).await;
            assert_eq!(last(&frames)["result"], "one");
        }
        let sessions = small.user.get("/api/sessions?limit=200").await.body["items"].as_array().map(Vec::len);
        let directories = fs::read_dir(small.server.data().join("workspaces")).expect("a directory").count();
        assert_eq!(Some(directories), sessions, "a refused run leaves no directory");
    });
}

#[test]
fn while_a_run_is_queued() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let (busy, go) = small.run_until("result one").await;
        let session = small.user.run(&busy).await["session_id"].clone();
        let in_session = json!({ "session_id": session });
        let queued = small.user.script_with("result two", in_session.clone()).await;
        let cancelled = small.user.script_with("result never", in_session).await;
        let path = format!("/api/runs/{cancelled}/cancel");
        let answer = small.outage(&queued, async { small.post(&small.user, &path, &json!({})).await }).await;
        fs::write(go, "").unwrap();
        small.settle(&busy).await;
        assert_eq!(last(&small.settle(&queued).await)["result"], "two");
        if answer.status == 507 {
            small.cancel_again(&cancelled).await;
        }
        let frames = small.settle(&cancelled).await;
        assert!(answer.status == 507 || last(&frames)["status"] == "cancelled", "{}", answer.text);
    });
}

#[test]
fn at_the_launch_of_an_agent() {
    live(async {
        let setup = Setup::new();
        let probed = setup.directory().join("probed");
        let wait = format!("while [ ! -e '{}' ]; do sleep 0.05; done", probed.display());
        let setup = setup.agent_script(&format!("case \"$1\" in --version) {wait};; esac\nexec \"$AGENT\" \"$@\""));
        fs::write(&probed, "").unwrap();
        let Some(small) = SmallDisk::start(setup).await else { return };
        let go = small.flag("go");
        // Both wait for the first slots while the disk fills up; their programs start on a full disk.
        let session = small.user.run(&small.ended).await["session_id"].clone();
        let first = small.user.script_with(&format!("wait {}\nresult one", go.display()), json!({ "session_id": session })).await;
        let second = small.user.script_with("result two", json!({ "session_id": session })).await;
        while small.user.run(&first).await["status"] != "running" {
            tokio::task::yield_now().await;
        }
        small.outage(&second, async { fs::write(go, "").unwrap() }).await;
        small.settle(&first).await;
        let frames = small.settle(&second).await;
        let end = last(&frames);
        assert!(end["result"] == "two" || end["cause"] == "storage", "{end}");
    });
}

#[test]
fn at_the_first_event() {
    live(async {
        let setup = Setup::new();
        let go = setup.directory().join("first");
        let wait = format!("while [ ! -e '{}' ]; do sleep 0.05; done", go.display());
        let setup = setup.agent_script(&format!("case \"$1\" in --version|auth) ;; *) {wait};; esac\nexec \"$AGENT\" \"$@\""));
        fs::write(&go, "").unwrap();
        let Some(small) = SmallDisk::start(setup).await else { return };
        fs::remove_file(&go).unwrap();
        let run = small.user.script("say hello\nresult done").await;
        while carrying(&run).is_empty() {
            tokio::task::yield_now().await;
        }
        small.outage(&run, async { fs::write(go, "").unwrap() }).await;
        let frames = small.settle(&run).await;
        let end = last(&frames);
        assert!(end["result"] == "done" || end["cause"] == "storage", "{end}");
    });
}

#[test]
fn when_a_permission_is_requested() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let (run, go) = small.run_until("permission Bash\nresult done").await;
        small.outage(&run, async { fs::write(go, "").unwrap() }).await;
        let frames = small.settle(&run).await;
        let end = last(&frames);
        assert!(end["result"] == "done" || end["cause"] == "storage", "{end}");
    });
}

#[test]
fn when_a_request_is_answered() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let (run, request) = small.waiting_run().await;
        let path = format!("/api/runs/{run}/requests/{request}");
        let answer = small.outage(&run, async { small.post(&small.user, &path, &json!({ "decision": "allow_once" })).await }).await;
        let frames = small.settle(&run).await;
        let resolved = &of(&frames, "permission_resolved")[0];
        if answer.status == 200 {
            assert_eq!(
                (&resolved["by"], &resolved["decision"]),
                (&json!("user"), &json!("allow_once")),
                "an acknowledged answer is stored"
            );
            assert!(of(&frames, "message").iter().any(|message| message["content"] == "allowed"), "and delivered: {frames:?}");
        } else {
            answer.problem(507, "storage");
        }
        assert!(last(&frames)["result"] == "done" || last(&frames)["cause"] == "storage");
    });
}

#[test]
fn when_a_message_is_sent() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let (run, go) = small.run_until("result one").await;
        let before = small.user.say(&run, "queue", "say early\nresult two").await;
        assert_eq!(before.status, 202);
        let path = format!("/api/runs/{run}/messages");
        let answer = small.outage(&run, async { small.post(&small.user, &path, &json!({ "text": "say late\nresult three" })).await }).await;
        fs::write(go, "").unwrap();
        let frames = small.settle(&run).await;
        let sent: Vec<&str> = of(&frames, "user_message").iter().filter_map(|message| message["content"].as_str()).collect();
        let expected = if answer.status == 202 { 2 } else { 1 };
        assert!(answer.status == 202 || answer.status == 507, "{}", answer.text);
        assert_eq!(sent.len(), expected, "{sent:?}");
        // Each accepted message was delivered, or is reported as undelivered.
        let text = frames.iter().filter(|frame| frame.event != "user_message").map(|frame| frame.line.as_str()).collect::<String>();
        for word in ["early", "late"].iter().take(expected) {
            assert!(text.contains(word), "{word} is neither delivered nor reported: {text}");
        }
    });
}

#[test]
fn when_a_run_is_cancelled() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let (run, _) = small.run_until("result never").await;
        let path = format!("/api/runs/{run}/cancel");
        let answer = small.outage(&run, async { small.post(&small.user, &path, &json!({})).await }).await;
        if answer.status != 200 {
            answer.problem(507, "storage");
            small.cancel_again(&run).await;
        }
        let end = last(&small.settle(&run).await).clone();
        assert!(end["status"] == "cancelled" || (answer.status == 507 && end["cause"] == "storage"), "{end}");
    });
}

#[test]
fn at_the_end_of_a_run() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let (run, go) = small.run_until("result done").await;
        small.outage(&run, async { fs::write(go, "").unwrap() }).await;
        let end = last(&small.settle(&run).await).clone();
        assert!(end["result"] == "done" || end["cause"] == "storage", "{end}");
    });
}

#[test]
fn when_a_run_is_deleted() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let (busy, go) = small.run_until("result done").await;
        let path = format!("/api/runs/{}", small.ended);
        let directory = small.user.run(&small.ended).await["working_dir"].as_str().map(PathBuf::from).expect("a path");
        let answer = small.outage(&busy, async { small.call(&small.user, small.user.request(Method::DELETE, &path)).await }).await;
        if answer.status != 204 {
            answer.problem(507, "storage");
            let again = small.user.delete(&path).await;
            // The other attempt during the outage may have succeeded.
            assert!([204, 404].contains(&again.status), "{}", again.text);
        }
        small.user.get(&path).await.problem(404, "not_found");
        while directory.exists() {
            tokio::task::yield_now().await;
        }
        fs::write(go, "").unwrap();
        small.settle(&busy).await;
    });
}

#[test]
fn when_old_runs_are_removed() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new().env("OPENRUNNER_KEEP_DAYS", 30)).await else { return };
        let mut runs = Vec::new();
        for _ in 0..3 {
            let run = small.user.script("flood 100\nresult done").await;
            small.user.end_of(&run).await;
            runs.push(run);
        }
        let [old, deleted, trigger] = &runs[..] else { unreachable!("three runs") };
        let directories = [old, deleted].map(|run| small.server.data().join("workspaces").join(run));
        let sql = format!("UPDATE runs SET ended_at = 1 WHERE id = '{old}'");
        small.server.database().execute_batch(&sql).expect("a change that the database accepts");
        // Each deletion makes the server look for old runs at once.
        let request = |run: &str| small.user.request(Method::DELETE, &format!("/api/runs/{run}"));
        let answer = small.outage(&small.ended, async { small.call(&small.user, request(deleted)).await }).await;
        if answer.status == 507 {
            let again = small.user.send(request(deleted)).await;
            assert!([204, 404].contains(&again.status), "{}", again.text);
        }
        assert_eq!(small.user.send(request(trigger)).await.status, 204);
        while small.user.get(&format!("/api/runs/{old}")).await.status != 404 || directories.iter().any(|directory| directory.exists()) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn when_a_webhook_is_delivered() {
    live(async {
        let receiver = Receiver::start(&[]).await;
        let setup = Setup::new().env("OPENRUNNER_WEBHOOK_ALLOW", "127.0.0.1").env("OPENRUNNER_WEBHOOK_RETRY_SECS", "1,1,1,1");
        let Some(small) = SmallDisk::start(setup).await else { return };
        let webhook = json!({ "url": receiver.url, "secret": SECRET, "events": ["message", "done"] });
        let go = small.flag("go");
        let script = format!("say up\nwait {}\nsay two\nresult done", go.display());
        let run = small.user.script_with(&script, json!({ "webhook": webhook })).await;
        receiver.received(1).await;
        small.outage(&run, async { fs::write(go, "").unwrap() }).await;
        let frames = small.settle(&run).await;
        receiver.taken().await;
        let all = receiver.until(|all| all.iter().any(|one| one.kind() == "done")).await;
        for frame in frames.iter().filter(|frame| frame.event == "message" || frame.event == "done") {
            let is_it = |one: &&Received| one.json()["data"]["seq"] == frame.data["seq"];
            let ids: Vec<&str> = all.iter().filter(is_it).map(|one| one.id.as_str()).collect();
            assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{:?}: {ids:?}", frame.line);
        }
        while small.user.get(&format!("/api/webhooks/deliveries?run_id={run}&status=pending")).await.body["items"] != json!([]) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn at_the_start_of_the_next_server() {
    live(async {
        let Some(small) = SmallDisk::start(Setup::new()).await else { return };
        let (run, go) = small.run_until("say two\nresult done").await;
        let SmallDisk { mut server, user, admin, ended, disk } = small;
        let filler = disk.fill();
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        // A server that cannot open its database does not start; its service manager tries again.
        let (status, printed) = server.again().fails_to_start().await;
        assert!(!status.success() && printed.contains("disk is full"), "{printed}");
        fs::write(go, "").unwrap();
        fs::remove_file(filler).unwrap();
        let server = server.again().start().await;
        let small = SmallDisk { user: user.at(server.url()), admin: admin.at(server.url()), server, ended, disk };
        assert_eq!(last(&small.settle(&run).await)["result"], "done");
    });
}
