//! Recordings of the real programs, and a task and installation to replay them with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::agent::{Installed, Task};
use crate::process::Exit;
use crate::types::{Attachment, AttachmentInfo, AttachmentKind, PermissionMode, ProjectConfig, RunSpec, SpendLimits};

/// One run of a real program.
pub(crate) struct Recording {
    /// The scenario's name.
    pub(crate) name: String,
    /// Whether it is a two-way dialog.
    pub(crate) two_way: bool,
    /// Both directions, in order.
    pub(crate) entries: Vec<Entry>,
    /// How the process ended.
    pub(crate) exit: Exit,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// One line of a recording.
pub(crate) enum Entry {
    /// What the recorder sent.
    Sent(Value),
    /// What the program wrote, without the newline.
    Line(String),
}

impl Recording {
    /// The program's own lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Line(line) => Some(line.as_str()),
            Entry::Sent(_) => None,
        })
    }
}

/// Every recording of `agent`, sorted by name.
pub(crate) fn recordings(agent: &str) -> Vec<Recording> {
    let dir = directory(agent);
    let files = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let names: BTreeSet<String> =
        files.filter_map(|file| file.unwrap().file_name().into_string().unwrap().strip_suffix(".exit").map(str::to_owned)).collect();
    names.iter().map(|name| recording(agent, name)).collect()
}

/// The recording `name` of `agent`.
pub(crate) fn recording(agent: &str, name: &str) -> Recording {
    let file = |suffix: &str| std::fs::read(directory(agent).join(format!("{name}.{suffix}"))).ok();
    let text = |suffix: &str| file(suffix).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let code: i32 = text("exit").and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| panic!("{agent}/{name}.exit"));
    let dialog = text("dialog.jsonl");
    let two_way = dialog.is_some();
    let entries = match dialog {
        Some(dialog) => dialog.lines().filter(|line| !line.is_empty()).map(entry).collect(),
        None => text("stdout.jsonl").unwrap_or_default().lines().map(|line| Entry::Line(line.to_owned())).collect(),
    };
    Recording {
        name: name.to_owned(),
        two_way,
        entries,
        // The recorder writes -N for a process that died of signal N.
        exit: if code < 0 { Exit::Signal(-code) } else { Exit::Code(code) },
        stderr: text("stderr.txt").unwrap_or_default(),
    }
}

fn directory(agent: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(agent)
}

/// One line of a dialog file. The program's JSON is kept verbatim, so that duplicate keys and large numbers survive.
fn entry(line: &str) -> Entry {
    #[derive(Deserialize)]
    struct DialogLine<'a> {
        dir: &'a str,
        #[serde(borrow)]
        msg: Option<&'a RawValue>,
        raw: Option<String>,
    }
    let line: DialogLine<'_> = serde_json::from_str(line).expect("a dialog file holds one JSON object per line");
    match (line.dir, line.msg, line.raw) {
        ("in", Some(msg), _) => Entry::Sent(serde_json::from_str(msg.get()).unwrap()),
        ("in", None, raw) => Entry::Sent(Value::String(raw.unwrap_or_default())),
        (_, Some(msg), _) => Entry::Line(msg.get().to_owned()),
        (_, None, raw) => Entry::Line(raw.unwrap_or_default()),
    }
}

/// A task for `agent` with default settings.
pub(crate) fn task(agent: &str) -> Task {
    Task {
        spec: RunSpec {
            agent_type: agent.to_owned(),
            prompt: "Create hello.py".to_owned(),
            working_dir: PathBuf::from("/workspace/project"),
            attachments: Vec::new(),
            output_schema: None,
            instructions: None,
            model: None,
            extra_args: Vec::new(),
            permission_mode: PermissionMode::Auto,
            permission_rules: vec![],
            env: vec![],
            mcp_servers: vec![],
            timeout: Duration::from_mins(5),
            idle_timeout: None,
            max_wait: None,
            spend_limits: SpendLimits::default(),
            isolation: None,
            project_config: ProjectConfig::Ignore,
            labels: std::collections::BTreeMap::new(),
            egress: None,
            profile: None,
            workspace: None,
            trace_parent: None,
            response: None,
        },
        resume: None,
        continues: false,
        mcp_servers: vec![],
        endpoint: None,
        attachments: Vec::new(),
        input_dir: PathBuf::from("/tmp/openrunner-input"),
    }
}

/// An installed program as detection would report it.
pub(crate) fn installed(file_name: &str, version: &str, variant: &'static str) -> Installed {
    Installed {
        path: Path::new("/opt/agents/bin").join(file_name),
        version: Some(version.to_owned()),
        variant: variant.into(),
        home: PathBuf::from("/home/user"),
        has_other_home: false,
    }
}

/// An attachment of a task.
pub(crate) fn attachment(kind: AttachmentKind, name: &str) -> Attachment {
    let media_type = if kind == AttachmentKind::Image { "image/png" } else { "text/plain" };
    let info = AttachmentInfo { kind, media_type: media_type.to_owned(), name: name.to_owned(), size: 7 };
    Attachment { info, content: "content".into() }
}
