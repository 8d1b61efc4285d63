/** Runs the README's example as written, except for the agent, the directory and the server's address. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { Server } from "./support.js";

test("the README example works", async () => {
  const server = await Server.started();
  const directory = join(server.directory, "test");
  // `scripts/test-clients.sh` extracts it next to this file, so that it is compiled with the tests.
  const example = readFileSync(new URL("./readme.js", import.meta.url), "utf8");
  const adapted = new URL("./readme-adapted.js", import.meta.url);
  writeFileSync(adapted, example.replace("http://localhost:3000", server.url).replace("claude_code", "demo").replace("/tmp/test", directory));
  const { stdout } = await promisify(execFile)(process.execPath, [adapted.pathname], { timeout: 60_000 });
  assert.match(stdout, /\ncompleted\n$/);
  assert.ok(existsSync(join(directory, "hello.py")));
  await server.close();
});
