/** Comments on lines of diffs, by keyboard and with the pointer, and the message that they become. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findAccessibilityViolations, launch, openSignedIn, screenshot } from './support/browser.js';
import { tabTo } from './support/keyboard.js';
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

/** A demo run that has added a line to a file of three. @param {string} name @param {string} [prompt] */
async function editRun(name, prompt = 'edit notes.txt, fast') {
  const cwd = join(server.dir, name);
  await mkdir(cwd);
  await writeFile(join(cwd, 'notes.txt'), 'alpha\nbeta\ngamma\n');
  return server.createRun(prompt, { agent_type: 'demo', cwd, permission_mode: 'auto' });
}

/** @param {string} id @param {(page: any) => Promise<void>} body @param {Parameters<typeof openSignedIn>[2]} [options] */
async function withChanges(id, body, options) {
  const { page, violations, context } = await openSignedIn(browser, server, options);
  try {
    await page.goto(`${server.url}/#/runs/${id}`);
    await page.waitForSelector('.changes-line');
    await page.keyboard.press('c');
    await page.waitForSelector('.diff-line[data-kind="new"]');
    await body(page);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

/** The labels of the comments shown, with their texts. @param {any} page */
const shownComments = (page) => page.locator('.comment[role=group]').evaluateAll((/** @type {HTMLElement[]} */ boxes) => boxes.map((box) => `${box.getAttribute('aria-label')}: ${box.innerText.trim()}`));

test('comments on lines and ranges are written by keyboard and start the next run', async () => {
  const id = await editRun('keyboard');
  const { session_id: session } = await server.waitForEnd(id);
  await withChanges(id, async (page) => {
    await tabTo(page, 'Comment on line 1');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.comment textarea:focus');
    // Letters that are shortcuts elsewhere.
    await page.keyboard.type('c d a: say these in order');
    await page.keyboard.press('Control+Enter');
    await page.waitForSelector('.comment-button[aria-label="Comment on line 3"]:focus');
    // A comment that is given up.
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.comment textarea:focus');
    await page.keyboard.type('no');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.comment-button[aria-label="Comment on line 4"]:focus');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.comment textarea:focus');
    await page.keyboard.type('and why this?');
    await tabTo(page, 'Add comment');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.comment-button[aria-label="Comment on line 4"]:focus');
    assert.deepEqual(await shownComments(page), ['Comment, lines 2–3: c d a: say these in order', 'Comment, line 4: and why this?']);
    await page.waitForSelector('.comments-note:has-text("2 comments on the changes")');

    // They are kept while other views are open.
    await page.keyboard.press('c');
    await page.waitForSelector('.conversation');
    await page.keyboard.press('c');
    await page.waitForSelector('.comment[role=group]');
    await page.keyboard.press('m');
    await page.keyboard.type('Two remarks.');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.comments-note', { state: 'detached' });
    const { items } = await server.get(`/api/runs?session_id=${session}`);
    const { prompt } = await server.get(`/api/runs/${items[0].run_id}`);
    assert.match(prompt, /^Two remarks\.\n\nnotes\.txt, lines 2–3:\n> {2}beta\n> {2}gamma\nc d a: say these in order\n\nnotes\.txt, line 4:\n> \+.+\nand why this\?$/);
    await server.waitForEnd(items[0].run_id);
  });
});

test('comments go to a live run as one message', async () => {
  const id = await editRun('live', 'edit notes.txt, fast, and hang');
  const { page, violations, context } = await openSignedIn(browser, server);
  await page.goto(`${server.url}/#/runs/${id}`);
  await page.waitForSelector('.change:has-text("notes.txt")');
  await page.keyboard.press('c');
  await page.waitForSelector('.changed-file .diff-line[data-kind="new"]');
  const line = page.locator('.diff-line', { hasText: 'beta' });
  await line.hover();
  await line.locator('.comment-button').click();
  await page.keyboard.type('Keep this line.');
  await page.keyboard.press('Control+Enter');
  await page.click('.modes label:has-text("Interrupt")');
  await page.click('.composer .send');
  await page.waitForSelector('.comments-note', { state: 'detached' });
  await server.waitForEnd(id);
  const messages = (await server.events(id)).filter(({ type }) => type === 'user_message').map(({ content }) => content);
  assert.deepEqual(messages, ['Please address these comments on the changes:\n\nnotes.txt, line 2:\n>  beta\nKeep this line.']);
  assert.deepEqual(violations, []);
  await context.close();
});

test('a range is selected with Shift and clicks, side by side as well, and comments are edited, removed and discarded', async () => {
  const id = await editRun('pointer');
  await server.waitForEnd(id);
  await withChanges(id, async (page) => {
    await page.keyboard.press('s');
    const button = (/** @type {number} */ number) => page.locator(`.diff-pair .comment-button[aria-label="Comment on line ${number}"]`);
    await page.locator('.diff-pair', { hasText: 'alpha' }).locator('.diff-text').last().hover();
    await button(1).click();
    await page.keyboard.press('Escape');
    await page.locator('.diff-pair', { hasText: 'beta' }).locator('.diff-text').last().hover();
    await button(2).click({ modifiers: ['Shift'] });
    await page.waitForSelector('.comment textarea:focus');
    await page.keyboard.type('first');
    await page.keyboard.press('Control+Enter');
    assert.deepEqual(await shownComments(page), ['Comment, lines 1–2: first']);
    await page.click('button[aria-label="Edit comment"]');
    await page.keyboard.press('End');
    await page.keyboard.type(' second');
    await page.keyboard.press('Escape');
    assert.deepEqual(await shownComments(page), ['Comment, lines 1–2: first']);
    await page.click('button[aria-label="Edit comment"]');
    await page.keyboard.press('End');
    await page.keyboard.type(' third');
    await page.keyboard.press('Control+Enter');
    assert.deepEqual(await shownComments(page), ['Comment, lines 1–2: first third']);
    await page.click('.comments-note button[aria-label="Discard comments"]');
    await page.waitForSelector('.dialog:has-text("1 comment on the changes")');
    await tabTo(page, 'Discard comments');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.comment', { state: 'detached' });
    await page.waitForSelector('.comments-note', { state: 'detached' });
    await button(1).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('gone');
    await page.keyboard.press('Control+Enter');
    await page.click('button[aria-label="Remove comment"]');
    await page.waitForSelector('.comment', { state: 'detached' });
  });
});

for (const [name, options] of /** @type {[string, Parameters<typeof openSignedIn>[2]][]} */ ([['light-desktop', {}],
  ['zh-phone', { viewport: { width: 360, height: 780 }, colorScheme: 'dark', locale: 'zh-CN', hasTouch: true, isMobile: true }]])) {
  test(`comments are accessible and fit: ${name}`, async () => {
    const id = await editRun(`accessible-${name}`);
    await server.waitForEnd(id);
    await withChanges(id, async (page) => {
      await page.locator('.diff-line', { hasText: 'beta' }).locator('.comment-button').click({ force: true });
      await page.waitForSelector('.comment textarea:focus');
      await page.keyboard.type('A long remark, so that it has to be wrapped on a narrow screen');
      assert.deepEqual(await findAccessibilityViolations(page), []);
      await screenshot(page, `comment-open-${name}`);
      await page.keyboard.press('Control+Enter');
      await page.waitForSelector('.comment[role=group]');
      await screenshot(page, `comment-${name}`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      const box = await page.locator('.comment').boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= page.viewportSize().width);
    }, options);
  });
}
