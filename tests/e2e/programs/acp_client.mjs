// Tests `openrunner acp` with the official SDK of the Agent Client Protocol. Arguments: the program, the server, a working directory.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { Readable, Writable } from "node:stream";

// Installed with the agents, outside the module path of this file.
const { ClientSideConnection, PROTOCOL_VERSION, ndJsonStream } = await import(process.env.ACP_SDK + "/dist/acp.js");

const [program, server, cwd] = process.argv.slice(2);

/** An editor, connected to a process of its own. */
async function connect(kind) {
  const agent = spawn(program, ["acp", "--agent-type", "demo", "--server", server], { stdio: ["pipe", "pipe", "inherit"] });
  const updates = [];
  const client = {
    sessionUpdate: async ({ update }) => void updates.push(update),
    requestPermission: async ({ options }) => {
      const option = options.find((option) => option.kind === kind);
      return { outcome: { outcome: "selected", optionId: option.optionId } };
    },
  };
  const connection = new ClientSideConnection(() => client, ndJsonStream(Writable.toWeb(agent.stdin), Readable.toWeb(agent.stdout)));
  const { protocolVersion, agentCapabilities } = await connection.initialize({ protocolVersion: PROTOCOL_VERSION, clientCapabilities: {} });
  assert.deepEqual([protocolVersion, agentCapabilities.loadSession], [PROTOCOL_VERSION, true]);
  const text = () => updates.filter((one) => one.sessionUpdate === "agent_message_chunk").map((one) => one.content.text).join("");
  return { agent, connection, updates, text };
}

const until = async (holds) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 50));
};

const first = await connect("allow_once");
const { sessionId, modes } = await first.connection.newSession({ cwd, mcpServers: [] });
assert.equal(modes.currentModeId, "ask");
const prompt = (editor, text) => editor.connection.prompt({ sessionId, prompt: [{ type: "text", text }] });
assert.equal((await prompt(first, "fast create note.txt, then think and plan and say it is written")).stopReason, "end_turn");
assert(existsSync(cwd + "/note.txt"));
for (const kind of ["tool_call", "tool_call_update", "agent_thought_chunk", "plan"]) {
  assert(first.updates.some((update) => update.sessionUpdate === kind), kind);
}

// A cancelled turn.
const hanging = prompt(first, "say up and hang");
await until(() => first.text().includes("up"));
await first.connection.cancel({ sessionId });
assert.equal((await hanging).stopReason, "cancelled");

// The process dies in the middle of a turn; the run goes on, and the next process has all of it.
const counting = prompt(first, "slow count to 12").catch(() => {});
await until(() => first.text().includes("3"));
first.agent.kill("SIGKILL");
await counting;
const second = await connect("allow_once");
await second.connection.loadSession({ sessionId, cwd, mcpServers: [] });
await until(() => second.text().includes("12"));
assert(second.text().includes("it is written"));
assert(second.updates.some((update) => update.sessionUpdate === "user_message_chunk" && update.content.text === "slow count to 12"));
second.agent.stdin.end();
console.log("all is well");
process.exit(0);
