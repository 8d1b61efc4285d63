//! End-to-end tests: the real server with the real agent programs, against a scripted model service on this machine.
//!
//! `scripts/test.sh` installs the programs into their own directory and names it in `OPENRUNNER_TEST_AGENTS`. Without the variable these
//! tests are skipped with a message; with `CI=true` that is a failure. No key, account or provider is needed: the agents get fake keys and
//! their own home directory, and use `tests/mock-llm`, where a marker in the prompt (`[[mock:tool path=hello.py]]`) determines what the
//! model does.
//!
//! Each scenario is one test per agent, so a name such as `stops::a_cancelled_run_leaves_no_process::codex` shows what failed. Every stream
//! is also checked against the contract of `docs/events.md`: see `support/contract.rs`.

mod acp;
mod answers;
mod background;
mod configured;
mod doc_examples;
mod env_and_mcp;
mod failures;
mod guard;
mod health;
mod hermes;
mod input;
mod mcp;
mod messages;
mod one_shot;
mod openai;
mod permissions;
mod presets;
mod project_config;
mod restart;
mod sandbox;
mod sessions;
mod stops;
mod support;
mod tools;
mod unusual_output;
mod workspaces;
