//! Clones of repositories on other machines, and pushes of their branches.
//!
//! Rules: C3, S9.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Client, Server, Setup, last, live};

const PASSWORD: &str = "s3cr3t-token";

/// The path of a request, and its credentials.
type Seen = (String, Option<String>);

/// A server of repositories, with git's own program for that.
#[derive(Clone)]
struct GitServer {
    root: PathBuf,
    /// Whether requests need the password.
    needs_password: bool,
    /// The requests.
    seen: Arc<Mutex<Vec<Seen>>>,
    port: u16,
}

impl GitServer {
    /// Serves `project.git` with a commit, from a directory.
    async fn start(directory: &Path, needs_password: bool) -> Self {
        let root = directory.join("remote");
        let work = directory.join("work");
        for path in [&root, &work] {
            fs::create_dir(path).expect("a directory");
        }
        git(&work, &["init", "--quiet"]);
        fs::write(work.join("file"), "one\n").expect("a file");
        git(&work, &["add", "."]);
        git(&work, &["commit", "--quiet", "-m", "first"]);
        git(&work, &["tag", "v1"]);
        git(&work, &["checkout", "--quiet", "-b", "next"]);
        fs::write(work.join("file"), "two\n").expect("a file");
        git(&work, &["commit", "--quiet", "-a", "-m", "second"]);
        git(&work, &["checkout", "--quiet", "main"]);
        git(&work, &["clone", "--quiet", "--bare", ".", root.join("project.git").to_str().expect("UTF-8")]);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { root, needs_password, seen: Arc::default(), port };
        let router = Router::new().fallback(serve).with_state(server.clone());
        tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What git says of the repository.
    fn git(&self, args: &[&str]) -> String {
        git(&self.root.join("project.git"), args)
    }
}

async fn serve(State(server): State<GitServer>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let authorization = headers.contains_key("authorization").then(|| text("authorization"));
    server.seen.lock().unwrap_or_else(PoisonError::into_inner).push((uri.path().to_owned(), authorization.clone()));
    let answer = Response::builder();
    if let Some(rest) = uri.path().strip_prefix("/moved/") {
        let query = uri.query().unwrap_or_default();
        return answer.status(302).header("location", format!("/{rest}?{query}")).body(Body::empty()).expect("a response");
    }
    let expected = format!("Basic {}", STANDARD.encode(format!("robot:{PASSWORD}")));
    if server.needs_password && authorization != Some(expected) {
        return answer.status(401).header("www-authenticate", "Basic realm=\"test\"").body(Body::empty()).expect("a response");
    }
    let env = [
        ("PATH", "/usr/bin:/bin".to_owned()),
        ("GIT_PROJECT_ROOT", server.root.display().to_string()),
        ("GIT_HTTP_EXPORT_ALL", "1".to_owned()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("REMOTE_USER", "robot".to_owned()),
        ("REQUEST_METHOD", method.to_string()),
        ("PATH_INFO", uri.path().to_owned()),
        ("QUERY_STRING", uri.query().unwrap_or_default().to_owned()),
        ("CONTENT_TYPE", text("content-type")),
        ("CONTENT_LENGTH", body.len().to_string()),
        ("HTTP_CONTENT_ENCODING", text("content-encoding")),
        ("HTTP_GIT_PROTOCOL", text("git-protocol")),
    ];
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("git");
        command.arg("http-backend").env_clear().envs(env).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().ok_or_else(|| std::io::Error::other("no pipe"))?;
        let feeding = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &body));
        let output = child.wait_with_output()?;
        drop(feeding.join());
        Ok::<_, std::io::Error>(output.stdout)
    });
    let output = output.await.expect("it does not panic").expect("git http-backend");
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("headers of git http-backend");
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut answer = answer;
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        answer = if name == "Status" {
            answer.status(value.split(' ').next().and_then(|status| status.parse::<u16>().ok()).expect("a status"))
        } else {
            answer.header(name, value)
        };
    }
    answer.body(Body::from(output[end + 4..].to_vec())).expect("a response")
}

/// Runs git as a user does in a directory, and returns its output.
fn git(directory: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"];
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(identity).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("git");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A server that may clone from this one.
fn setup(setup: Setup, remote: &GitServer) -> Setup {
    setup.env("OPENRUNNER_GIT_HOSTS", format!("127.0.0.1:{}", remote.port)).env("OPENRUNNER_GIT_PRIVATE", "127.0.0.1")
}

fn clone(url: &str, name: Option<&str>) -> Value {
    json!({ "agent_type": "claude_code", "workspace": { "kind": "clone", "repository": url, "ref": name } })
}

async fn ended(user: &Client, metadata: Value) -> Value {
    let id = user.create("result done", metadata).await;
    user.end_of(&id).await
}

fn directory(run: &Value) -> PathBuf {
    run["working_dir"].as_str().expect("a path").into()
}

fn session(run: &Value) -> &str {
    run["session_id"].as_str().expect("an id")
}

/// All files below a directory that contain the text.
fn files_with(root: &Path, text: &str) -> Vec<PathBuf> {
    let (mut found, mut directories) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => directories.push(path),
                Ok(kind) if kind.is_file() => {
                    let content = fs::read(&path).unwrap_or_default();
                    found.extend(content.windows(text.len()).any(|bytes| bytes == text.as_bytes()).then_some(path));
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn a_session_works_in_a_clone_and_its_branch_is_pushed_with_credentials_that_appear_nowhere() {
    live(async {
        let plain = Setup::new().agent_script(
            r#"
case "$1" in
    --version | auth) ;;
    *) { git status --porcelain; git log --format=%s; git rev-parse --abbrev-ref HEAD; } > .git/output 2>&1; echo work > new ;;
esac
exec "$AGENT" "$@"
"#,
        );
        let remote = GitServer::start(plain.directory(), true).await;
        let helper = plain.directory().join("helper");
        fs::write(&helper, format!("#!/bin/sh\n[ \"$1\" = get ] && printf 'username=robot\\npassword={PASSWORD}\\n'\n")).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
        let setup = setup(plain, &remote).env("OPENRUNNER_GIT_CREDENTIALS", helper.display()).env("OPENRUNNER_GIT_PUSH", "on");
        let server = setup.start().await;
        let user = server.client("user").await;
        let url = remote.url("project.git");
        let run = ended(&user, clone(&url, None)).await;
        assert_eq!(run["status"], "completed", "{run}");
        let branch = format!("openrunner/{}", session(&run));
        assert_eq!((&run["workspace"]["repository"], &run["workspace"]["branch"]), (&json!(url), &json!(branch)));
        assert_eq!(fs::read_to_string(directory(&run).join(".git/output")).unwrap(), format!("first\n{branch}\n"));
        assert_eq!(fs::read_to_string(directory(&run).join("file")).unwrap(), "one\n");
        assert!(!fs::read_to_string(directory(&run).join(".git/config")).unwrap().contains("127.0.0.1"));
        assert!(remote.seen().iter().any(|(_path, authorization)| authorization.is_some()));

        // The next run of the session works in the same clone, which is not fetched again.
        let before = remote.seen().len();
        let next = ended(&user, json!({ "session_id": session(&run) })).await;
        assert_eq!((&next["status"], &next["working_dir"]), (&json!("completed"), &run["working_dir"]));
        assert_eq!(remote.seen().len(), before);

        let path = format!("/api/sessions/{}/branch", session(&run));
        let pushed = user.post(&path, &json!({ "message": "The work", "push": true })).await;
        assert_eq!(
            (pushed.status, &pushed.body["committed"], &pushed.body["pushed"]),
            (200, &json!(true), &json!(true)),
            "{}",
            pushed.text
        );
        assert_eq!(remote.git(&["rev-parse", &branch]), pushed.body["commit"]);
        assert_eq!(remote.git(&["diff", "--name-status", "main", &branch]), "A\tnew");
        // Nothing is overwritten.
        remote.git(&["update-ref", &format!("refs/heads/{branch}"), "refs/heads/next"]);
        fs::write(directory(&run).join("new"), "more\n").unwrap();
        let refused = user.post(&path, &json!({ "message": "More work", "push": true })).await;
        refused.problem(409, "push_failed");
        assert_eq!(remote.git(&["rev-parse", &branch]), remote.git(&["rev-parse", "next"]));

        let log = user.follow(run["run_id"].as_str().unwrap()).await.rest().await;
        let secrets = [PASSWORD.to_owned(), STANDARD.encode(format!("robot:{PASSWORD}"))];
        for secret in &secrets {
            assert!(!format!("{log:?}{}{}", refused.text, server.log()).contains(secret));
            assert_eq!(files_with(&server.data(), secret), [] as [PathBuf; 0]);
        }
    });
}

#[test]
fn a_clone_begins_with_a_branch_a_tag_or_a_commit_and_each_user_has_one() {
    live(async {
        let plain = Setup::new();
        let remote = GitServer::start(plain.directory(), false).await;
        let server = setup(plain, &remote).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let url = remote.url("project.git");
        let commit = remote.git(&["rev-parse", "next"]);
        for (name, content) in [("next", "two\n"), ("v1", "one\n"), ("origin/next", "two\n"), (&commit, "two\n"), ("HEAD", "one\n")] {
            let run = ended(&user, clone(&url, Some(name))).await;
            assert_eq!(run["status"], "completed", "{name}: {run}");
            assert_eq!(fs::read_to_string(directory(&run).join("file")).unwrap(), content, "{name}");
        }
        let copies = || fs::read_dir(server.data().join("repositories")).unwrap().count();
        assert_eq!(copies(), 1);
        ended(&admin, clone(&url, None)).await;
        assert_eq!(copies(), 2, "a user's copy contains the work of the user's sessions");
        for (url, name) in [(url.clone(), Some("missing")), (remote.url("other.git"), None)] {
            let id = user.create("result done", clone(&url, name)).await;
            let frames = user.follow(&id).await.rest().await;
            let done = last(&frames);
            assert_eq!((&done["status"], &done["cause"]), (&json!("failed"), &json!("bad_arguments")), "{done}");
            assert!(done["message"].as_str().unwrap().contains(&url), "{done}");
        }
        let pushed = ended(&user, clone(&url, None)).await;
        let path = format!("/api/sessions/{}/branch", session(&pushed));
        let refused = user.post(&path, &json!({ "message": "x", "push": true })).await;
        assert_eq!(refused.problem(422, "invalid_field"), "push");
        assert!(refused.text.contains("OPENRUNNER_GIT_PUSH"), "{}", refused.text);
    });
}

#[test]
fn a_redirect_is_not_followed() {
    live(async {
        let plain = Setup::new();
        let remote = GitServer::start(plain.directory(), false).await;
        let server = setup(plain, &remote).start().await;
        let user = server.client("user").await;
        let run = ended(&user, clone(&remote.url("moved/project.git"), None)).await;
        assert_eq!((&run["status"], &run["cause"]), (&json!("failed"), &json!("bad_arguments")), "{run}");
        assert!(remote.seen().iter().all(|(path, _)| path.starts_with("/moved/")), "{:?}", remote.seen());
    });
}

#[test]
fn hosts_that_the_operator_does_not_permit_private_addresses_and_other_protocols_are_refused() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let refused = async |user: &Client, url: &str| {
            let answer = user.ask("result x", clone(url, None)).await;
            assert_eq!(answer.problem(422, "bad_workspace"), "metadata.workspace.repository", "{url}");
            answer.text
        };
        assert!(refused(&user, "https://github.com/owner/repository").await.contains("OPENRUNNER_GIT_HOSTS"));

        let plain = Setup::new();
        let remote = GitServer::start(plain.directory(), false).await;
        let server = plain.env("OPENRUNNER_GIT_HOSTS", format!("github.com,127.0.0.1:{},localhost:{0}", remote.port)).start().await;
        let user = server.client("user").await;
        for url in [remote.url("project.git"), format!("http://localhost:{}/project.git", remote.port)] {
            assert!(refused(&user, &url).await.contains("OPENRUNNER_GIT_PRIVATE"));
        }
        for url in [
            "ssh://git@github.com/x",
            "git@github.com:owner/repository.git",
            "file:///etc/passwd",
            "ext::sh -c 'touch canary'",
            "https://user:password@github.com/x",
            "http://github.com/x",
            "https://github.com.evil.org/x",
            "--upload-pack=touch canary",
        ] {
            assert!(!refused(&user, url).await.contains("password@"), "{url}");
        }
        let both = json!({ "cwd": "/tmp", "workspace": { "kind": "clone", "repository": "https://github.com/x" } });
        assert_eq!(user.ask("result x", both).await.problem(422, "bad_workspace"), "metadata.workspace.repository");
        assert_eq!(remote.seen(), []);
        assert_eq!(fs::read_dir(server.data().join("repositories")).map_or(0, Iterator::count), 0);
    });
}
