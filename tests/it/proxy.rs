//! The documented reverse proxy in front of the real server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::json;

use crate::support::{Setup, last, live};

/// An nginx with the configuration of docs/operating.md. Dropping it stops it.
struct Nginx {
    directory: tempfile::TempDir,
    port: u16,
}

impl Nginx {
    /// Starts it in front of the server at this port. `None` if nginx is not installed.
    fn start(server: u16) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"].into_iter().find(|path| Path::new(path).exists())?;
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md")).expect("the page");
        let shown = page.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has a configuration");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound").port();
        // Unchanged except for what depends on the machine: the ports, and the certificate, which a test does not have.
        let lines = shown.lines().filter(|line| !line.contains("ssl_certificate"));
        let site = lines.collect::<Vec<_>>().join("\n");
        let changed = site.replace("127.0.0.1:3000", &format!("127.0.0.1:{server}")).replace("443 ssl", &format!("127.0.0.1:{port}"));
        assert!(changed.contains(&format!("listen 127.0.0.1:{port};")) && changed != site, "{changed}");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().display();
        let user = if rustix::process::geteuid().is_root() { "user root root;" } else { "" };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {path}/{name};"));
        let config = format!(
            "{user} pid {path}/pid; error_log {path}/error.log; events {{}} http {{ access_log off; {}\n{changed}\n}}",
            temporary.concat()
        );
        fs::write(directory.path().join("nginx.conf"), config).expect("a configuration");
        // It moves into the background once it listens.
        let done = Command::new(program)
            .arg("-e")
            .arg(directory.path().join("error.log"))
            .arg("-c")
            .arg(directory.path().join("nginx.conf"))
            .output();
        let done = done.expect("nginx can be run");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Some(Self { directory, port })
    }

    fn pid(&self) -> PathBuf {
        self.directory.path().join("pid")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.pid()).ok().and_then(|pid| pid.trim().parse().ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

#[test]
fn events_pass_the_documented_proxy_without_buffering() {
    live(async {
        let server = Setup::new()
            .env("OPENRUNNER_ADMIN_PASSWORD", "correct horse")
            .env("OPENRUNNER_ALLOWED_HOSTS", "runs.example.org")
            .env("OPENRUNNER_TRUSTED_PROXIES", "127.0.0.1")
            .start()
            .await;
        let Some(nginx) = Nginx::start(server.port()) else { return eprintln!("left out: there is no nginx") };
        let guest = server.guest().at(format!("http://127.0.0.1:{}", nginx.port));
        let admin = guest.login("admin", "correct horse").await;
        let go = server.directory().join("go");
        let id = admin.script(&format!("say first\nwait {}\nflood 3000\nresult done", go.display())).await;
        let mut reader = admin.follow(&id).await;
        // This would wait forever if the proxy buffered anything.
        let mut seen = reader.until_text("first").await;
        fs::write(&go, "").unwrap();
        seen.extend(reader.rest().await);
        assert_eq!(last(&seen)["status"], "completed");
        assert!(server.guest().login("admin", "correct horse").await.follow(&id).await.rest().await == seen, "the proxy changed something");
        // The host name reaches the server, and no client behind the proxy counts as local.
        let named = |name: &str| guest.request(Method::GET, "/health").header("host", name.to_owned());
        assert_eq!(guest.send(named("runs.example.org")).await.status, 200);
        guest.send(named("other.example.org")).await.problem(421, "host_not_served");
        guest.get("/metrics").await.problem(401, "token_missing");
    });
}

#[test]
fn below_a_base_path_requests_work_with_and_without_it_and_responses_contain_it() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_BASE_PATH", "/tools/runner").start().await;
        let user = server.client("user").await;
        for prefix in ["", "/tools/runner"] {
            let created = user.post(&format!("{prefix}/api/runs"), &json!({ "input": { "text": "result done" } })).await;
            let run = created.body["run_id"].as_str().unwrap();
            assert_eq!((created.status, created.header("location")), (201, format!("/tools/runner/api/runs/{run}").as_str()));
            assert_eq!(created.body["events_url"], format!("/tools/runner/api/runs/{run}/events"));
            assert_eq!(user.get(&format!("{prefix}/api/runs/{run}?wait=60")).await.body["run_id"], run);
            let ticket = user.post(&format!("{prefix}/api/runs/{run}/ticket"), &json!({})).await;
            let url = ticket.body["events_url"].as_str().unwrap();
            assert!(url.starts_with("/tools/runner/api/runs/"), "{url}");
            assert_eq!(server.guest().get(url).await.status, 200);
        }
        // The rules are those of the path inside.
        server.guest().get("/tools/runner/api/runs").await.problem(401, "token_missing");
        assert_eq!(server.guest().get("/tools/runner/v1/models").await.body["error"]["code"], "invalid_api_key");
        assert_eq!(server.guest().get("/tools/runner/health").await.status, 200);
        assert_eq!(server.guest().get("/tools/runner").await.status, 200);
        user.get("/tools/runnerx/api/runs").await.problem(404, "not_found");
    });
}
