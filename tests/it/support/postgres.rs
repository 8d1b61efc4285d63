//! A real PostgreSQL for tests, started from the system's package.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The user of the databases.
const USER: &str = "openrunner";

const DEFAULT_PORT: u16 = 5432;

/// A server that ends with the process that started it, and leaves nothing.
pub(crate) struct Postgres {
    directory: PathBuf,
    address: Option<SocketAddr>,
    script: Mutex<Script>,
}

/// The script that runs the server, as a shell.
struct Script {
    /// Commands. When it closes, also because this process is killed, the script ends the server.
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();

/// The server of this process, on which the test has a database already.
pub(crate) fn postgres() -> &'static Postgres {
    SERVER.get().and_then(Option::as_ref).expect("a server with a database")
}

/// The URL of a new, empty database on the server of this process. Where PostgreSQL cannot be started, None, or with `CI=true` a failure.
pub(crate) fn new_database() -> Option<String> {
    SERVER.get_or_init(Postgres::start).as_ref().map(Postgres::new_database)
}

/// Ends with its standard input, also if the test process is killed. For the host name `TLS` it makes a self-signed certificate, and another one
/// that the server does not have.
const SCRIPT: &str = r#"
dir=$1 bin=$2; shift 2
start() {
    "$@" "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses="$ADDRESS" -c port="$PORT" -c fsync=off -c max_connections=1000 \
        -c shared_buffers=32MB -c unix_socket_permissions=0777 $OPTIONS >>"$dir/log" 2>&1 </dev/null &
    pid=$!
    while ! "$bin/pg_isready" -q -h "$dir" -p "$PORT" -U openrunner; do
        kill -0 $pid 2>/dev/null || { cat "$dir/log"; return 1; }
        sleep 0.1
    done
    echo ready
}
certify() {
    name=$1; shift
    "$@" openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$TLS" -addext "subjectAltName=DNS:$TLS" \
        -addext basicConstraints=critical,CA:FALSE -keyout "$dir/data/$name.key" -out "$dir/$name.crt"
}
{
    "$@" "$bin/initdb" -D "$dir/data" -U openrunner -A trust -E UTF8 --locale=C -N &&
        { [ -z "$TLS" ] || { certify server "$@" && certify other "$@"; }; }
} >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
start "$@" || exit 1
while read -r command; do
    case $command in
    stop) kill -QUIT $pid; wait $pid; echo stopped ;;
    start) start "$@" ;;
    esac
done
kill -QUIT $pid 2>/dev/null
wait $pid
rm -rf "$dir"
"#;

/// What a server needs besides the defaults.
#[derive(Default)]
struct Options {
    /// Address of a server that is reached by TCP as well.
    address: Option<SocketAddr>,
    /// Host name of a certificate.
    tls: Option<&'static str>,
}

impl Postgres {
    /// Starts a server that is reached by a socket in a directory. Where it cannot be started, None, or with `CI=true` a failure.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&Options::default())
    }

    /// Starts a server that is also reached by TCP, with TLS and a self-signed certificate for this host name.
    pub(crate) fn start_with_tls(host: &'static str) -> Option<Self> {
        // The whole network is this machine, so that no other program takes the port meanwhile.
        let [.., high, low] = std::process::id().to_be_bytes();
        let listener = TcpListener::bind((Ipv4Addr::new(127, 77, high, low), 0));
        let address = listener.and_then(|listener| listener.local_addr()).expect("a free port");
        Self::start_with(&Options { address: Some(address), tls: Some(host) })
    }

    fn start_with(options: &Options) -> Option<Self> {
        match Self::try_start(options) {
            Ok(server) => Some(server),
            Err(problem) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL is required with CI=true: {problem}");
                eprintln!("SKIPPED: {problem}");
                None
            }
        }
    }

    fn try_start(options: &Options) -> Result<Self, String> {
        let bin = programs().ok_or("PostgreSQL is not installed; it is in the package `postgresql` of your system")?;
        // The server does not run as root.
        let account = rustix::process::getuid().is_root().then(unprivileged);
        let directory = new_directory(account.is_some()).map_err(|error| format!("no directory for the database: {error}"))?;
        let script = run_script(&directory, &bin, account, options).inspect_err(|_| drop(std::fs::remove_dir_all(&directory)))?;
        Ok(Self { directory, address: options.address, script: Mutex::new(script) })
    }

    /// Stops the server at once, as a crash would.
    pub(crate) fn stop(&self) {
        self.command("stop", "stopped");
    }

    /// Starts the server again after [`Postgres::stop`], and returns when it accepts connections.
    pub(crate) fn start_again(&self) {
        self.command("start", "ready");
    }

    fn command(&self, command: &str, answer: &str) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(script.input, "{command}").expect("the script runs");
        let mut line = String::new();
        script.output.read_line(&mut line).expect("the script runs");
        assert_eq!(line.trim_end(), answer, "{command}");
    }

    /// Files with the server's certificate, and with one for the same name that the server does not have.
    pub(crate) fn certificates(&self) -> [PathBuf; 2] {
        ["server.crt", "other.crt"].map(|name| self.directory.join(name))
    }

    /// The URL of a database that is reached by TCP, on a host of this name.
    pub(crate) fn tcp_url(&self, database: &str, host: &str) -> String {
        let address = self.address.expect("an address");
        format!("postgres://{USER}@{host}:{}/{database}?hostaddr={}", address.port(), address.ip())
    }

    /// The port, which also names the socket.
    fn port(&self) -> u16 {
        self.address.map_or(DEFAULT_PORT, |address| address.port())
    }

    /// The URL of a new, empty database.
    pub(crate) fn new_database(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        let port = self.address.map(|address| format!("&port={}", address.port())).unwrap_or_default();
        format!("postgres://{USER}@/{database}?host={}{port}", self.directory.display())
    }

    /// Runs a statement and returns its output, one line per row.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let mut command = Command::new(programs().expect("PostgreSQL, which has been started").join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database, "-c", statement]);
        let output = command.arg("-h").arg(&self.directory).args(["-p", &self.port().to_string()]).output().expect("psql runs");
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

/// Starts the script, and returns when the server accepts connections.
fn run_script(directory: &Path, bin: &Path, account: Option<(u32, u32)>, options: &Options) -> Result<Script, String> {
    let settings = if options.tls.is_some() { "-c ssl=on -c ssl_cert_file=../server.crt" } else { "" };
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(directory).arg(bin).env("OPTIONS", settings).env("LC_ALL", "C");
    command.env("TLS", options.tls.unwrap_or_default()).env("ADDRESS", options.address.map(|a| a.ip().to_string()).unwrap_or_default());
    command.env("PORT", options.address.map_or(DEFAULT_PORT, |address| address.port()).to_string());
    if let Some((uid, gid)) = account {
        chown(directory, Some(uid), Some(gid)).map_err(|error| format!("cannot give a directory to the database's account: {error}"))?;
        command.args(["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]);
    } else {
        command.arg("env");
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("no shell: {error}"))?;
    let (input, output) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
    let mut script = Script { input, output: BufReader::new(output) };
    let mut line = String::new();
    script.output.read_line(&mut line).map_err(|error| error.to_string())?;
    if line == "ready\n" {
        return Ok(script);
    }
    let _ = script.output.read_to_string(&mut line);
    let _ = child.wait();
    Err(format!("PostgreSQL does not start:\n{line}"))
}

/// A new directory for a server, which also another account reaches if it must, and with a short path: that of a socket has at most 107 bytes.
fn new_directory(is_shared: bool) -> std::io::Result<PathBuf> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let is_open = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    let usable = |parent: &PathBuf| parent.as_os_str().len() <= 60 && (!is_shared || parent.ancestors().all(is_open));
    let parents = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into(), "/dev/shm".into()];
    let parent = parents.into_iter().find(usable).unwrap_or_else(std::env::temp_dir);
    let directory = parent.join(format!("orpg-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::DirBuilder::new().mode(0o755).create(&directory)?;
    Ok(directory)
}

/// The directory with the newest PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    versions.sort_by_key(|bin| bin.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.into_iter().rev().chain(std::env::split_paths(&path)).find(|bin| bin.join("initdb").exists())
}

/// An account that owns nothing else.
fn unprivileged() -> (u32, u32) {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let account = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == "postgres");
    let id = |field: usize| account.as_ref().and_then(|fields| fields.get(field)?.parse().ok());
    (id(2).unwrap_or(65534), id(3).unwrap_or(65534))
}
