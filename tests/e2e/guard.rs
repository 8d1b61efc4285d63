//! The built-in agents at level `guard`: they work, and the commands that they run reach nothing of the server.
//!
//! Rules: G1.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use serde_json::json;

use crate::support::{Agent, Bench, Server, for_each_agent};
use crate::tools::check_created_file;

for_each_agent!(guarded();
    a_file_is_created_at_level_guard,
    a_command_at_level_guard_reaches_nothing_of_the_server,
);

/// What a command of the agent tries. Its command line names no path of the server: that would be denied by a rule. What succeeds is
/// printed into a file of the working directory.
const ATTEMPTS: &str = r#"
{
    . ./facts
    for secret in "$DATA/jwt.key" "$DATA/openrunner.db" "$DATA/openrunner.toml" "$DATA/runs/$OTHER/out"; do
        cat "$secret" >/dev/null 2>&1 && echo "read $secret"
        { echo x >>"$secret"; } 2>/dev/null && echo "wrote $secret"
    done
    ls "$DATA/runs" >/dev/null 2>&1 && echo 'listed the data directory'
    for socket in "$DATA/runs/$OTHER/socket" "$DATA/runs/$ORN_RUN/socket"; do
        python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$socket" 2>/dev/null && echo "connected to $socket"
    done
    cat /proc/[0-9]*/comm | grep -qx openrunner && echo 'saw a process of the server'
    echo x >own && echo 'OK'
} >attempts 2>/dev/null
"#;

/// A server whose agents are at least guarded. `None` if agents cannot be isolated here.
fn guarded() -> Option<&'static Server> {
    static GUARDED: OnceLock<Option<Server>> = OnceLock::new();
    let start = || {
        let bench = Bench::get()?;
        fs::create_dir_all(bench.root.join("guarded")).expect("a data directory");
        fs::write(bench.root.join("guarded/openrunner.toml"), "max_queue = 100\n").expect("a settings file");
        let server = Server::start(bench, "guarded", &[]);
        let probe = json!({ "input": { "text": "x" }, "metadata": { "agent_type": "demo", "isolation": "guard" } });
        let created = server.post("/api/runs", &probe);
        let refused = created["code"] == "isolation_unavailable";
        assert!(!refused || std::env::var("CI").as_deref() != Ok("true"), "with CI=true agents must be isolated: {created}");
        (!refused).then_some(server)
    };
    GUARDED.get_or_init(start).as_ref()
}

fn a_file_is_created_at_level_guard(server: &Server, agent: Agent) {
    let prompt = format!("create hello.py [[mock:tool path=hello.py id=guard_{agent}]]");
    let (run, events) = server.run(agent, &prompt, &json!({ "isolation": "guard" }));
    check_created_file(agent, &run, &events);
    assert_eq!(events.one("run_started")["isolation"]["level"], "guard");
}

fn a_command_at_level_guard_reaches_nothing_of_the_server(server: &Server, agent: Agent) {
    // Its files stay until the run is deleted.
    let (other, _) = server.run(agent, "say hi [[mock:text]]", &json!({}));
    let facts = format!("DATA='{}'\nOTHER='{}'\n", server.bench.root.join("guarded").display(), other.id);
    for mode in ["auto", "ask", "read_only"] {
        let directory = server.bench.new_directory();
        fs::write(directory.join("facts"), &facts).expect("a file");
        fs::write(directory.join("attempts.sh"), ATTEMPTS).expect("a script");
        let metadata = json!({ "isolation": "guard", "permission_mode": mode });
        let run = server.create_in(agent.name(), directory, "run it [[mock:shell cmd=sh+attempts.sh]]", &metadata);
        let mut follow = server.follow(&run);
        if mode == "ask" {
            let request = follow.until("permission_request");
            server.answer(&run, &request, &json!({ "decision": "allow_once" }));
        }
        let events = follow.finish();
        assert_eq!(events.one("run_started")["isolation"]["level"], "guard");
        let attempts = fs::read_to_string(run.directory.join("attempts")).unwrap_or_default();
        // A command is denied in `read_only`, or cannot write in the agent's own sandbox.
        let expected: BTreeSet<&str> = if mode == "read_only" { BTreeSet::new() } else { BTreeSet::from(["OK"]) };
        assert_eq!(attempts.lines().collect::<BTreeSet<_>>(), expected, "mode {mode}: {}", events.done());
    }
}
