/** Copying, exporting and searching in a run. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { assistantMessage, fileEdit, toolCall, toolResult } from './support/agent_script.js';
import { launch, openSignedIn, PHONE } from './support/browser.js';
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

/** @param {string} id @param {(page: any, copied: () => Promise<string>) => Promise<void>} body @param {Parameters<typeof openSignedIn>[2]} [options] */
async function withRun(id, body, options) {
  const { page, violations, context } = await openSignedIn(browser, server, options);
  try {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.goto(`${server.url}/#/runs/${id}`);
    await page.waitForSelector('.done');
    await body(page, () => page.evaluate(() => navigator.clipboard.readText()));
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

test('an answer of 250,000 characters is copied completely with one click', async () => {
  const answer = Array.from({ length: 5_000 }, (_, index) => `Line ${index} of a long answer, with *marks* and a tail.`).join('\n\n');
  assert.ok(answer.length > 250_000);
  const id = await server.runScript('answering at length', `${assistantMessage(answer)}\nresult ${'short'}`);
  await server.waitForEnd(id);
  await withRun(id, async (page, copied) => {
    await page.keyboard.press('/');
    await page.keyboard.type('Line 0 of');
    await page.waitForSelector('.thread-search:has-text("1 of 1")');
    const message = page.locator('.assistant', { hasText: 'Line 0 of a long answer' }).first();
    await message.hover();
    await message.getByRole('button', { name: 'Copy message' }).click();
    await message.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal((await copied()).trim(), answer);
    await page.keyboard.press('Escape');
    await page.keyboard.press('End');
    await page.click('.done-line button:has-text("Copy answer")');
    await page.waitForSelector('.done-line button:has-text("Copied")');
    assert.equal(await copied(), 'short');
  });
});

const SCRIPT = [
  assistantMessage('I look for the needle.'), toolCall('b', 'Bash', { command: 'grep -r haystack' }), toolResult('b', 'straw\n'.repeat(60) + 'a needle in the output'),
  fileEdit('e', '/x/needle.py', ['-old', '+new']), ...Array.from({ length: 80 }, (_, index) => `say Filler ${index}.`), 'result done',
].join('\n');

test('a search finds what is not in the document, and moves between the matches', async () => {
  const id = await server.runScript('finding things', SCRIPT);
  await server.waitForEnd(id);
  await withRun(id, async (page) => {
    assert.equal(await page.locator('.assistant:has-text("I look for the needle")').count(), 0, 'not rendered');
    await page.keyboard.press('/');
    await page.keyboard.type('NEEDLE');
    await page.waitForSelector('.thread-search:has-text("2 of 2")');
    await page.waitForSelector('.list-row[data-marked="true"]:has-text("needle.py")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.thread-search:has-text("1 of 2")');
    await page.waitForSelector('.list-row[data-marked="true"]:has-text("I look for the needle")');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('nowhere to be found');
    await page.waitForSelector('.thread-search:has-text("not found")');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.thread-search', { state: 'detached' });
    await page.waitForFunction(() => document.activeElement?.className.includes('list-viewport'));
  });
});

test('outputs and diffs are copied', async () => {
  const id = await server.runScript('copying things', SCRIPT.split('\n').filter((line) => !line.startsWith('say')).join('\n'));
  await server.waitForEnd(id);
  await withRun(id, async (page, copied) => {
    await page.locator('.tool:has-text("grep") .result').hover();
    await page.locator('.tool:has-text("grep")').getByRole('button', { name: 'Copy output' }).click();
    await page.locator('.tool:has-text("grep")').getByRole('button', { name: 'Copied' }).waitFor();
    assert.match(await copied(), /a needle in the output$/);
    await page.locator('.change').getByRole('button', { name: 'Copy diff' }).click();
    await page.locator('.change').getByRole('button', { name: 'Copied' }).waitFor();
    assert.match(await copied(), /^-old$[\s\S]*^\+new$/m);
  });
});

test('a run is exported as Markdown', async () => {
  const id = await server.runScript('exporting things', SCRIPT);
  await server.waitForEnd(id);
  await withRun(id, async (page) => {
    await page.click('.run-bar button[aria-haspopup="menu"]');
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('[role="menuitem"]:has-text("Export as Markdown")')]);
    assert.equal(file.suggestedFilename(), `${id}.md`);
    const text = await readFile(await file.path(), 'utf8');
    for (const part of ['# exporting things', '> exporting things', 'I look for the needle.', '```sh\ngrep -r haystack\n```', '`/x/needle.py`', '+new', 'Filler 79.', '*completed*']) {
      assert.ok(text.includes(part), `${part}\n---\n${text.slice(0, 3000)}`);
    }
  });
});

test('on a phone, copy buttons are visible without a pointer, and search is in the menu', async () => {
  const id = await server.runScript('phoning', [assistantMessage('A short answer.'), 'result done'].join('\n'));
  await server.waitForEnd(id);
  await withRun(id, async (page) => {
    assert.equal(await page.locator('.assistant .corner').first().evaluate((/** @type {Element} */ one) => getComputedStyle(one).opacity), '1');
    await page.tap('.run-bar button[aria-haspopup="menu"]');
    await page.tap('[role="menuitem"]:has-text("Search this conversation")');
    await page.keyboard.type('short');
    await page.waitForSelector('.thread-search:has-text("1 of 1")');
  }, { viewport: PHONE, hasTouch: true, isMobile: true });
});
