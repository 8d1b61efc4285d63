// Tests OpenRunner with OpenAI's JavaScript client, which reads OPENAI_BASE_URL and OPENAI_API_KEY.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// Installed for the tests only, outside the module path of this file.
const OpenAI = createRequire(process.env.OPENAI_CLIENT + "/")("openai").default;

const MODEL = "claude/claude-sonnet-4-5";
const TEXT = "Hello! This is the mock model answering in several deltas.";
const client = new OpenAI();

const ask = (text, more = {}, options = {}) =>
  client.chat.completions.create({ model: MODEL, messages: [{ role: "user", content: text }], ...more }, options);

// The models.
const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert(models.includes("claude_code"));
assert.equal((await client.models.retrieve(MODEL)).id, MODEL);

// Without streaming.
const whole = await ask("hello [[mock:text]]");
assert.equal(whole.choices[0].message.content, TEXT);
assert.deepEqual([whole.choices[0].finish_reason, whole.usage.completion_tokens], ["stop", 42]);

// With streaming, in the session of the first answer.
let [answer, ends, totals] = ["", [], null];
const continued = { openrunner: { session_id: whole.openrunner.session_id } };
for await (const chunk of await ask("on [[mock:text]]", { stream: true, stream_options: { include_usage: true }, ...continued })) {
  totals = chunk.usage ?? totals;
  for (const choice of chunk.choices) {
    answer += choice.delta.content ?? "";
    if (choice.finish_reason) ends.push(choice.finish_reason);
  }
}
assert.deepEqual([answer, ends, totals.completion_tokens], [TEXT, ["stop"], 42]);

// Errors are those of the client.
const fails = async (kind, code, call) => {
  await assert.rejects(call, (error) => error instanceof kind && error.code === code);
};
await fails(OpenAI.AuthenticationError, "invalid_api_key", () => new OpenAI({ apiKey: "orn_wrong" }).models.list());
await fails(OpenAI.NotFoundError, "model_not_found", () => ask("hello", { model: "gpt-4o" }));
await fails(OpenAI.BadRequestError, "unsupported_parameter", () => ask("hello", { n: 2 }));
await fails(OpenAI.InternalServerError, "not_logged_in", () => ask("fails [[mock:error status=401]]"));

// A failure in the middle of an answer is an error in the stream.
const half = await ask("half [[mock:hang_mid]]", { stream: true, openrunner: { timeout_secs: 4 } });
await fails(OpenAI.APIError, "timeout", async () => {
  for await (const chunk of half) assert(chunk);
});

// This server allows one stream. Closing it cancels its run and frees the slot.
const slow = await ask("slow [[mock:slow n=60 delay=1]]", { stream: true });
await fails(OpenAI.RateLimitError, "too_many_streams", () => ask("hello", { stream: true }, { maxRetries: 0 }));
slow.controller.abort();
console.log("all is well");
