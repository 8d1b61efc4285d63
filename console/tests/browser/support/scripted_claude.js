// Stands in for `claude`: the scripted agent, which plays a script from a file when the prompt is that file's, so that a page can show a
// prompt as people write them. Called with the agent, a folder of scripts named by the prompt's first word, and what the server gives.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [agent, folder, ...args] = process.argv.slice(2);
const child = spawn(agent, args, { stdio: ['pipe', 'inherit', 'inherit'] });
child.on('exit', (code, signal) => process.exit(signal ? 1 : code ?? 1));
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const message = JSON.parse(line);
  const word = /^\w+/.exec(message.message?.content ?? '')?.[0];
  const script = word && join(folder, word);
  if (script && existsSync(script)) message.message.content = readFileSync(script, 'utf8');
  child.stdin.write(`${JSON.stringify(message)}\n`);
});
lines.on('close', () => child.stdin.end());
