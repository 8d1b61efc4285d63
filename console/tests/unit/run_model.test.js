import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunModel } from '../../app/views/run/run_model.js';

/** @typedef {import('../../app/views/run/run_model.js').RunEvent} RunEvent */

const FOLDER = join(import.meta.dirname, '../transcripts');
/** Logs of real runs, as the server gave them. @type {Map<string, RunEvent[]>} */
const RUNS = new Map(readdirSync(FOLDER).filter((name) => name.endsWith('.ndjson')).map((name) => [
  name, readFileSync(join(FOLDER, name), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)),
]));

/** @param {Iterable<RunEvent>} events */
function modelOf(events) {
  const model = new RunModel();
  for (const event of events) model.apply(event);
  return model;
}

/** What is shown of a model, without what only tells how it came about. @param {RunModel} model */
function picture(model) {
  /** @param {any} item @returns {any} */
  const plain = (item) => Object.fromEntries(Object.entries(item).filter(([name]) => name !== 'parent' && name !== 'rev').map(([name, value]) => {
    if (['text', 'output'].includes(name) && typeof value === 'object') return [name, value.parts?.() ?? value.toString()];
    if (Array.isArray(value) && value[0]?.key !== undefined) return [name, value.map(plain)];
    return [name, value?.key === undefined ? value : value.key];
  }));
  return { items: model.items.map(plain), marks: model.marks, open: [...model.open.keys()], status: model.status, usage: model.usage, seq: model.seq };
}

let seq = 0;
/** @param {string} type @param {Record<string, any>} [fields] @returns {RunEvent} */
const event = (type, fields = {}) => ({ seq: ++seq, ts: '2026-11-22T13:05:00.000Z', type, ...fields });
/** @param {RunModel} model */
const texts = (model) => model.items.filter((item) => item.kind === 'text').map((item) => String(item.text));

test('a recorded run gives the same picture however its events come', () => {
  assert.ok(RUNS.size >= 4);
  for (const [name, events] of RUNS) {
    const whole = picture(modelOf(events));
    // Looked at after each event, as a page does that draws a frame between any two.
    const watched = new RunModel();
    for (const one of events) {
      watched.apply(one);
      picture(watched);
    }
    assert.deepEqual(picture(watched), whole, name);
    // After a reload, the same log as text again.
    assert.deepEqual(picture(modelOf(events.map((one) => JSON.parse(JSON.stringify(one))))), whole, name);
  }
});

test('of a recorded run everything is settled at its end, and no text is lost', () => {
  for (const [name, events] of RUNS) {
    const model = modelOf(events);
    assert.equal(model.seq, events.length, name);
    assert.equal(model.open.size, 0, name);
    assert.equal(model.running.size, 0, name);
    assert.equal(model.items.at(-1)?.kind, 'done', name);
    const shown = JSON.stringify(picture(model));
    for (const { type, content, title, message } of events) {
      if (type === 'message') assert.ok(shown.includes(JSON.stringify(content).slice(1, 200).split('\\n')[0]), `${name}: ${content}`);
      if (type === 'tool_call') assert.ok(shown.includes(JSON.stringify(title)), `${name}: ${title}`);
      if (type === 'notice' || type === 'error') assert.ok(shown.includes(JSON.stringify(message)), `${name}: ${message}`);
    }
  }
});

test('tokens become the message that ends them, in its place', () => {
  const model = modelOf([
    event('token', { content: 'Hel', message_id: 'm' }), event('token', { content: 'lo', message_id: 'm' }), event('log', { stream: 'stderr', content: 'x' }),
    event('message', { role: 'assistant', content: 'Hello', message_id: 'm' }), event('message', { role: 'assistant', content: 'Again', message_id: 'm' }),
  ]);
  assert.deepEqual(texts(model), ['Hello', 'Again']);
  assert.deepEqual(model.items.map(({ kind }) => kind), ['text', 'log', 'text']);
});

test('a message that is not what its tokens were counts', () => {
  const model = modelOf([event('token', { content: 'Helo', message_id: 'm' }), event('message', { role: 'assistant', content: 'Hello!', message_id: 'm' })]);
  assert.deepEqual(texts(model), ['Hello!']);
});

test('tokens that do not say whose they are belong to the message that comes next', () => {
  const model = modelOf([
    event('token', { content: 'broken off' }), event('tool_call', { id: '1', name: 'x', kind: 'other', title: 'x', input: {} }),
    event('token', { content: 'Hel' }), event('token', { content: 'lo' }), event('message', { role: 'assistant', content: 'Hello', message_id: 'm' }),
  ]);
  assert.deepEqual(texts(model), ['broken off', 'Hello']);
});

test('two messages at once do not mix', () => {
  const model = modelOf([
    event('token', { content: 'a', message_id: '1' }), event('token', { content: 'b', message_id: '2' }), event('token', { content: 'A', message_id: '1' }),
    event('token', { content: 'B', message_id: '2' }),
  ]);
  assert.deepEqual(texts(model), ['aA', 'bB']);
});

test('a long message is cut into sections that together are the message, whatever the pieces', () => {
  const paragraph = `${'Words of a paragraph, one after the other. '.repeat(20)}\n\n`;
  const code = `\`\`\`python\n${'print("a line of code")\n'.repeat(1_200)}\`\`\`\n\n`;
  const whole = `${paragraph.repeat(5)}- a list\n\n  with a paragraph\n\n${code}${paragraph}${'x'.repeat(60_000)}👋\n`;
  for (const size of [1, 7, 1_000, whole.length]) {
    /** @type {RunEvent[]} */
    const events = [];
    for (let at = 0; at < whole.length; at += size) events.push(event('token', { content: whole.slice(at, at + size), message_id: 'm' }));
    const model = modelOf(events);
    const sections = /** @type {any[]} */ (model.items);
    assert.equal(texts(model).join(''), whole, `${size}`);
    assert.ok(sections.length >= 8, `${sections.length}`);
    assert.ok(sections.every(({ text }) => text.length <= 24_001));
    assert.ok(sections.some(({ fence }) => fence === '```python'), 'the code goes on as code');
    assert.ok(sections.slice(0, 2).every(({ text }) => String(text).endsWith('\n\n')), 'cut between paragraphs');
    model.apply(event('message', { role: 'assistant', content: whole, message_id: 'm' }));
    assert.equal(texts(model).join(''), whole);
    assert.equal(model.marks.length, 1);
  }
});

test('what a sub-agent does stands in the call that began it', () => {
  const parent = { parent_tool_call_id: 'agent' };
  const model = modelOf([
    event('tool_call', { id: 'agent', name: 'Task', kind: 'think', title: 'Look', input: {} }),
    event('token', { content: 'I look', message_id: 'm', ...parent }), event('tool_call', { id: 'sub', name: 'Grep', kind: 'search', title: 'Grep', input: {}, ...parent }),
    event('token', { content: 'Main', message_id: 'n' }), event('tool_result', { id: 'sub', status: 'ok', content: 'found' }),
    event('tool_result', { id: 'agent', status: 'ok', content: 'done' }),
  ]);
  assert.deepEqual(model.items.map(({ kind }) => kind), ['tool', 'text']);
  const [agent] = /** @type {any[]} */ (model.items);
  assert.deepEqual(agent.items.map((/** @type {any} */ { kind }) => kind), ['text', 'tool']);
  assert.equal(agent.items[1].status, 'ok');
  assert.ok(agent.rev >= 4, 'a change below is a change of the card');
});

test('a file that was changed stands with the call that names it', () => {
  const call = (/** @type {string} */ id, /** @type {string} */ path) => event('tool_call', { id, name: 'Edit', kind: 'edit', title: 'Edit', input: { file_path: path } });
  const model = modelOf([
    call('1', '/a/one.py'), call('2', 'two.py'), event('file_change', { path: '/a/two.py', kind: 'update', diff: '@@' }), event('file_change', { path: '/a/three.py', kind: 'create' }),
  ]);
  const [one, two, alone] = /** @type {any[]} */ (model.items);
  assert.deepEqual([one.changes.length, two.changes.length, alone.kind], [0, 1, 'change']);
});

test('requests are open until they are answered, and say by whom', () => {
  const model = modelOf([
    event('run_queued', { position: 0 }), event('run_started', { agent: 'x' }),
    event('permission_request', { id: 'r', tool: 'Bash', kind: 'execute', input: {}, options: ['deny'], expires_at: 'later' }),
    event('question', { id: 'q', questions: [{ text: 'Which?' }] }),
  ]);
  assert.deepEqual([model.status, [...model.open.keys()]], ['waiting', ['r', 'q']]);
  model.apply(event('permission_resolved', { id: 'r', decision: 'deny', by: 'timeout' }));
  model.apply(event('question_resolved', { id: 'q', answers: [['blue']], by: 'user' }));
  model.apply(event('permission_resolved', { id: 'r', decision: 'allow_once', by: 'user' }));
  const [, permission, question] = /** @type {any[]} */ (model.items);
  assert.equal(permission.decision.by, 'timeout');
  assert.deepEqual(question.answer.answers, [['blue']]);
  assert.equal(model.status, 'running');
});

test('what was under way when the run ended is shown as cut short', () => {
  const model = modelOf([
    event('tool_call', { id: '1', name: 'Bash', kind: 'execute', title: 'sleep', input: {} }), event('token', { content: 'half', message_id: 'm' }),
    event('done', { status: 'cancelled', cause: 'cancelled', duration_ms: 1 }),
  ]);
  const [tool, text] = /** @type {any[]} */ (model.items);
  assert.deepEqual([tool.status, text.isOpen, model.status], ['cut', false, 'cancelled']);
});

test('types and fields that are not known yet change nothing', () => {
  const model = modelOf([event('of_a_later_release', { anything: 1 }), event('toString'), event('__proto__'), event('constructor', { content: 1 })]);
  assert.deepEqual([model.items.length, model.status], [0, 'starting']);
});

test('a hundred thousand events cost little', () => {
  const events = Array.from({ length: 100_000 }, (_, index) => (index % 4
    ? event('token', { content: `${index} `, message_id: `m${Math.floor(index / 400)}` })
    : event(index % 8 ? 'tool_result' : 'tool_call', { id: String(index >> 3), name: 'x', kind: 'read', title: 't', input: {}, status: 'ok', content: 'c' })));
  // The processor's time: what others do on this machine meanwhile does not count.
  const before = process.cpuUsage();
  const model = modelOf(events);
  const took = process.cpuUsage(before).user / 1_000;
  assert.equal(model.seq, events.at(-1)?.seq);
  // About 300 ms with a cold start; something that grows with the number of events before would take minutes.
  assert.ok(took < 5_000, `${took} ms`);
});
