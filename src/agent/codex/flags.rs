//! The command line of Codex 0.169.0: all flags in `codex app-server --help` and `codex exec --help`.

use crate::agent::flags::{Flag, Takes};

/// Flags of `codex app-server`.
pub(super) const APP_SERVER: &[Flag] = &[
    // Sets any setting: sandbox, approvals, MCP servers, hooks.
    Flag::widening(&["--config", "-c"], Takes::One),
    Flag::widening(&["--enable"], Takes::One),
    Flag::widening(&["--disable"], Takes::One),
    Flag::widening(&["--startup-sign-out"], Takes::Nothing),
    Flag::widening(&["--cloud-skills-snapshot"], Takes::One),
    Flag::widening(&["--code-mode-host"], Takes::One),
    Flag::plain(&["--strict-config"], Takes::Nothing),
    Flag::plain(&["--analytics-default-enabled"], Takes::Nothing),
    Flag::reserved(&["--startup-client-info"], Takes::One),
    Flag::reserved(&["--print-startup-config"], Takes::Nothing),
    Flag::reserved(&["--listen"], Takes::One),
    Flag::reserved(&["--stdio"], Takes::Nothing),
    Flag::reserved(&["--ws-auth"], Takes::One),
    Flag::reserved(&["--ws-token-file"], Takes::One),
    Flag::reserved(&["--ws-token-sha256"], Takes::One),
    Flag::reserved(&["--ws-shared-secret-file"], Takes::One),
    Flag::reserved(&["--ws-issuer"], Takes::One),
    Flag::reserved(&["--ws-audience"], Takes::One),
    Flag::reserved(&["--ws-max-clock-skew-seconds"], Takes::One),
    Flag::reserved(&["--help", "-h"], Takes::Nothing),
];

/// Flags of `codex exec`.
pub(super) const EXEC: &[Flag] = &[
    Flag::widening(&["--config", "-c"], Takes::One),
    Flag::widening(&["--enable"], Takes::One),
    Flag::widening(&["--disable"], Takes::One),
    Flag::widening(&["--profile", "-p"], Takes::One),
    Flag::widening(&["--image", "-i"], Takes::Many),
    Flag::widening(&["--dangerously-bypass-approvals-and-sandbox"], Takes::Nothing),
    Flag::widening(&["--dangerously-bypass-hook-trust"], Takes::Nothing),
    Flag::widening(&["--trust"], Takes::Nothing),
    Flag::widening(&["--add-dir"], Takes::One),
    Flag::widening(&["--cyber-access-program"], Takes::One),
    Flag::widening(&["--ignore-user-config"], Takes::Nothing),
    Flag::widening(&["--ignore-rules"], Takes::Nothing),
    Flag::widening(&["--output-schema"], Takes::One),
    Flag::widening(&["--output-last-message", "-o"], Takes::One),
    Flag::plain(&["--strict-config"], Takes::Nothing),
    Flag::plain(&["--oss"], Takes::Nothing),
    Flag::plain(&["--local-provider"], Takes::One),
    Flag::plain(&["--thread-source"], Takes::One),
    Flag::plain(&["--color"], Takes::One),
    Flag::reserved(&["--model", "-m"], Takes::One),
    Flag::reserved(&["--sandbox", "-s"], Takes::One),
    // Lets a model decide instead of the run's policy.
    Flag::reserved(&["--approve-for-me"], Takes::Nothing),
    Flag::reserved(&["--cd", "-C"], Takes::One),
    // Works in another directory than the run's.
    Flag::reserved(&["--worktree"], Takes::Nothing),
    // A conversation that is not stored cannot be continued.
    Flag::reserved(&["--ephemeral"], Takes::Nothing),
    Flag::reserved(&["--skip-git-repo-check"], Takes::Nothing),
    Flag::reserved(&["--json"], Takes::Nothing),
    Flag::reserved(&["--help", "-h"], Takes::Nothing),
    Flag::reserved(&["--version", "-V"], Takes::Nothing),
];
