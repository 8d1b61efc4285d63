/**
 * A stand-in for `claude`: runs the scripted agent, and replaces a prompt by the script file that is named after its first word. This allows
 * natural prompts in screenshots. Arguments: the agent, the directory of scripts, and the arguments given by the server.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [agent, dir, ...args] = process.argv.slice(2);
const child = spawn(agent, args, { stdio: ['pipe', 'inherit', 'inherit'] });
child.on('exit', (code, signal) => process.exit(signal ? 1 : code ?? 1));
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const message = JSON.parse(line);
  const word = /^\w+/.exec(message.message?.content ?? '')?.[0];
  const script = word && join(dir, word);
  if (script && existsSync(script)) message.message.content = readFileSync(script, 'utf8');
  child.stdin.write(`${JSON.stringify(message)}\n`);
});
lines.on('close', () => child.stdin.end());
