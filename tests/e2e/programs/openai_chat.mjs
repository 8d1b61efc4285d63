// What OpenAI's own client for JavaScript sees of OpenRunner. Reads OPENAI_BASE_URL and OPENAI_API_KEY, as that client does by itself.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// Installed for the tests alone, so it is not found from here.
const OpenAI = createRequire(process.env.OPENAI_CLIENT + "/")("openai").default;

const MODEL = "claude/claude-sonnet-4-5";
const TEXT = "Hello! This is the mock model answering in several deltas.";
const client = new OpenAI();

const ask = (text, more = {}, options = {}) =>
  client.chat.completions.create({ model: MODEL, messages: [{ role: "user", content: text }], ...more }, options);

// What there is.
const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert(models.includes("claude_code"));
assert.equal((await client.models.retrieve(MODEL)).id, MODEL);

// A whole answer.
const whole = await ask("hello [[mock:text]]");
assert.equal(whole.choices[0].message.content, TEXT);
assert.deepEqual([whole.choices[0].finish_reason, whole.usage.completion_tokens], ["stop", 42]);

// The same as a stream, in the conversation of the first.
let [said, ends, totals] = ["", [], null];
const goesOn = { openrunner: { session_id: whole.openrunner.session_id } };
for await (const chunk of await ask("on [[mock:text]]", { stream: true, stream_options: { include_usage: true }, ...goesOn })) {
  totals = chunk.usage ?? totals;
  for (const choice of chunk.choices) {
    said += choice.delta.content ?? "";
    if (choice.finish_reason) ends.push(choice.finish_reason);
  }
}
assert.deepEqual([said, ends, totals.completion_tokens], [TEXT, ["stop"], 42]);

// Refusals are the client's own errors.
const refused = async (kind, code, call) => {
  await assert.rejects(call, (error) => error instanceof kind && error.code === code);
};
await refused(OpenAI.AuthenticationError, "invalid_api_key", () => new OpenAI({ apiKey: "orn_wrong" }).models.list());
await refused(OpenAI.NotFoundError, "model_not_found", () => ask("hello", { model: "gpt-4o" }));
await refused(OpenAI.BadRequestError, "unsupported_parameter", () => ask("hello", { n: 2 }));
await refused(OpenAI.InternalServerError, "not_logged_in", () => ask("refused [[mock:error status=401]]"));

// One that fails in the middle of its answer is an error in the stream.
const half = await ask("half [[mock:hang_mid]]", { stream: true, openrunner: { timeout_secs: 4 } });
await refused(OpenAI.APIError, "timeout", async () => {
  for await (const chunk of half) assert(chunk);
});

// A second stream is one too many on this server; leaving the first one makes room, as soon as its run is cancelled.
const slow = await ask("slow [[mock:slow n=60 delay=1]]", { stream: true });
await refused(OpenAI.RateLimitError, "too_many_streams", () => ask("hello", { stream: true }, { maxRetries: 0 }));
slow.controller.abort();
console.log("all is well");
