//! Every code block of a document is executed, checked against the code, or listed below with the reason why not. A block that the table
//! does not cover fails the test.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::docs::{documents, root};
use crate::support::{Server, live, typed, validator};

/// How a block is tested.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// Pasted into a shell after the preceding blocks of the page, with a server and a token.
    Shell,
    /// A body of the operation that the section describes: a request, a response, or an item of a list.
    Operation,
    /// JSON of this schema of `docs/openapi.json`, or a list of such values.
    Schema(&'static str),
    /// A settings file.
    Settings,
    /// Executed by this other test.
    Elsewhere(&'static str),
    /// Not executed, for this reason.
    NotRun(&'static str),
}

use How::{Elsewhere, NotRun, Operation, Schema, Settings, Shell};

const BUILDS: How = NotRun("it builds for minutes");
const TERMINAL: How = NotRun("a person in a terminal; tests/it/terminal.rs and tests/it/cli.rs type such commands");
const TOUR: How = Elsewhere("tests/e2e/doc_examples.rs, with each real agent");

const INSTALL: How = Elsewhere("scripts/test.sh, with a directory of its own");
const OPENAI: How = Elsewhere("tests/e2e/openai.rs, by programs of the same calls");

/// Document, language, text that the block contains, and how it is tested. The first matching row counts.
const TABLE: &[(&str, &str, &str, How)] = &[
    ("README.md", "bash", "cargo run -- demo", BUILDS),
    ("README.md", "bash", "./scripts/test.sh", NotRun("it is what runs this test")),
    ("README.md", "bash", "./scripts/install-agents.sh", INSTALL),
    ("README.md", "bash", "kill -9", Elsewhere("scripts/animation.py, which tests/it/readme.rs runs")),
    ("README.md", "python", "from openai", OPENAI),
    ("README.md", "python", "from openrunner", Elsewhere("clients/python/tests/test_readme.py")),
    ("README.md", "ts", "from \"openrunner\"", Elsewhere("clients/typescript/test/readme.test.ts")),
    ("docs/getting-started.md", "bash", "./scripts/install-agents.sh", INSTALL),
    ("docs/getting-started.md", "bash", "npm install -g", NotRun("it installs programs for the whole machine")),
    ("docs/getting-started.md", "bash", "cargo build --release", BUILDS),
    ("docs/getting-started.md", "bash", "OPENRUNNER_ADDR=0.0.0.0:8090 cargo run", BUILDS),
    ("docs/getting-started.md", "bash", "cargo install", BUILDS),
    ("docs/getting-started.md", "bash", "openrunner auth password", TERMINAL),
    ("docs/getting-started.md", "bash", "openrunner run \"create", TERMINAL),
    ("docs/getting-started.md", "bash", "/health\n", TOUR),
    ("docs/getting-started.md", "bash", "TOKEN=$(", TOUR),
    ("docs/getting-started.md", "bash", "/events?", TOUR),
    ("docs/getting-started.md", "bash", "/api/chat", TOUR),
    ("docs/getting-started.md", "bash", "curl", Shell),
    ("docs/getting-started.md", "python", "from openai", OPENAI),
    ("docs/getting-started.md", "json", "about:blank", Schema("Problem")),
    ("docs/getting-started.md", "toml", "", Settings),
    ("docs/getting-started.md", "rust", "MyAgent", Elsewhere("the doc test of `Agent` in src/agent")),
    ("CONTRIBUTING.md", "bash", "./scripts/test.sh", NotRun("it is what runs this test")),
    ("CONTRIBUTING.md", "bash", "cargo test", NotRun("it is what runs this test")),
    ("CONTRIBUTING.md", "bash", "openrunner-bench", NotRun("it measures for minutes")),
    ("docs/agents.md", "toml", "", Settings),
    ("docs/api.md", "json", "mcp-files", Schema("McpServer")),
    ("docs/api.md", "json", "\"last_seq\"", Schema("Run")),
    ("docs/api.md", "json", "about:blank", Schema("Problem")),
    ("docs/api.md", "json", "\"parts\": [", Schema("CreateRunRequest")),
    ("docs/api.md", "json", "\"output_schema\": {", Schema("CreateRunRequest")),
    ("docs/api.md", "json", "", Operation),
    ("docs/cli.md", "bash", "", Elsewhere("tests/it/commands.rs, in page order on a fresh data directory")),
    ("docs/editors.md", "json", "agent_servers", NotRun("it configures programs of other projects")),
    ("docs/egress.md", "json", "\"input\"", Schema("CreateRunRequest")),
    ("docs/egress.md", "toml", "", Settings),
    ("docs/events.md", "json", "", Schema("Event")),
    ("docs/events.md", "js", "", Elsewhere("clients/typescript/test/events-examples.test.ts")),
    ("docs/events.md", "python", "", Elsewhere("clients/python/tests/test_events_examples.py")),
    ("docs/events.md", "go", "", NotRun("Go is no prerequisite of the tests")),
    ("docs/clients.md", "yaml", "", NotRun("it configures a program of another project")),
    ("docs/console.md", "toml", "", Settings),
    ("docs/mcp.md", "bash", "claude mcp add", Elsewhere("tests/e2e/mcp.rs, where runs have the same MCP server")),
    ("docs/mcp.md", "toml", "", Elsewhere("tests/e2e/mcp.rs, where runs have the same MCP server")),
    ("docs/mcp.md", "json", "mcpServers", Elsewhere("tests/it/mcp.rs, which starts the command")),
    ("docs/openai.md", "python", "from openai", OPENAI),
    ("docs/openai.md", "python", "client.responses", OPENAI),
    ("docs/openai.md", "json", "", NotRun("OpenAI's own shapes, which its clients read in tests/e2e/openai.rs")),
    ("docs/operating.md", "bash", "./install.sh", Elsewhere("tests/it/packaging.rs, with an archive of its own")),
    ("docs/operating.md", "bash", "systemctl", NotRun("it needs systemd and root; tests/it/packaging.rs checks the units")),
    (
        "docs/operating.md",
        "bash",
        "apt install bubblewrap",
        Elsewhere("tests/it/isolation/levels.rs, where doctor tries what is installed"),
    ),
    ("docs/operating.md", "bash", "OPENRUNNER_AGENT_USER", Elsewhere("tests/it/isolation/accounts.rs, with a list of accounts of its own")),
    ("docs/operating.md", "bash", "docker", NotRun("it needs a Docker engine")),
    ("docs/operating.md", "nginx", "proxy_pass", Elsewhere("tests/it/proxy.rs")),
    ("docs/operating.md", "yaml", "loadBalancer", NotRun("it needs Traefik")),
    ("docs/operating.md", "bash", "openrunner backup", Elsewhere("tests/it/backup.rs, with directories of its own")),
    ("docs/operating.md", "bash", "createdb", Elsewhere("tests/it/postgres.rs, with a server of its own")),
    ("docs/operating.md", "bash", "openrunner key create", Elsewhere("tests/it/metrics.rs, which makes such a key over the API")),
    ("docs/operating.md", "yaml", "scrape_configs", NotRun("it needs Prometheus")),
    ("docs/operating.md", "yaml", "alert:", NotRun("it needs Prometheus")),
    ("docs/operating.md", "bash", "OTEL_EXPORTER", Elsewhere("tests/it/traces.rs, with a collector of its own")),
    ("docs/operating.md", "bash", "/proc/", NotRun("it inspects the processes of the machine")),
    ("docs/performance.md", "bash", "openrunner-bench", NotRun("it measures for minutes")),
    ("docs/permissions.md", "bash", "", Shell),
    ("docs/permissions.md", "json", "\"input\"", Schema("CreateRunRequest")),
    ("docs/permissions.md", "toml", "", Settings),
    ("docs/recipes.md", "bash", "", Elsewhere("tests/it/commands.rs, in page order on a fresh data directory")),
    ("docs/recipes.md", "yaml", "runs-on", NotRun("it needs GitHub")),
    ("docs/recipes.md", "yaml", "services:", Elsewhere("scripts/test-packaging.sh, which validates it")),
    ("docs/sessions.md", "bash", "", Shell),
    ("docs/settings.md", "toml", "", Settings),
    ("docs/webhooks.md", "json", "\"input\"", Schema("CreateRunRequest")),
    ("docs/webhooks.md", "python", "standardwebhooks", Elsewhere("scripts/test-webhooks.sh, in a receiver")),
    ("docs/webhooks.md", "typescript", "standardwebhooks", NotRun("the same library as in Python, where it is run")),
    ("docs/workspaces.md", "bash", "openrunner changes", Elsewhere("tests/it/changes.rs, on a run that changes files")),
    ("docs/api.md", "bash", "--data-binary @spec.pdf", Elsewhere("tests/it/uploads.rs, which uploads files")),
    ("docs/api.md", "bash", "curl -T report.txt", Elsewhere("tests/it/files.rs, which writes files")),
    ("docs/workspaces.md", "bash", "files?path=src", Elsewhere("tests/it/files.rs, which lists, reads and writes files")),
    ("docs/workspaces.md", "bash", "openrunner apply", Elsewhere("tests/it/recipes.rs, as it is written")),
    ("docs/workspaces.md", "bash", "openrunner files last", Elsewhere("tests/it/recipes.rs, as it is written")),
    (
        "docs/workspaces.md",
        "bash",
        "openrunner run --worktree",
        Elsewhere("tests/it/worktrees.rs, over the API and with a repository of its own"),
    ),
    ("docs/workspaces.md", "bash", "openrunner run --clone", Elsewhere("tests/it/clones.rs, with a server on this machine")),
    ("docs/workspaces.md", "json", "\"workspace\"", Schema("CreateRunRequest")),
    ("docs/workspaces.md", "bash", "gh pr create", Elsewhere("tests/it/recipes.rs, as it is written, with an origin on this machine")),
    ("docs/workspaces.md", "bash", "openrunner branch last", Elsewhere("tests/it/worktrees.rs, over the API")),
    ("docs/workspaces.md", "bash", "git apply", Elsewhere("tests/it/changes.rs, which applies the patch")),
];

/// One fenced block.
struct Block {
    document: String,
    line: usize,
    heading: String,
    language: String,
    text: String,
}

impl Block {
    fn row(&self) -> Option<usize> {
        TABLE
            .iter()
            .position(|(document, language, part, _)| *document == self.document && *language == self.language && self.text.contains(part))
    }

    fn how(&self) -> Option<How> {
        self.row().and_then(|row| TABLE.get(row)).map(|(.., how)| *how)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

/// All blocks of all documents except plain text. The blocks of the Chinese pages equal the English ones, as another test checks.
fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for path in documents() {
        let document = path.strip_prefix(root()).expect("the test owns it").display().to_string();
        if document.contains("zh-CN") {
            continue;
        }
        let (mut heading, mut open) = (String::new(), None::<Block>);
        for (number, line) in std::fs::read_to_string(&path).expect("a text").lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), open.take()) {
                (Some(_), Some(block)) => found.push(block),
                (Some(info), None) => {
                    let (heading, language) = (heading.clone(), info.trim().to_owned());
                    open = Some(Block { document: document.clone(), line: number + 1, heading, language, text: String::new() });
                }
                (None, Some(mut block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) if line.starts_with('#') => line.clone_into(&mut heading),
                (None, None) => {}
            }
        }
    }
    found.retain(|block| block.language != "text");
    found
}

/// The blocks that are tested this way.
fn those(how: impl Fn(How) -> bool) -> Vec<Block> {
    blocks().into_iter().filter(|block| block.how().is_some_and(&how)).collect()
}

#[test]
fn every_code_block_is_tested_or_excepted_with_a_reason() {
    let blocks = blocks();
    let unknown: Vec<_> = blocks.iter().filter(|block| block.row().is_none()).map(Block::place).collect();
    assert!(unknown.is_empty(), "the table in tests/it/examples.rs does not say what is done about these:\n{}", unknown.join("\n"));
    for (number, (document, language, part, how)) in TABLE.iter().enumerate() {
        assert!(blocks.iter().any(|block| block.row() == Some(number)), "no {language} block of {document} has {part:?} any more");
        if let Elsewhere(reason) | NotRun(reason) = how {
            assert!(!reason.is_empty());
        }
    }
}

#[test]
fn every_json_block_matches_the_api_description() {
    let description: Value = serde_json::from_str(&std::fs::read_to_string(root().join("docs/openapi.json")).unwrap()).unwrap();
    let check = |block: &Block, schemas: &[&Value]| {
        let shown: Value = serde_json::from_str(&block.text).unwrap();
        let faults = |schema: &&Value| {
            let validator = validator(&json!({ "allOf": [schema], "components": description["components"] }));
            validator.iter_errors(&shown).map(|fault| format!("{} {fault}", fault.instance_path())).collect::<Vec<_>>().join("; ")
        };
        let faults: Vec<_> = schemas.iter().map(faults).collect();
        assert!(faults.iter().any(String::is_empty), "{}: {}", block.place(), faults.join("\nor "));
    };
    for block in those(|how| matches!(how, Schema(_))) {
        let Some(Schema(name)) = block.how() else { continue };
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        check(&block, &[&schema, &json!({ "type": "array", "items": schema })]);
    }
    for block in those(|how| how == Operation) {
        let (method, path) = block.heading.split('`').nth(1).and_then(|name| name.split_once(' ')).expect("a section of an operation");
        let operation = &description["paths"][path][method.to_lowercase()];
        let answers = operation["responses"].as_object().unwrap_or_else(|| panic!("{}: no such operation", block.place()));
        let mut schemas = vec![&operation["requestBody"]["content"]["application/json"]["schema"]];
        schemas.extend(
            answers
                .iter()
                .filter(|(status, _)| status.starts_with('2'))
                .map(|(_, answer)| &answer["content"]["application/json"]["schema"]),
        );
        schemas.retain(|schema| schema.is_object());
        // The section of a list shows one of its items.
        let pages: Vec<_> =
            schemas.iter().filter_map(|schema| description.pointer(schema["$ref"].as_str()?.trim_start_matches('#'))).collect();
        schemas.extend(pages.into_iter().map(|page| &page["properties"]["items"]["items"]).filter(|item| item.is_object()));
        check(&block, &schemas);
    }
}

#[test]
fn every_toml_block_is_a_valid_settings_file() {
    live(async {
        for block in those(|how| how == Settings) {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("openrunner.toml");
            std::fs::write(&file, &block.text).unwrap();
            // Some of the examples contain secrets.
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let printed = typed(directory.path(), &["config", "show"]).env("OPENRUNNER_DATA_DIR", directory.path()).done().await;
            assert_eq!(printed.code, 0, "{}: {}", block.place(), printed.err);
        }
    });
}

#[test]
fn every_command_block_works_when_pasted() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let login = server.guest().post("/api/auth/login", &json!({ "username": "admin", "password": "admin" })).await;
        let token = login.body["token"].as_str().unwrap();
        let blocks = those(|how| how == Shell);
        let mut pages: Vec<_> = blocks.iter().map(|block| block.document.as_str()).collect();
        pages.dedup();
        for page in pages {
            // What the pages assume: a live run and its session.
            let go = server.directory().join(page.replace('/', "_"));
            let run = admin.script(&format!("say up\nwait {}\nresult one", go.display())).await;
            admin.follow(&run).await.until_text("up").await;
            let session = admin.run(&run).await["session_id"].as_str().unwrap().to_owned();
            let script = script(blocks.iter().filter(|block| block.document == page), &server, &go);
            let printed = shell(&server, &script, &[("TOKEN", token), ("RUN", &run), ("SESSION", &session)]).await;
            let answers: Vec<Value> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            assert!(answers.iter().all(|answer| answer.get("code").is_none()), "{page}: {printed}\n{script}");
            assert_eq!(answers.is_empty(), !script.contains("curl"), "{page}: {printed}\n{script}");
            std::fs::write(go, "").unwrap();
        }
    });
}

/// The blocks of a page in order, with what a reader adds: a directory, a server, a prompt that the scripted agent understands, and waiting
/// until the run is where the page says it is.
fn script<'a>(blocks: impl Iterator<Item = &'a Block>, server: &Server, go: &Path) -> String {
    let mut script = String::new();
    for block in blocks {
        // The run of the next page ends when something waits for it.
        if block.text.contains("?wait=") {
            writeln!(script, "touch '{}'", go.display()).expect("a text takes everything");
        }
        let mut text = block.text.replace("http://localhost:3000", &server.url());
        if text.contains("claude_code") {
            text = text.replace("create hello.py", &format!("say up\\nwait {}\\nresult one", go.display()));
        }
        let directory = server.directory().join("test");
        script.push_str(&text.replace("add a test, too", "result two").replace("/tmp/test", &directory.display().to_string()));
        script.push_str("\necho\n");
        if block.text.starts_with("RUN=") {
            let seen = if block.text.contains("\"ask\"") { "permission_request" } else { "message" };
            let events = format!("{}/api/runs/$RUN/events", server.url());
            writeln!(script, "grep -q '^event: {seen}' < <(curl -sN {events} -H \"Authorization: Bearer $TOKEN\")")
                .expect("a text takes everything");
        }
    }
    script
}

/// The output of a shell that executes this script, which must succeed.
async fn shell(server: &Server, script: &str, variables: &[(&str, &str)]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_openrunner")).parent().expect("it is in a directory");
    for directory in [".local/share/bash-completion/completions", ".local/share/man/man1"] {
        std::fs::create_dir_all(server.home().join(directory)).expect("a home of its own");
    }
    let mut command = Command::new("bash");
    command.args(["-o", "errexit", "-o", "pipefail", "-c", script]).env_clear().envs(variables.iter().copied());
    command.env("HOME", server.home()).env("OPENRUNNER_DATA_DIR", server.data());
    command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", program.display()));
    let output = command.kill_on_drop(true).output().await.expect("bash");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
