/** A session as one thread with all its runs, and the list of sessions. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { toolCall, toolResult } from './support/agent_script.js';
import { DESKTOP, findAccessibilityViolations, launch, openSignedIn, PHONE, screenshot } from './support/browser.js';
import { Server } from './support/server.js';

/** @type {Server} */
let server;
/** @type {any} */
let browser;
/** The runs of one session, oldest first. @type {string[]} */
const ids = [];
let session = '';

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
  for (const word of ['first', 'second', 'third']) {
    const script = `say The ${word} answer.\n${`say Line after line of the ${word} answer.\n`.repeat(12)}result The ${word} result.`;
    const metadata = session ? { session_id: session, agent_type: undefined, cwd: undefined } : {};
    const id = await server.runScript(`${word}ly, look into it`, script, metadata);
    session = (await server.waitForEnd(id)).session_id;
    ids.push(id);
  }
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @param {string} route @param {(page: any) => Promise<void>} body @param {Parameters<typeof openSignedIn>[2]} [options] */
async function withPage(route, body, options) {
  const { page, violations, context } = await openSignedIn(browser, server, options);
  try {
    await page.goto(`${server.url}/#${route}`);
    await body(page);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

/** @param {any} page @param {string} text @returns {Promise<boolean>} whether an element with this text is in the visible part of the thread */
const isVisible = (page, text) => page.evaluate((/** @type {string} */ wanted) => {
  const box = /** @type {HTMLElement} */ (document.querySelector('.conversation .list-viewport')).getBoundingClientRect();
  return [...document.querySelectorAll('.conversation .user, .conversation .assistant')].some((one) => {
    const { top } = one.getBoundingClientRect();
    return one.textContent?.includes(wanted) && top >= box.top - 40 && top < box.bottom;
  });
}, text);

/** The prompts and first answers of all rows, from the first to the last. @param {any} page */
async function readThread(page) {
  const list = page.locator('.conversation .list-viewport');
  /** @type {Map<string, string>} */
  const rows = new Map();
  const height = await list.evaluate((/** @type {HTMLElement} */ one) => { one.dispatchEvent(new Event('wheel')); one.scrollTop = 0; return one.scrollHeight; });
  for (let top = 0; top <= height + 800; top += 400) {
    await list.evaluate((/** @type {HTMLElement} */ one, /** @type {number} */ at) => { one.scrollTop = at; }, top);
    await page.waitForTimeout(30);
    for (const [index, text] of await page.evaluate(() => [...document.querySelectorAll('.conversation .list-row')].map((row) => [row.getAttribute('data-index'), row.textContent]))) rows.set(index, text);
  }
  return [...rows].sort(([one], [other]) => Number(one) - Number(other)).map(([, text]) => text).join('\n');
}

test('a session is one thread with all its runs, and the composer at its end', async () => {
  await withPage(`/sessions/${session}`, async (page) => {
    await page.waitForFunction(() => document.querySelectorAll('.run-divider').length > 0);
    await page.waitForSelector('.done[data-status="completed"]');
    assert.equal(await isVisible(page, 'third'), true, 'the end is shown first');
    const text = await readThread(page);
    const order = ['firstly', 'The first answer.', 'secondly', 'The second answer.', 'thirdly', 'The third answer.'].map((words) => text.indexOf(words));
    assert.deepEqual(order, order.toSorted((one, other) => one - other), text);
    assert.ok(!order.includes(-1), text);
    await page.waitForSelector('.composer textarea[placeholder="Continue this conversation"]');
    await page.waitForFunction(() => document.title.startsWith('firstly, look into it'));
  });
});

test('the link of an earlier run jumps to it, and that of the last one to the end', async () => {
  await withPage(`/runs/${ids[1]}`, async (page) => {
    await page.waitForSelector('.run-divider[data-current="true"]');
    await page.waitForFunction(() => document.querySelector('.list-row .user')?.textContent);
    await page.waitForTimeout(300);
    assert.equal(await isVisible(page, 'secondly'), true);
    assert.equal(await isVisible(page, 'firstly'), false);
    await page.evaluate((/** @type {string} */ id) => { location.hash = `#/runs/${id}`; }, ids[0]);
    await page.waitForSelector('.user:has-text("firstly")');
    await page.waitForTimeout(300);
    assert.equal(await isVisible(page, 'firstly'), true);
    await page.keyboard.press('End');
    await page.waitForSelector('.user:has-text("thirdly"), .assistant:has-text("third answer")');
  });
});

test('a message continues the thread in place, with its focus and without loading it again', async () => {
  const id = await server.createRun('say One.\nresult one');
  await server.waitForEnd(id);
  await withPage(`/runs/${id}`, async (page) => {
    await page.waitForSelector('.done');
    await page.evaluate(() => { Reflect.set(document.querySelector('.run') ?? {}, 'isSame', true); });
    let streams = 0;
    page.on('request', (/** @type {any} */ request) => { streams += request.url().includes(`${id}/events`) ? 1 : 0; });
    await page.click('.composer textarea');
    await page.keyboard.type('say Two.');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('result two');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.assistant:has-text("Two.")');
    await page.waitForFunction(() => document.querySelectorAll('.done').length === 2);
    assert.equal(await page.evaluate(() => Reflect.get(document.querySelector('.run') ?? {}, 'isSame')), true);
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'TEXTAREA');
    assert.equal(streams, 0);
    assert.equal(await page.locator('.run-divider').count(), 2);
  });
});

test('runs that other clients add to the session appear', async () => {
  const id = await server.createRun('say One.\nresult one');
  const { session_id: own } = await server.waitForEnd(id);
  await withPage(`/sessions/${own}`, async (page) => {
    await page.waitForSelector('.done');
    await server.createRun('say From elsewhere.\nresult two', { session_id: own, agent_type: undefined, cwd: undefined });
    await page.waitForSelector('.assistant:has-text("From elsewhere.")');
  });
});

test('of a long session the newest runs are loaded, and the others on request', { timeout: 180_000 }, async () => {
  const first = await server.createRun('say Run 0.\nresult ok');
  const { session_id: own } = await server.waitForEnd(first);
  let last = '';
  for (let count = 1; count < 35; count += 1) last = await server.createRun(`say Run ${count}.\nresult ok`, { session_id: own, agent_type: undefined, cwd: undefined });
  while ((await server.waitForEnd(last)).status !== 'completed');
  await withPage(`/sessions/${own}`, async (page) => {
    await page.waitForSelector('.run-divider');
    await page.waitForSelector('.assistant:has-text("Run 34.")');
    const list = page.locator('.conversation .list-viewport');
    const toTop = () => list.evaluate((/** @type {HTMLElement} */ one) => { one.dispatchEvent(new Event('wheel')); one.scrollTop = 0; });
    // Again and again: what is loaded above keeps the position.
    const scrollsTo = async (/** @type {string} */ text) => {
      while (await page.locator(`.assistant:has-text("${text}")`).count() === 0) {
        await toTop();
        await page.waitForTimeout(100);
      }
    };
    await scrollsTo('Run 4.');
    await page.waitForTimeout(500);
    assert.equal(await page.locator('.assistant:has-text("Run 3.")').count(), 0);
    await page.click('button:has-text("Show 4 earlier runs")');
    await page.waitForSelector('.earlier-runs', { state: 'detached' });
    await scrollsTo('Run 0.');
  });
});

test('a run that is deleted elsewhere leaves the thread', async () => {
  const id = await server.createRun('say One.\nresult one');
  const { session_id: own } = await server.waitForEnd(id);
  const second = await server.createRun('say Two.\nresult two', { session_id: own, agent_type: undefined, cwd: undefined });
  await server.waitForEnd(second);
  await withPage(`/sessions/${own}`, async (page) => {
    await page.waitForFunction(() => document.querySelectorAll('.done').length === 2);
    await fetch(`${server.url}/api/runs/${id}`, { method: 'DELETE', headers: { Authorization: `Bearer ${server.token}` } });
    await page.waitForFunction(() => document.querySelectorAll('.done').length === 1);
    assert.equal(await page.locator('.assistant:has-text("One.")').count(), 0);
  });
});

test('a long series of tool calls is one line that opens, and failed calls stay visible', async () => {
  const calls = Array.from({ length: 9 }, (_, index) => [toolCall(`c${index}`, index % 3 ? 'Read' : 'Grep', { file_path: `/src/file${index}.rs`, pattern: 'x' }),
    toolResult(`c${index}`, index === 4 ? 'no such file' : 'content', { isError: index === 4 })].join('\n'));
  const id = await server.runScript('reading many files', [...calls, 'say I have read them.', 'result ok'].join('\n'));
  await server.waitForEnd(id);
  await withPage(`/runs/${id}`, async (page) => {
    await page.waitForSelector('.done');
    await page.waitForSelector('.steps-group:has-text("9 steps"):has-text("6 reads, 3 searches")');
    assert.equal(await page.locator('.tool').count(), 2, 'the failed call and the last one');
    await page.waitForSelector('.tool[data-status="error"]');
    await page.click('.steps-group button');
    await page.waitForFunction(() => document.querySelectorAll('.tool').length === 9);
  });
});

test('the list of sessions shows title, status, agent, runs and last message, and is searched', async () => {
  await withPage('/sessions', async (page) => {
    const row = page.locator('.session-grid', { hasText: 'firstly, look into it' });
    await row.waitFor();
    const text = await row.innerText();
    for (const part of ['Completed', 'Claude Code', '3 runs', 'The third result.']) assert.ok(text.includes(part), text);
    await page.keyboard.press('/');
    await page.keyboard.type('reading many');
    await page.waitForFunction(() => document.querySelectorAll('.session-grid').length === 1);
    await page.waitForSelector('.session-grid:has-text("reading many files")');
    await page.keyboard.press('Tab');
    await page.click('.session-grid a');
    await page.waitForSelector('.steps-group');
  });
});

for (const [name, options] of /** @type {[string, Parameters<typeof openSignedIn>[2]][]} */ ([
  ['light-desktop', { viewport: DESKTOP }], ['dark-desktop', { viewport: DESKTOP, colorScheme: 'dark' }], ['light-phone', { viewport: PHONE }],
  ['dark-phone', { viewport: PHONE, colorScheme: 'dark' }],
])) {
  test(`a thread is accessible: ${name}`, async () => {
    await withPage(`/sessions/${session}`, async (page) => {
      await page.waitForSelector('.run-divider');
      await page.waitForTimeout(300);
      await screenshot(page, `thread-${name}`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
      await page.goto(`${server.url}/#/sessions`);
      await page.waitForSelector('.session-grid');
      await screenshot(page, `sessions-list-${name}`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
    }, options);
  });
}
