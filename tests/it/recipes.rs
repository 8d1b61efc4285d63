//! The recipes of docs/workspaces.md, as they are written there, over the command line.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::support::{Client, Server, Setup, live};

/// The work of the agent: it edits one file and creates another one.
const AGENT: &str = r#"
case "$1" in
    --version | auth) ;;
    *) echo two >> file; mkdir -p dist; echo notes > dist/notes.md ;;
esac
exec "$AGENT" "$@"
"#;

/// Programs that a reader has.
const READER: &str = r#"
git() { command git -c user.name=Ann -c user.email=ann@example.com -c init.defaultBranch=main "$@"; }
jq() { python3 -c 'import json, sys; print(json.load(sys.stdin)["session_id"])'; }
gh() { echo "gh $*"; }
"#;

/// The block of commands below this heading.
fn recipe(heading: &str) -> String {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/workspaces.md")).expect("the document");
    let (_, rest) = document.split_once(&format!("**{heading}")).unwrap_or_else(|| panic!("no recipe {heading}"));
    let (_, rest) = rest.split_once("```bash\n").expect("a block of commands");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// A server whose agent works, a user, and a repository with an origin.
async fn bench() -> (Server, Client, PathBuf) {
    let server = Setup::new().agent_script(AGENT).start().await;
    let admin = server.client("admin").await;
    let repository = server.directory().join("repository");
    let script = "git init --quiet --bare ../origin && git init --quiet && git remote add origin ../origin && echo one > file
        git add . && git commit --quiet -m first && git push --quiet origin HEAD:main";
    fs::create_dir(&repository).expect("a directory");
    typed(&server, &repository, script, &[]).await;
    (server, admin, repository)
}

/// The output of a shell in the directory, which must succeed.
async fn typed(server: &Server, directory: &Path, script: &str, variables: &[(&str, &str)]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_openrunner")).parent().expect("it is in a directory");
    let mut command = Command::new("bash");
    command.args(["-o", "errexit", "-o", "pipefail", "-c", &format!("{READER}{script}")]).current_dir(directory).env_clear();
    command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", program.display())).env("HOME", server.home());
    command.env("OPENRUNNER_URL", server.url()).env("GIT_CONFIG_NOSYSTEM", "1").envs(variables.iter().copied());
    let output = command.kill_on_drop(true).output().await.expect("bash");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}{err}");
    out.into_owned()
}

#[test]
fn five_agents_work_on_one_repository_and_the_best_result_is_applied() {
    live(async {
        let (server, admin, repository) = bench().await;
        let agents = "claude_code codex opencode gemini goose";
        let recipe = recipe("Five agents on one repository");
        assert!(recipe.contains(agents), "{recipe}");
        let recipe = recipe.replace(agents, "claude_code claude_code claude_code").replace("Make the parser twice as fast", "result done");
        let (start, choose) = recipe.split_once("openrunner changes RUN").expect("the comparison");
        let listed = typed(&server, &repository, start, &[]).await;
        let runs = admin.get("/api/runs?label=task=parser").await.body;
        let runs: Vec<_> = runs["items"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
        assert_eq!(runs.len(), 3, "{listed}");
        let mut directories = Vec::new();
        for run in &runs {
            let run = admin.end_of(run).await;
            assert_eq!(run["status"], "completed", "{run}");
            directories.push(PathBuf::from(run["working_dir"].as_str().unwrap()));
        }
        assert_eq!(fs::read_to_string(repository.join("file")).unwrap(), "one\n", "nothing is applied unasked");
        for directory in &directories {
            assert_eq!(fs::read_to_string(directory.join("file")).unwrap(), "one\ntwo\n", "each has one of its own");
        }
        let choose = format!("openrunner changes RUN{choose}").replace("RUN", "$RUN");
        let compared = typed(&server, &repository, &choose, &[("RUN", runs[0])]).await;
        assert!(compared.contains("dist/notes.md | 1 +"), "{compared}");
        assert_eq!(fs::read_to_string(repository.join("file")).unwrap(), "one\ntwo\n");
        assert_eq!(typed(&server, &repository, "git status --porcelain", &[]).await, " M file\n?? dist/\n");
    });
}

#[test]
fn the_work_of_a_run_becomes_a_pull_request() {
    live(async {
        let (server, _admin, repository) = bench().await;
        typed(&server, &repository, "openrunner run --worktree --quiet 'result done'", &[]).await;
        let printed = typed(&server, &repository, &recipe("A pull request from a run"), &[]).await;
        let branch =
            typed(&server, &repository, "git -C ../origin for-each-ref --format='%(refname:short)' refs/heads/openrunner", &[]).await;
        let branch = branch.trim();
        assert!(printed.contains(&format!("gh pr create --head {branch} --fill")), "{printed}");
        let log = typed(&server, &repository, &format!("git -C ../origin log -1 --format=%s --name-status main..{branch}"), &[]).await;
        assert_eq!(log, "Fix the failing test\n\nA\tdist/notes.md\nM\tfile\n");
        assert_eq!(typed(&server, &repository, "git status --porcelain", &[]).await, "", "the repository itself stays as it was");
    });
}

#[test]
fn files_are_collected_in_ci() {
    live(async {
        let (server, _admin, repository) = bench().await;
        let recipe = recipe("Collect files in CI").replace("Write the release notes to dist/notes.md", "result done");
        let empty = server.directory().join("ci");
        fs::create_dir(&empty).unwrap();
        let script =
            format!("mkdir out && {}\ntar -tzf dist.tar.gz && tar -tzf changes.tar.gz", recipe.replace("--output ", "--output out/"));
        let script = script.replace("-tzf ", "-tzf out/");
        let printed = typed(&server, &empty, &script, &[]).await;
        assert_eq!(fs::read_to_string(empty.join("out/notes.md")).unwrap(), "notes\n");
        assert!(printed.contains("notes.md") && printed.contains("file"), "{printed}");
        assert_eq!(fs::read_to_string(repository.join("file")).unwrap(), "one\n");
    });
}

#[test]
fn the_changes_of_a_run_are_applied_to_another_copy() {
    live(async {
        let (server, admin, repository) = bench().await;
        typed(&server, &repository, "command git clone --quiet . ../copy && openrunner run --quiet 'result done'", &[]).await;
        let runs = admin.get("/api/runs?limit=1").await.body;
        let run = runs["items"][0]["run_id"].as_str().unwrap();
        let recipe = recipe("Apply a run's changes to another copy").replace("RUN", "$RUN");
        let copy = server.directory().join("copy");
        typed(&server, &copy, &recipe, &[("RUN", run)]).await;
        assert_eq!(fs::read_to_string(copy.join("file")).unwrap(), "one\ntwo\n");
    });
}
