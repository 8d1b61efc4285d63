/** Keyboard and focus: real key events after a real sign-in. Nothing is filled in or focused by the test. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, PHONE, signInByKeyboard, typeCredentials } from './support/browser.js';
import { Server } from './support/server.js';

/** @type {Server} */
let server;
/** @type {any} */
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start({ env: { OPENRUNNER_PERMISSION_TIMEOUT_SECS: '300' } }), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Signs in, executes `body`, and asserts that there were no violations.
 * @param {(page: any) => Promise<void>} body @param {Parameters<typeof signInByKeyboard>[2]} [options] */
async function withPage(body, options) {
  const { page, violations, context } = await signInByKeyboard(browser, server, options);
  try {
    await body(page);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

/** Opens the newest run from the list. @param {any} page @param {string} id */
async function openNewestRun(page, id) {
  await page.waitForSelector(`.row-title[href="#/runs/${id}"]`);
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.request');
  // A new form ignores shortcuts for a moment.
  await page.waitForTimeout(500);
}

/** Moves the focus with Tab until it is on an element with this text. @param {any} page @param {string} text */
async function tabTo(page, text) {
  for (let count = 0; count < 60; count += 1) {
    if (await page.evaluate((/** @type {string} */ wanted) => document.activeElement?.textContent?.includes(wanted) && document.activeElement.tagName === 'BUTTON', text)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab does not reach ${text}`);
}

/** @param {string} id @returns {Promise<[string, string | undefined][]>} */
async function decisions(id) {
  await server.waitForEnd(id);
  return (await server.events(id)).filter(({ type }) => type === 'permission_resolved').map(({ decision, reason }) => [decision, reason]);
}

const ask = (script = '') => server.createRun(`permission Bash {"command":"echo yes"}\n${script}result ok`, { permission_mode: 'ask' });

test('a reason that is typed after “Deny with reason” denies and never approves', async () => {
  const id = await ask();
  await withPage(async (page) => {
    await openNewestRun(page, id);
    await tabTo(page, 'Deny with reason');
    await page.keyboard.press('Enter');
    await page.keyboard.type('a bad idea: Ask again, do not delete');
    assert.equal(await page.locator('.request-reason input').inputValue(), 'a bad idea: Ask again, do not delete');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.done');
    assert.equal(await page.evaluate(() => document.activeElement?.className.includes('list-viewport')), true);
  });
  assert.deepEqual(await decisions(id), [['deny', 'a bad idea: Ask again, do not delete']]);
});

test('while the reason is open, letters answer nothing, wherever the focus is', async () => {
  const id = await ask();
  await withPage(async (page) => {
    await openNewestRun(page, id);
    await page.click('button:has-text("Deny with reason")');
    await page.click('.request header');
    await page.keyboard.type('aAd');
    assert.equal(await page.locator('.request').count(), 1);
    assert.equal(await page.locator('dialog').count(), 0);
    await page.click('.request-reason input');
    await page.keyboard.press('Escape');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent?.includes('Deny with reason')), true);
    await page.keyboard.press('d');
    await page.waitForSelector('.done');
  });
  assert.deepEqual((await decisions(id)).map(([decision]) => decision), ['deny']);
});

test('“Always allow” is confirmed, and a stray Enter confirms nothing', async () => {
  const id = await ask();
  await withPage(async (page) => {
    await openNewestRun(page, id);
    await page.keyboard.press('A');
    await page.waitForSelector('dialog[open]');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog', { state: 'detached' });
    assert.equal(await page.locator('.request').count(), 1);
    await page.keyboard.press('A');
    await page.waitForSelector('dialog[open]');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.done');
  });
  assert.deepEqual((await decisions(id)).map(([decision]) => decision), ['allow_always']);
});

test('a prompt survives navigation and a sign-in that expires', async () => {
  await withPage(async (page) => {
    await page.keyboard.press('n');
    await page.waitForURL(/#\/new$/);
    await page.waitForSelector('form.form textarea');
    await page.keyboard.type('write the release notes');
    await page.click('.side a[href="#/sessions"]');
    await page.waitForSelector('h1:has-text("Sessions")');
    await page.goBack();
    await page.waitForSelector('form.form textarea');
    assert.equal(await page.locator('form.form textarea').first().inputValue(), 'write the release notes');
    await page.keyboard.type(', in Chinese too');
    const token = await page.evaluate(() => JSON.parse(localStorage.getItem('openrunner:/:token') ?? ''));
    await fetch(`${server.url}/api/auth/logout`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
    await page.waitForSelector('.signin-card');
    await typeCredentials(page);
    await page.waitForSelector('form.form textarea');
    assert.match(await page.locator('form.form textarea').first().inputValue(), /write the release notes/);
  });
});

test('the run’s list, page and sign-in have their titles, and going back returns to the row', async () => {
  const id = await server.createRun('say hello\nresult ok');
  await server.waitForEnd(id);
  await withPage(async (page) => {
    await page.waitForFunction(() => document.title.endsWith('Runs · OpenRunner'));
    await page.waitForSelector(`.row-title[href="#/runs/${id}"]`);
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.done');
    await page.waitForFunction(() => document.title.endsWith('say hello · OpenRunner'));
    await page.goBack();
    await page.waitForFunction((/** @type {string} */ run) => document.activeElement?.getAttribute('href') === `#/runs/${run}`, id);
    await page.evaluate(() => { location.hash = '#/nowhere'; });
    await page.waitForFunction(() => document.title.endsWith('Page not found · OpenRunner'));
  });
});

test('cancelling a run from its page is confirmed as in the list', async () => {
  const id = await server.createRun('say I wait.\nwait-for-interrupt');
  await withPage(async (page) => {
    await page.waitForSelector(`.row-title[href="#/runs/${id}"]`);
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.assistant:has-text("I wait.")');
    await tabTo(page, 'Cancel run');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open]:has-text("Cancel this run?")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog', { state: 'detached' });
    await tabTo(page, 'Cancel run');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open]');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.done[data-status="cancelled"]');
  });
});

test('on a phone, Enter in the message field starts a new line', async () => {
  const id = await server.createRun('say I wait.\nwait-for-interrupt');
  await withPage(async (page) => {
    await page.goto(`${server.url}/#/runs/${id}`);
    await page.waitForSelector('.assistant:has-text("I wait.")');
    await page.tap('.composer textarea');
    await page.keyboard.type('one');
    await page.keyboard.press('Enter');
    await page.keyboard.type('two');
    assert.equal(await page.locator('.composer textarea').inputValue(), 'one\ntwo');
    assert.equal(await page.locator('.user').count(), 1);
  }, { viewport: PHONE, hasTouch: true, isMobile: true });
  await server.post(`/api/runs/${id}/cancel`, {});
});

test('the place in the queue is shown on the page and in the list', async () => {
  const small = await Server.start({ env: { OPENRUNNER_MAX_RUNS: '1' } });
  const go = join(small.dir, 'go');
  await small.createRun(`say hello\nwait ${go}\nresult ok`);
  const [second, third] = [await small.createRun('result two'), await small.createRun('result three')];
  const { page, violations, context } = await signInByKeyboard(browser, small);
  await page.waitForSelector('.run-row:has-text("result three") .run-duration:has-text("1 ahead")');
  await page.waitForSelector('.run-row:has-text("result two") .run-duration:has-text("next in the queue")');
  await page.goto(`${small.url}/#/runs/${third}`);
  await page.waitForSelector('.startup:has-text("1 ahead")');
  await small.post(`/api/runs/${second}/cancel`, {});
  await page.waitForSelector('.startup:has-text("next in the queue")');
  await writeFile(go, '');
  await page.waitForSelector('.done[data-status="completed"]');
  assert.equal(await page.locator('.startup').count(), 0);
  assert.deepEqual(violations, []);
  await context.close();
  await small.close();
});

test('an error is shown once, without exit code 0 and without a tick', async () => {
  const id = await server.createRun('error The model refused.');
  await server.waitForEnd(id);
  await withPage(async (page) => {
    await page.goto(`${server.url}/#/runs/${id}`);
    await page.waitForSelector('.done[data-status="failed"]');
    const text = await page.locator('.conversation .list-rows').innerText();
    // Once in the prompt, once as the error.
    assert.equal(text.split('The model refused.').length - 1, 2, text);
    assert.ok(!/exit code 0/.test(text), text);
    const icon = (/** @type {string} */ selector) => page.locator(`${selector} .icon path`).last().getAttribute('d');
    assert.notEqual(await icon('.timeline-entry:has-text("Failed")'), 'M3 8.5l3.25 3.25L13 5');
    assert.notEqual(await icon('.done-status'), 'M3 8.5l3.25 3.25L13 5');
  });
});
