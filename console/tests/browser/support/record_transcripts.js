// Writes tests/transcripts anew: logs of runs on the real server, which the model's tests read. Run it by hand when events change.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROMPT, rich } from './sample_run.js';
import { calls, gives, speaks } from './agent_script.js';
import { Server } from './server.js';

const server = await Server.start();
try {
  /** Answers what a run asks until it ends. @param {string} name @param {string} id @param {(request: any) => unknown} [answer] */
  const record = async (name, id, answer = () => ({ decision: 'allow_once' })) => {
    for (;;) {
      const { status } = await server.get(`/api/runs/${id}?wait=1`);
      if (status === 'waiting') {
        const { items } = await server.get(`/api/runs/${id}/requests`);
        for (const item of items) await server.post(`/api/runs/${id}/requests/${item.id}`, answer(item));
      } else if (!['queued', 'starting', 'running', 'stopping'].includes(status)) {
        break;
      }
    }
    const lines = (await server.events(id)).map((event) => JSON.stringify(event).replaceAll(server.folder, '/tmp/project'));
    await writeFile(join(import.meta.dirname, '../../transcripts', `${name}.ndjson`), `${lines.join('\n')}\n`);
  };
  await record('sample_run', await server.stage(PROMPT, rich(join(server.folder, 'work')), { permission_mode: 'ask' }));
  await record('denied', await server.run('permission Write {"file_path":"/etc/hosts","content":"x"}\nsay Then not.\nresult no', { permission_mode: 'ask' }),
    () => ({ decision: 'deny', message: 'Not there.' }));
  await record('question', await server.run('question Which colour?|red|blue\nsay Thank you.\nresult ok'), () => ({ answers: ['blue'] }));
  await record('demo', await server.run('create hello.py', { agent_type: 'demo' }));
  await record('failed', await server.run(`${speaks('I begin.', 'Shall I?')}\nstderr it burns\nbytes 7b22ff\n${calls('c', 'Bash', { command: 'sleep 9' })}\nexit 3`));
  const nested = [calls('a', 'Task', { description: 'Look around', prompt: '-' }), calls('b', 'Grep', { pattern: 'x' }, 'a'), gives('b', 'nothing', { parent: 'a' }),
    gives('a', 'Nothing there.'), 'result ok'].join('\n');
  await record('sub_agent', await server.run(nested));
  const live = await server.run('say one\nuntil-interrupt\nresult never');
  await server.post(`/api/runs/${live}/messages`, { text: 'say two\nresult two', mode: 'interrupt' });
  await record('interrupted', live);
} finally {
  await server.close();
}
