// Tests OpenRunner's Responses API with OpenAI's JavaScript client, which reads OPENAI_BASE_URL and OPENAI_API_KEY.

import assert from "node:assert/strict";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

// Installed for the tests only, outside the module path of this file.
const OpenAI = createRequire(process.env.OPENAI_CLIENT + "/")("openai").default;

const client = new OpenAI({ maxRetries: 0 });
const [what, state] = process.argv.slice(2);

const fails = async (kind, code, call) => {
  await assert.rejects(call, (error) => error instanceof kind && error.code === code);
};

/** Streams a long response, and stores after each event where to resume. */
async function untilKilled() {
  const known = { text: "" };
  try {
    for await (const event of await client.responses.create({ model: "demo", input: "slow count to 40", stream: true })) {
      if (event.type === "response.created") known.response = event.response.id;
      if (event.type === "response.output_text.delta") known.text += event.delta;
      known.number = event.sequence_number;
      writeFileSync(state + ".new", JSON.stringify(known));
      renameSync(state + ".new", state);
    }
  } catch {
    return;
  }
  assert.fail("the response ended before the server was killed");
}

async function resume() {
  const known = JSON.parse(readFileSync(state, "utf8"));
  let [number, text, last] = [known.number, known.text, null];
  for await (const event of await client.responses.retrieve(known.response, { stream: true, starting_after: number })) {
    assert.equal(event.sequence_number, ++number);
    if (event.type === "response.output_text.delta") text += event.delta;
    last = event;
  }
  assert.equal(last.type, "response.completed");
  const final = await client.responses.stream({ response_id: known.response }).finalResponse();
  assert.deepEqual([final.output_text, (await client.responses.retrieve(known.response)).output_text], [text, text]);
}

async function everything() {
  const whole = await client.responses.create({ model: "demo", input: "hello", instructions: "be brief" });
  assert.deepEqual([whole.status, whole.error], ["completed", null]);
  assert(whole.output_text.length > 0);
  const items = [];
  for await (const item of client.responses.inputItems.list(whole.id)) items.push(item);
  assert.equal(items[0].content[0].text, "hello");

  const again = await client.responses.create({ model: "demo", input: "again", previous_response_id: whole.id });
  assert.equal(again.openrunner.session_id, whole.openrunner.session_id);

  const stream = client.responses.stream({ model: "demo", input: "fast think and say hello" });
  let text = "";
  stream.on("response.output_text.delta", (event) => (text += event.delta));
  assert.equal((await stream.finalResponse()).output_text, text);

  const slow = await client.responses.create({ model: "demo", input: "hang", background: true });
  assert.equal((await client.responses.cancel(slow.id)).status, "cancelled");
  await client.responses.delete(slow.id);
  await fails(OpenAI.NotFoundError, "not_found", () => client.responses.retrieve(slow.id));
  await fails(OpenAI.NotFoundError, "model_not_found", () => client.responses.create({ model: "gpt-4o", input: "hello" }));
  await fails(OpenAI.InternalServerError, "crashed", () => client.responses.create({ model: "demo", input: "fast fail crashed" }));
}

if (what === "until-killed") await untilKilled();
else if (what === "resume") await resume();
else await everything();
console.log("all is well");
