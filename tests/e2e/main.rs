//! End-to-end tests: the real server with the real agent programs, against a scripted model service on this machine.
//!
//! `scripts/test.sh` installs the programs into a folder of its own and names that folder in `OPENRUNNER_TEST_AGENTS`. Without the
//! variable these tests are skipped and say so, but with `CI=true` that is a failure. No key, no account and no provider is needed:
//! the agents get made-up keys and a home of their own, and speak to `tests/mock-llm`, where a marker in the prompt
//! (`[[mock:tool path=hello.py]]`) says what the model does.
//!
//! Each scenario is one test for each agent, so a name such as `stops::a_cancelled_run_leaves_no_process::codex` says what broke.
//! Whatever a scenario is about, each stream is also held against the contract of `docs/events.md`: see `support/contract.rs`.

mod answers;
mod configured;
mod doc_examples;
mod env_and_mcp;
mod failures;
mod health;
mod messages;
mod one_shot;
mod openai;
mod permissions;
mod restart;
mod sessions;
mod stops;
mod support;
mod tools;
