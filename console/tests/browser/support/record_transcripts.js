/** Records tests/transcripts: logs of runs on the real server, used by the unit tests. Run it by hand when events change. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROMPT, sampleScript } from './sample_run.js';
import { assistantMessage, toolCall, toolResult } from './agent_script.js';
import { Server } from './server.js';

const server = await Server.start();
try {
  /** Answers requests until the run ends, and saves its log. @param {string} name @param {string} id @param {(request: any) => unknown} [answer] */
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
    const lines = (await server.events(id)).map((event) => JSON.stringify(event).replaceAll(server.dir, '/tmp/project'));
    await writeFile(join(import.meta.dirname, '../../transcripts', `${name}.ndjson`), `${lines.join('\n')}\n`);
  };
  await record('sample_run', await server.runScript(PROMPT, sampleScript(join(server.dir, 'work')), { permission_mode: 'ask' }));
  await record('denied', await server.createRun('permission Write {"file_path":"/etc/hosts","content":"x"}\nsay Then not.\nresult no', { permission_mode: 'ask' }),
    () => ({ decision: 'deny', message: 'Not there.' }));
  await record('question', await server.createRun('question Which color?|red|blue\nsay Thank you.\nresult ok'), () => ({ answers: ['blue'] }));
  await record('demo', await server.createRun('create hello.py', { agent_type: 'demo' }));
  await record('failed', await server.createRun(`${assistantMessage('I begin.', 'Shall I?')}\nstderr it burns\nbytes 7b22ff\n${toolCall('c', 'Bash', { command: 'sleep 9' })}\nexit 3`));
  const nested = [toolCall('a', 'Task', { description: 'Look around', prompt: '-' }), toolCall('b', 'Grep', { pattern: 'x' }, 'a'), toolResult('b', 'nothing', { parent: 'a' }),
    toolResult('a', 'Nothing there.'), 'result ok'].join('\n');
  await record('sub_agent', await server.createRun(nested));
  const live = await server.createRun('say one\nwait-for-interrupt\nresult never');
  await server.post(`/api/runs/${live}/messages`, { text: 'say two\nresult two', mode: 'interrupt' });
  await record('interrupted', live);
} finally {
  await server.close();
}
