/** Running a task again: from the menu of a run, in at most two steps. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openSignedIn } from './support/browser.js';
import { Server } from './support/server.js';

/** @type {Server} */
let server;
/** @type {any} */
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @param {string} id @param {(page: any, choose: (label: string) => Promise<string>) => Promise<void>} body */
async function withRun(id, body) {
  const { page, violations, context } = await openSignedIn(browser, server);
  try {
    await page.goto(`${server.url}/#/runs/${id}`);
    await page.waitForSelector('.done');
    // The agents are known.
    await page.waitForSelector('.composer textarea');
    const choose = async (/** @type {string} */ label) => {
      await page.click('.run-bar button[aria-haspopup="menu"]');
      await page.click(`[role="menuitem"]:has-text("${label}")`);
      await page.waitForFunction((/** @type {string} */ old) => !location.hash.includes(old), id);
      return new URL(page.url()).hash.split('/').at(-1) ?? '';
    };
    await body(page, choose);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

const METADATA = { labels: { team: 'web' }, timeout_secs: 90, permission_mode: 'ask', instructions: 'Be brief.' };

test('a run is retried with its options, in a new session', async () => {
  const id = await server.createRun('error no', METADATA);
  const first = await server.waitForEnd(id);
  await withRun(id, async (page, choose) => {
    const again = await choose('Retry');
    await page.waitForSelector('.done[data-status="failed"]');
    const second = await server.waitForEnd(again);
    for (const field of ['prompt', 'agent_type', 'working_dir', 'labels', 'timeout_secs', 'permission_mode', 'instructions']) assert.deepEqual(second[field], first[field], field);
    assert.notEqual(second.session_id, first.session_id);
  });
});

test('a run that continued a conversation continues it again', async () => {
  const first = await server.waitForEnd(await server.createRun('result one'));
  const id = await server.createRun('result two', { session_id: first.session_id, agent_type: undefined, cwd: undefined });
  await server.waitForEnd(id);
  await withRun(id, async (page, choose) => {
    const second = await server.waitForEnd(await choose('Retry'));
    assert.deepEqual([second.session_id, second.prompt], [first.session_id, 'result two']);
  });
});

test('a run is edited and run, and keeps options that have no field', async () => {
  const id = await server.createRun('result one', METADATA);
  await server.waitForEnd(id);
  await withRun(id, async (page, choose) => {
    await choose('Edit and run');
    await page.waitForSelector('form.form textarea');
    assert.equal(await page.locator('form.form textarea').first().inputValue(), 'result one');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('result edited');
    await page.keyboard.press('Control+Enter');
    await page.waitForURL(/#\/runs\/run_/);
    const run = await server.waitForEnd(new URL(page.url()).hash.split('/').at(-1) ?? '');
    assert.deepEqual([run.result, run.instructions, run.labels, run.timeout_secs, run.permission_mode], ['edited', 'Be brief.', { team: 'web' }, 90, 'ask']);
  });
});

test('the same task is run with another agent', async () => {
  const id = await server.createRun('result one', { ...METADATA, instructions: undefined, model: 'sonnet' });
  const first = await server.waitForEnd(id);
  await withRun(id, async (page, choose) => {
    const second = await server.waitForEnd(await choose('Run with Demo'));
    assert.deepEqual([second.agent_type, second.prompt, second.working_dir, second.model], ['demo', 'result one', first.working_dir, undefined]);
  });
});

test('values that are not stored are asked for again', async () => {
  const id = await server.createRun('result one', { env: { MY_NAME: 'a secret' } });
  await server.waitForEnd(id);
  await withRun(id, async (page, choose) => {
    await choose('Retry');
    await page.waitForSelector('.toast:has-text("whose values are not stored")');
    await page.waitForSelector('form.form textarea');
    assert.equal(await page.getByLabel('Environment variables').inputValue(), 'MY_NAME=');
  });
});
