import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunModel } from '../../app/views/run/run_model.js';

/** @typedef {import('../../app/views/run/run_model.js').RunEvent} RunEvent */

const TRANSCRIPTS = join(import.meta.dirname, '../transcripts');
/** Recorded logs of runs by file name. @type {Map<string, RunEvent[]>} */
const RUNS = new Map(readdirSync(TRANSCRIPTS).filter((name) => name.endsWith('.ndjson')).map((name) => [
  name, readFileSync(join(TRANSCRIPTS, name), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)),
]));

/** @param {Iterable<RunEvent>} events */
function buildModel(events) {
  const model = new RunModel();
  for (const event of events) model.apply(event);
  return model;
}

/** The visible state of a model, without revision counters. @param {RunModel} model */
function snapshot(model) {
  /** @param {any} item @returns {any} */
  const plain = (item) => Object.fromEntries(Object.entries(item).filter(([name]) => name !== 'parent' && name !== 'rev').map(([name, value]) => {
    if (['text', 'output'].includes(name) && typeof value === 'object') return [name, value.parts?.() ?? value.toString()];
    if (Array.isArray(value) && value[0]?.key !== undefined) return [name, value.map(plain)];
    return [name, value?.key === undefined ? value : value.key];
  }));
  return { items: model.items.map(plain), timeline: model.timeline, openRequests: [...model.openRequests.keys()], status: model.status, usage: model.usage, seq: model.seq };
}

let seq = 0;
/** @param {string} type @param {Record<string, any>} [fields] @returns {RunEvent} */
const event = (type, fields = {}) => ({ seq: ++seq, ts: '2026-11-22T13:05:00.000Z', type, ...fields });
/** @param {RunModel} model */
const texts = (model) => model.items.filter((item) => item.kind === 'text').map((item) => String(item.text));

test('a recorded run gives the same model however its events arrive', () => {
  assert.ok(RUNS.size >= 4);
  for (const [name, events] of RUNS) {
    const expected = snapshot(buildModel(events));
    // Read after each event, as a page that renders a frame in between does.
    const rendered = new RunModel();
    for (const event of events) {
      rendered.apply(event);
      snapshot(rendered);
    }
    assert.deepEqual(snapshot(rendered), expected, name);
    // Parsed again, as after a reload.
    assert.deepEqual(snapshot(buildModel(events.map((event) => JSON.parse(JSON.stringify(event))))), expected, name);
  }
});

test('a recorded run ends without open items, and no text is lost', () => {
  for (const [name, events] of RUNS) {
    const model = buildModel(events);
    assert.equal(model.seq, events.length, name);
    assert.equal(model.openRequests.size, 0, name);
    assert.equal(model.runningTools.size, 0, name);
    assert.equal(model.items.at(-1)?.kind, 'done', name);
    const shown = JSON.stringify(snapshot(model));
    for (const { type, content, title, message } of events) {
      if (type === 'message') assert.ok(shown.includes(JSON.stringify(content).slice(1, 200).split('\\n')[0]), `${name}: ${content}`);
      if (type === 'tool_call') assert.ok(shown.includes(JSON.stringify(title)), `${name}: ${title}`);
      if (type === 'notice' || type === 'agent_error') assert.ok(shown.includes(JSON.stringify(message)), `${name}: ${message}`);
    }
  }
});

test('the final message replaces its tokens in place', () => {
  const model = buildModel([
    event('token', { content: 'Hel', message_id: 'm' }), event('token', { content: 'lo', message_id: 'm' }), event('log', { stream: 'stderr', content: 'x' }),
    event('message', { role: 'assistant', content: 'Hello', message_id: 'm' }), event('message', { role: 'assistant', content: 'Again', message_id: 'm' }),
  ]);
  assert.deepEqual(texts(model), ['Hello', 'Again']);
  assert.deepEqual(model.items.map(({ kind }) => kind), ['text', 'log', 'text']);
});

test('the final message wins over different tokens', () => {
  const model = buildModel([event('token', { content: 'Helo', message_id: 'm' }), event('message', { role: 'assistant', content: 'Hello!', message_id: 'm' })]);
  assert.deepEqual(texts(model), ['Hello!']);
});

test('tokens without a message id belong to the next message', () => {
  const model = buildModel([
    event('token', { content: 'broken off' }), event('tool_call', { id: '1', tool: 'x', kind: 'other', title: 'x', input: {} }),
    event('token', { content: 'Hel' }), event('token', { content: 'lo' }), event('message', { role: 'assistant', content: 'Hello', message_id: 'm' }),
  ]);
  assert.deepEqual(texts(model), ['broken off', 'Hello']);
});

test('two concurrent messages are not mixed', () => {
  const model = buildModel([
    event('token', { content: 'a', message_id: '1' }), event('token', { content: 'b', message_id: '2' }), event('token', { content: 'A', message_id: '1' }),
    event('token', { content: 'B', message_id: '2' }),
  ]);
  assert.deepEqual(texts(model), ['aA', 'bB']);
});

test('a long message is split into sections without loss for any token size', () => {
  const paragraph = `${'Words of a paragraph, one after the other. '.repeat(20)}\n\n`;
  const code = `\`\`\`python\n${'print("a line of code")\n'.repeat(1_200)}\`\`\`\n\n`;
  const whole = `${paragraph.repeat(5)}- a list\n\n  with a paragraph\n\n${code}${paragraph}${'x'.repeat(60_000)}👋\n`;
  for (const size of [1, 7, 1_000, whole.length]) {
    /** @type {RunEvent[]} */
    const events = [];
    for (let at = 0; at < whole.length; at += size) events.push(event('token', { content: whole.slice(at, at + size), message_id: 'm' }));
    const model = buildModel(events);
    const sections = /** @type {any[]} */ (model.items);
    assert.equal(texts(model).join(''), whole, `${size}`);
    assert.ok(sections.length >= 8, `${sections.length}`);
    assert.ok(sections.every(({ text }) => text.length <= 24_001));
    assert.ok(sections.some(({ fence }) => fence === '```python'), 'a section inside a code block continues the code block');
    assert.ok(sections.slice(0, 2).every(({ text }) => String(text).endsWith('\n\n')), 'split between paragraphs');
    model.apply(event('message', { role: 'assistant', content: whole, message_id: 'm' }));
    assert.equal(texts(model).join(''), whole);
    assert.equal(model.timeline.length, 1);
  }
});

test('the items of a sub-agent are in the tool call that started it', () => {
  const parent = { parent_tool_call_id: 'agent' };
  const model = buildModel([
    event('tool_call', { id: 'agent', tool: 'Task', kind: 'think', title: 'Look', input: {} }),
    event('token', { content: 'I look', message_id: 'm', ...parent }), event('tool_call', { id: 'sub', tool: 'Grep', kind: 'search', title: 'Grep', input: {}, ...parent }),
    event('token', { content: 'Main', message_id: 'n' }), event('tool_result', { id: 'sub', status: 'ok', content: 'found' }),
    event('tool_result', { id: 'agent', status: 'ok', content: 'done' }),
  ]);
  assert.deepEqual(model.items.map(({ kind }) => kind), ['tool', 'text']);
  const [agent] = /** @type {any[]} */ (model.items);
  assert.deepEqual(agent.items.map((/** @type {any} */ { kind }) => kind), ['text', 'tool']);
  assert.equal(agent.items[1].status, 'ok');
  assert.ok(agent.rev >= 4, 'changes below increase the revision of the card');
});

test('a file change belongs to the tool call that names the file', () => {
  const call = (/** @type {string} */ id, /** @type {string} */ path) => event('tool_call', { id, tool: 'Edit', kind: 'edit', title: 'Edit', input: { file_path: path } });
  const model = buildModel([
    call('1', '/a/one.py'), call('2', 'two.py'), event('file_change', { path: '/a/two.py', kind: 'update', diff: '@@' }), event('file_change', { path: '/a/three.py', kind: 'create' }),
  ]);
  const [one, two, alone] = /** @type {any[]} */ (model.items);
  assert.deepEqual([one.fileChanges.length, two.fileChanges.length, alone.kind], [0, 1, 'file_change']);
});

test('requests are open until they are resolved, and record by whom', () => {
  const model = buildModel([
    event('run_queued', { position: 0 }), event('run_started', { agent_type: 'x' }),
    event('permission_request', { id: 'r', tool: 'Bash', kind: 'execute', input: {}, options: ['deny'], expires_at: 'later' }),
    event('question', { id: 'q', questions: [{ text: 'Which?' }] }),
  ]);
  assert.deepEqual([model.status, [...model.openRequests.keys()]], ['waiting', ['r', 'q']]);
  model.apply(event('permission_resolved', { id: 'r', decision: 'deny', by: 'timeout' }));
  model.apply(event('question_resolved', { id: 'q', answers: [['blue']], by: 'user' }));
  model.apply(event('permission_resolved', { id: 'r', decision: 'allow_once', by: 'user' }));
  const [, permission, question] = /** @type {any[]} */ (model.items);
  assert.equal(permission.decision.by, 'timeout');
  assert.deepEqual(question.answer.answers, [['blue']]);
  assert.equal(model.status, 'running');
});

test('a background task runs until its end or the end of the run', () => {
  const model = buildModel([
    event('task_started', { id: 'a', kind: 'agent', title: 'Look' }), event('task_started', { id: 'b', kind: 'command', title: 'Build' }),
    event('task_updated', { id: 'a', message: 'Reading' }), event('task_ended', { id: 'a', status: 'completed', message: 'found' }),
    event('done', { status: 'cancelled', cause: 'cancelled', duration_ms: 1 }),
  ]);
  const [agent, command] = /** @type {any[]} */ (model.items);
  assert.deepEqual([agent.kind, agent.status, agent.message], ['task', 'completed', 'found']);
  assert.equal(command.status, 'unfinished');
});

test('unfinished tool calls and messages are closed when the run ends', () => {
  const model = buildModel([
    event('tool_call', { id: '1', tool: 'Bash', kind: 'execute', title: 'sleep', input: {} }), event('token', { content: 'half', message_id: 'm' }),
    event('done', { status: 'cancelled', cause: 'cancelled', duration_ms: 1 }),
  ]);
  const [tool, text] = /** @type {any[]} */ (model.items);
  assert.deepEqual([tool.status, text.isOpen, model.status], ['unfinished', false, 'cancelled']);
});

test('unknown event types and fields are ignored', () => {
  const model = buildModel([event('of_a_later_release', { anything: 1 }), event('toString'), event('__proto__'), event('constructor', { content: 1 })]);
  assert.deepEqual([model.items.length, model.status], [0, 'starting']);
});

test('100,000 events are applied in linear time', () => {
  const events = Array.from({ length: 100_000 }, (_, index) => (index % 4
    ? event('token', { content: `${index} `, message_id: `m${Math.floor(index / 400)}` })
    : event(index % 8 ? 'tool_result' : 'tool_call', { id: String(index >> 3), tool: 'x', kind: 'read', title: 't', input: {}, status: 'ok', content: 'c' })));
  // CPU time, so that other load on the machine does not count.
  const before = process.cpuUsage();
  const model = buildModel(events);
  const took = process.cpuUsage(before).user / 1_000;
  assert.equal(model.seq, events.at(-1)?.seq);
  // About 300 ms with a cold start. A quadratic algorithm would take minutes.
  assert.ok(took < 5_000, `${took} ms`);
});
