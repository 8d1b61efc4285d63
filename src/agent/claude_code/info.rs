//! The fixed facts about `claude`.

use std::borrow::Cow;

use serde_json::Value;

use super::flags;
use crate::agent::{Capabilities, Environment, Install, Location, Mode, ProgramInfo, ReportInterval, UsageReports};

/// The facts about the program when it is driven in `mode`.
pub(super) fn for_mode(mode: Mode) -> &'static ProgramInfo {
    static TWO_WAY: ProgramInfo = info(Mode::TwoWay);
    static ONE_SHOT: ProgramInfo = info(Mode::OneShot);
    match mode {
        Mode::TwoWay => &TWO_WAY,
        Mode::OneShot => &ONE_SHOT,
    }
}

const fn info(mode: Mode) -> ProgramInfo {
    let two_way = matches!(mode, Mode::TwoWay);
    ProgramInfo {
        name: Cow::Borrowed("claude_code"),
        protocol: "stream-json",
        location: Location::Named(Cow::Borrowed("claude")),
        install: Install::Npm,
        login_hint: Cow::Borrowed(
            "set ANTHROPIC_API_KEY for the server, or log in once as the server's user: run `claude` and type /login \
             (without a browser: `claude setup-token`, and set CLAUDE_CODE_OAUTH_TOKEN)",
        ),
        environment: Environment { prefixes: PREFIXES, names: NAMES, configured: Vec::new() },
        flags: Some(flags::FLAGS),
        capabilities: Capabilities {
            resume: true,
            move_session: true,
            messages: two_way,
            steer: false,
            interrupt: two_way,
            permissions: two_way,
            questions: two_way,
            models: true,
            mcp_servers: two_way,
            instructions: two_way,
            images: two_way,
            files: two_way,
            // The program itself enforces the limit of its cost after each call, and reports it at the end of a turn.
            usage: UsageReports {
                cost: ReportInterval::Call,
                tokens: ReportInterval::Call,
                turns: ReportInterval::Call,
                sub_agents: true,
                continued_cost: true,
            },
        },
    }
}

/// Whether the program takes this JSON Schema of its answer. It makes the answer the input of a tool, which must be an object.
pub(super) fn takes_output_schema(mode: Mode, schema: &Value) -> bool {
    mode == Mode::TwoWay && schema.get("type").and_then(Value::as_str) == Some("object")
}

/// Prefixes of the variables that the program reads.
///
/// Not `CLAUDE_CODE_` as a whole: if the server itself was started from a Claude Code session, `CLAUDECODE`, `CLAUDE_CODE_ENTRYPOINT`,
/// `CLAUDE_CODE_SSE_PORT`, `CLAUDE_CODE_SESSION_ID` and similar variables describe that session, and the agent would consider itself part
/// of it.
const PREFIXES: &[&str] = &[
    "ANTHROPIC_",
    "CLAUDE_CODE_CLIENT_",
    "CLAUDE_CODE_DISABLE_",
    "CLAUDE_CODE_ENABLE_",
    "CLAUDE_CODE_MAX_",
    "CLAUDE_CODE_SKIP_",
    "CLAUDE_CODE_SUBAGENT_",
    "CLAUDE_CODE_USE_",
    "VERTEX_REGION_CLAUDE_",
];

/// Names of the variables that the program reads: its own, and those of its cloud providers.
const NAMES: &[&str] = &[
    "API_TIMEOUT_MS",
    "AWS_ACCESS_KEY_ID",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "BASH_DEFAULT_TIMEOUT_MS",
    "BASH_MAX_OUTPUT_LENGTH",
    "BASH_MAX_TIMEOUT_MS",
    "BEDROCK_BASE_URL",
    "CLAUDE_CODE_API_KEY_HELPER_TTL_MS",
    "CLAUDE_CODE_EFFORT_LEVEL",
    "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
    "CLAUDE_CODE_OAUTH_SCOPES",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
    "CLOUD_ML_REGION",
    "DISABLE_COMPACT",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_PROMPT_CACHING",
    "DISABLE_TELEMETRY",
    "GCLOUD_PROJECT",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "MAX_MCP_OUTPUT_TOKENS",
    "MAX_THINKING_TOKENS",
    "MCP_TIMEOUT",
    "MCP_TOOL_TIMEOUT",
    "VERTEX_BASE_URL",
];
