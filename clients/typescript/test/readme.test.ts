/** The README's example, run as it is written but for the agent, the folder and the server's address. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { Server } from "./support.js";

test("the example of the readme works", async () => {
  const server = await Server.started();
  const folder = join(server.folder, "test");
  // `scripts/test-clients.sh` has put it beside this file, so that it was compiled like the rest.
  const shown = readFileSync(new URL("./readme.js", import.meta.url), "utf8");
  const adapted = new URL("./readme-adapted.js", import.meta.url);
  writeFileSync(adapted, shown.replace("http://localhost:3000", server.url).replace("claude_code", "demo").replace("/tmp/test", folder));
  const { stdout } = await promisify(execFile)(process.execPath, [adapted.pathname], { timeout: 60_000 });
  assert.match(stdout, /\ncompleted\n$/);
  assert.ok(existsSync(join(folder, "hello.py")));
  await server.close();
});
