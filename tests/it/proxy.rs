//! The documented reverse proxy in front of the real server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;

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
