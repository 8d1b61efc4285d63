//! Agents at level `sandbox`: which secrets of the account they do not find, where they cannot connect, and what still works.
//!
//! Rules: G1, S12.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use serde_json::json;

use super::{is_isolated, plain};
use crate::support::{Server, Setup, last, live, of};

/// In every planted secret.
const PLANTED: &str = "planted-secret";

/// Files with secrets in the home directory.
const IN_HOME: [&str; 27] = [
    ".aws/config",
    ".aws/credentials",
    ".azure/accessTokens.json",
    ".bash_history",
    ".cargo/credentials.toml",
    ".claude.json",
    ".config/chromium/Default/Cookies",
    ".config/gcloud/application_default_credentials.json",
    ".config/gh/hosts.yml",
    ".config/google-chrome/Default/Login Data",
    ".config/openrunner/servers.toml",
    ".config/rclone/rclone.conf",
    ".docker/config.json",
    ".git-credentials",
    ".gnupg/private-keys-v1.d/key",
    ".kube/config",
    ".local/share/keyrings/login.keyring",
    ".mozilla/firefox/profile/cookies.sqlite",
    ".mozilla/firefox/profile/logins.json",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".ssh/config",
    ".ssh/id_ed25519",
    ".terraform.d/credentials.tfrc.json",
    ".vault-token",
];

/// Variables with secrets in the server's environment.
const IN_ENVIRONMENT: [&str; 5] = ["DATABASE_URL", "GITHUB_TOKEN", "NPM_TOKEN", "OPENRUNNER_JWT_SECRET", "SSH_AUTH_SOCK"];

/// What the agent tries. Everything that succeeds is written to a file in its working directory.
const ATTEMPTS: &str = r#"
if [ "$1" != --version ] && [ "$1" != auth ]; then
    . "${0%/bin/claude}/facts"
    {
        while read -r secret; do
            grep -l 'planted-[s]ecret' "$secret" 2>/dev/null
        done <"${0%/bin/claude}/secrets"
        for hidden in "$DATA/jwt.key" "$DATA/openrunner.db" "$DATA/../settings.toml"; do
            cat "$hidden" >/dev/null 2>&1 && echo "read $hidden"
        done
        grep -rl 'planted-[s]ecret' "$HOME" /tmp /var /run /etc /srv /mnt /media "${DATA%/*}" 2>/dev/null
        cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | grep -a 'planted-[s]ecret'
        env | grep 'planted-[s]ecret'
        for pid in $SERVER; do [ -e "/proc/$pid/exe" ] && readlink "/proc/$pid/exe" | grep openrunner && echo "saw $pid"; done
        cat /etc/shadow /etc/gshadow /etc/ssh/ssh_host_*_key /etc/ssl/private/* 2>/dev/null && echo 'read password hashes or host keys'
        for directory in /home /root /usr /etc /opt /bin / /var; do
            { echo x >"$directory/planted"; } 2>/dev/null && [ "$directory" != "$HOME" ] && echo "wrote into $directory"
        done
        { echo x >"$OUTSIDE/new"; } 2>/dev/null && echo 'wrote outside'
        python3 - <<'END' 2>&1
import os, socket
def attempt(name, kind, address):
    connection = socket.socket(kind, socket.SOCK_STREAM)
    connection.settimeout(5)
    try:
        connection.connect(address)
        print('connected to', name)
    except OSError:
        pass
attempt('the server', socket.AF_INET, ('127.0.0.1', int(os.environ['PORT'])))
attempt('a listener', socket.AF_INET, ('127.0.0.1', int(os.environ['LISTENER'])))
attempt('a listener on all addresses', socket.AF_INET, (os.environ['HOST_ADDRESS'], int(os.environ['LISTENER'])))
attempt('the internet', socket.AF_INET, ('1.1.1.1', 443))
attempt('a name server', socket.AF_INET, ('8.8.8.8', 53))
attempt('an IPv6 address', socket.AF_INET6, ('2606:4700:4700::1111', 443))
attempt('an abstract socket', socket.AF_UNIX, '\0' + os.environ['ABSTRACT'])
attempt('its shim', socket.AF_UNIX, os.environ['DATA'] + '/runs/' + os.environ['ORN_RUN'] + '/socket')
try:
    print('resolved', socket.getaddrinfo('example.com', 443))
except OSError:
    pass
END
        # What must still work.
        { echo x >/tmp/own && [ -e "$TMPDIR/own" ] && [ -e /var/tmp/own ]; } && echo 'OK temp'
        { echo x >"$HOME/.config-of-agent"; } && echo 'OK home'
        { echo x >"$PWD/own"; } && echo 'OK workspace'
        git --version >/dev/null && python3 -c 'import ssl' && echo 'OK tools'
        echo x | tee /dev/null >/dev/shm/own && echo 'OK devices'
        python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); socket.create_connection(s.getsockname())' && echo 'OK own loopback'
    } >"attempts" 2>&1
fi
exec "$AGENT" "$@"
"#;

/// A server with sandboxed agents that see nothing of the test's directory besides themselves.
fn sandboxing() -> Setup {
    Setup::new().env("OPENRUNNER_ISOLATION", "sandbox").env("OPENRUNNER_AGENT_PATHS", env!("CARGO_BIN_EXE_fake_agent"))
}

fn plant(path: &Path) {
    fs::create_dir_all(path.parent().expect("a path of a file")).expect("test setup");
    let text = if path.ends_with(".claude.json") {
        format!(r#"{{"mcpServers":{{"x":{{"env":{{"KEY":"{PLANTED}"}}}}}}}}"#)
    } else {
        format!("{PLANTED} {}", path.display())
    };
    fs::write(path, text).expect("test setup");
}

#[test]
fn a_sandboxed_agent_finds_no_secret_of_the_account_and_connects_nowhere() {
    live(no_secret_is_found(Some));
}

#[test]
fn a_sandboxed_agent_of_a_plain_account_finds_no_secret_of_the_account_and_connects_nowhere() {
    live(no_secret_is_found(plain));
}

async fn no_secret_is_found(under: fn(Setup) -> Option<Setup>) {
    let mut setup = sandboxing().agent_script(ATTEMPTS);
    let directory = setup.directory().to_owned();
    let mut secrets: Vec<_> = IN_HOME.iter().map(|name| directory.join("home").join(name)).collect();
    secrets.extend(["other-project/.env", "settings.toml"].map(|name| directory.join(name)));
    for path in &secrets {
        plant(path);
    }
    fs::write(directory.join("settings.toml"), format!("# {PLANTED}\nmax_queue = 100\n")).expect("test setup");
    fs::set_permissions(directory.join("settings.toml"), fs::Permissions::from_mode(0o600)).expect("the test owns it");
    for name in IN_ENVIRONMENT {
        setup = setup.env(name, format!("{PLANTED} {name} with more than 32 characters"));
    }
    let outer_temp = tempfile::NamedTempFile::new_in("/tmp").expect("test setup");
    plant(outer_temp.path());
    let Some(setup) = under(setup.env("OPENRUNNER_CONFIG", directory.join("settings.toml").display())) else { return };
    let server = setup.start().await;
    if !is_isolated(&server) {
        return;
    }
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    // Another test of this process has one at the same time.
    let abstract_name = format!("openrunner-test-{port}");
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name).expect("a name")).expect("a socket");
    let data = server.data();
    secrets.push(outer_temp.path().to_owned());
    let facts = [
        ("DATA", data.display().to_string()),
        ("SERVER", server.pid().to_string()),
        ("PORT", server.port().to_string()),
        ("LISTENER", port.to_string()),
        ("HOST_ADDRESS", host_address()),
        ("ABSTRACT", abstract_name),
        ("OUTSIDE", directory.join("other-project").display().to_string()),
    ];
    let text: String = facts.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect::<Vec<_>>().concat();
    fs::write(directory.join("agents/facts"), text).expect("test setup");
    let list: String = secrets.iter().map(|path| format!("{}\n", path.display())).collect::<Vec<_>>().concat();
    fs::write(directory.join("agents/secrets"), list).expect("test setup");
    assert!(secrets.len() + IN_ENVIRONMENT.len() >= 30);

    let user = server.client("user").await;
    for mode in ["auto", "ask", "read_only"] {
        let id = user.script_with("result tried", json!({ "permission_mode": mode })).await;
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(last(&frames)["status"], "completed", "{:?}", last(&frames));
        let attempts = fs::read_to_string(data.join("workspaces").join(&id).join("attempts")).expect("test setup");
        let expected: BTreeSet<&str> = ["OK temp", "OK home", "OK workspace", "OK tools", "OK devices", "OK own loopback"].into();
        assert_eq!(attempts.lines().collect::<BTreeSet<_>>(), expected, "mode {mode}");
        assert_eq!(of(&frames, "run_started")[0]["isolation"], json!({ "level": "sandbox" }));
        assert!(frames.iter().all(|frame| !frame.bytes.contains(PLANTED)));
    }
    listener.set_nonblocking(true).expect("a listener");
    assert!(listener.accept().is_err(), "nothing has connected");
    assert!(!directory.join("home/.config-of-agent").exists(), "the home directory is private");
}

/// An address of this machine other than loopback, if it has one.
fn host_address() -> String {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // Chooses an address without sending anything.
    let address = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    address.map_or("127.0.0.1".to_owned(), |address| address.ip().to_string())
}

/// An agent that writes what it finds in its home directory to the working directory, and leaves a file.
const REMEMBER: &str = r#"
if [ "$1" != --version ] && [ "$1" != auth ]; then
    { cat "$HOME/conversation"; cat "$HOME/.claude/.credentials.json"; } >"$PWD/found" 2>/dev/null
    echo conversation >"$HOME/conversation"
fi
exec "$AGENT" "$@"
"#;

async fn found(server: &Server, id: &str, session_of: &str) -> String {
    let user = server.client("user").await;
    assert_eq!(user.end_of(id).await["status"], "completed", "{}", server.log());
    fs::read_to_string(server.data().join("workspaces").join(session_of).join("found")).expect("test setup")
}

#[test]
fn the_home_directory_of_a_sandbox_belongs_to_the_session_and_has_the_login_of_the_agent() {
    live(async {
        let setup = sandboxing().agent_script(REMEMBER);
        let home = setup.directory().join("home");
        fs::create_dir(home.join(".claude")).unwrap();
        fs::write(home.join(".claude/.credentials.json"), "login\n").unwrap();
        fs::write(home.join(".claude/settings.json"), "settings\n").unwrap();
        let server = setup.start().await;
        if !is_isolated(&server) {
            return;
        }
        let user = server.client("user").await;
        let first = user.script("result x").await;
        assert_eq!(found(&server, &first, &first).await, "login\n");
        let session = user.run(&first).await["session_id"].clone();
        let second = user.script_with("result x", json!({ "session_id": session })).await;
        assert_eq!(found(&server, &second, &first).await, "conversation\nlogin\n", "the session continues");
        let other = user.script("result x").await;
        assert_eq!(found(&server, &other, &other).await, "login\n", "another session has another home directory");
        assert!(!home.join("conversation").exists());
        let private = server.data().join("homes").join(&first);
        assert!(private.join(".claude/.credentials.json").exists() && !private.join(".claude/settings.json").exists());
        for id in [second, first] {
            assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        }
        assert!(!private.exists(), "it is removed with the session");
    });
}

/// An agent that writes where it looks for its settings, and its login, to the working directory.
const WHERE: &str = r#"
if [ "$1" != --version ] && [ "$1" != auth ]; then
    { echo "${CLAUDE_CONFIG_DIR-unset}"; cat "$HOME/.claude/.credentials.json" "$SSL_CERT_FILE"; } >"$PWD/found" 2>/dev/null
fi
exec "$AGENT" "$@"
"#;

#[test]
fn a_sandbox_has_the_login_and_the_certificates_that_variables_of_the_server_name() {
    live(async {
        let setup = sandboxing().agent_script(WHERE);
        let (moved, certificate) = (setup.directory().join("home/moved"), setup.directory().join("home/ca.pem"));
        fs::create_dir(&moved).unwrap();
        fs::write(moved.join(".credentials.json"), "moved login\n").unwrap();
        fs::write(&certificate, "certificate\n").unwrap();
        let setup = setup.env("CLAUDE_CONFIG_DIR", moved.display()).env("SSL_CERT_FILE", certificate.display());
        let server = setup.start().await;
        if !is_isolated(&server) {
            return;
        }
        let run = server.client("user").await.script("result x").await;
        assert_eq!(found(&server, &run, &run).await, "unset\nmoved login\ncertificate\n");
    });
}

#[test]
fn a_sandboxed_agent_cannot_work_in_a_home_directory() {
    live(async {
        let server = sandboxing().start().await;
        if !is_isolated(&server) {
            return;
        }
        let admin = server.client("admin").await;
        let home = server.directory().join("home").display().to_string();
        let id = admin.script_with("result x", json!({ "working_dir": home })).await;
        let end = admin.end_of(&id).await;
        assert!(end["message"].as_str().unwrap().contains("home directory"), "{end}");
    });
}
