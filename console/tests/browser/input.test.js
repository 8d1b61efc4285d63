/** Input: files, the agent's commands, the command palette, profiles, spend limits and quotas. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DESKTOP, findAccessibilityViolations, launch, openSignedIn, PHONE, screenshot } from './support/browser.js';
import { Server } from './support/server.js';

/** @type {Server} */
let server;
/** @type {any} */
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start({ env: { OPENRUNNER_QUOTA_RUNS: '500' } }), launch()]);
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
    await page.waitForSelector('.shell');
    await body(page);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

/** Pastes or drops files on an element, as a browser does. @param {any} page @param {string} selector @param {'paste' | 'drop'} kind @param {{ name: string, type: string, text: string }[]} files */
const transfer = (page, selector, kind, files) => page.evaluate((/** @type {any} */ [target, event, list]) => {
  const data = new DataTransfer();
  for (const { name, type, text } of list) data.items.add(new File([text], name, { type }));
  const element = document.querySelector(target);
  element.dispatchEvent(event === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }) : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
}, [selector, kind, files]);

/** @param {any} page @returns {Promise<any>} the run that the page shows, after its end */
const shownRun = async (page) => {
  await page.waitForURL(/#\/runs\/run_/);
  return server.waitForEnd(new URL(page.url()).hash.split('/').at(-1) ?? '');
};

test('pasted images and dropped files are sent with a new run', async () => {
  await withPage('/new', async (page) => {
    await page.waitForSelector('form.form textarea');
    await page.keyboard.type('result ok');
    await page.click('.card:has-text("Claude Code")');
    await transfer(page, 'form.form textarea', 'paste', [{ name: 'image.png', type: 'image/png', text: 'not really an image' }, { name: 'image.png', type: 'image/png', text: 'another' }]);
    await page.waitForFunction(() => document.querySelectorAll('.attachments li').length === 2);
    await transfer(page, 'form.form', 'drop', [{ name: '.hidden/../.env', type: 'text/plain', text: 'A=1' }, { name: 'unwanted.txt', type: 'text/plain', text: 'x' }]);
    await page.waitForFunction(() => document.querySelectorAll('.attachments li').length === 4);
    await page.click('button[aria-label="Remove unwanted.txt"]');
    await page.click('button:has-text("Start run")');
    const run = await shownRun(page);
    assert.deepEqual(run.attachments.map((/** @type {any} */ { type, media_type: media, name, size }) => [type, media, name, size]),
      [['image', 'image/png', 'image.png', 19], ['image', 'image/png', 'image-2.png', 7], ['file', 'text/plain', 'env', 3]]);
    await page.waitForSelector('.user .attachments:has-text("image-2.png")');
  });
});

test('a file that is too large is refused at once', async () => {
  await withPage('/new', async (page) => {
    await page.waitForSelector('form.form textarea');
    await transfer(page, 'form.form textarea', 'paste', [{ name: 'big.bin', type: '', text: 'x'.repeat(5 * 1024 * 1024 + 1) }]);
    await page.waitForSelector('.toast:has-text("At most 32 images and files with 5 MiB")');
    assert.equal(await page.locator('.attachments li').count(), 0);
  });
});

test('a file is sent with the run that continues a session, and not with a message to a live one', async () => {
  const id = await server.createRun('say One.\nresult one');
  await server.waitForEnd(id);
  await withPage(`/runs/${id}`, async (page) => {
    await page.waitForSelector('.done');
    await transfer(page, '.composer textarea', 'paste', [{ name: 'notes.txt', type: 'text/plain', text: 'hello' }]);
    await page.waitForSelector('.composer .attachments:has-text("notes.txt")');
    await page.click('.composer textarea');
    await page.keyboard.type('wait-for-interrupt');
    await page.keyboard.press('Enter');
    await page.waitForFunction((/** @type {string} */ old) => !location.hash.includes(old), id);
    await page.waitForSelector('.composer button:has-text("Cancel run")');
    await transfer(page, '.composer textarea', 'paste', [{ name: 'late.txt', type: 'text/plain', text: 'hello' }]);
    await page.waitForSelector('.toast:has-text("to a new run only")');
    const { run_id: second } = (await server.get(`/api/runs/${new URL(page.url()).hash.split('/').at(-1)}`));
    await server.post(`/api/runs/${second}/cancel`, {});
    assert.deepEqual((await server.waitForEnd(second)).attachments.map((/** @type {any} */ { name }) => name), ['notes.txt']);
  });
});

test('the agent’s slash commands are offered, chosen by keyboard, and sent', async () => {
  const id = await server.createRun('title My title', { agent_type: 'demo' });
  await server.waitForEnd(id);
  const events = await server.events(id);
  const { commands } = events.find(({ type, commands: reported }) => type === 'session_updated' && reported);
  await withPage(`/runs/${id}`, async (page) => {
    await page.waitForSelector('.done');
    await page.click('.composer textarea');
    await page.keyboard.type('/');
    await page.waitForSelector('.composer [role=option]');
    await page.keyboard.press('ArrowDown');
    await page.waitForSelector(`.composer [role=option]:nth-child(2)[aria-selected="true"]:has-text("/${commands[1].name}")`);
    assert.deepEqual(await findAccessibilityViolations(page), []);
    await page.keyboard.press('Tab');
    assert.equal(await page.locator('.composer textarea').inputValue(), `/${commands[1].name} `);
    assert.equal(await page.locator('.composer [role=option]').count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'TEXTAREA');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('/');
    await page.waitForSelector('.composer [role=option]');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.composer [role=option]', { state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'TEXTAREA');
  });
});

test('the command palette goes to views, runs and actions by keyboard, also from a field', async () => {
  const id = await server.createRun('say A rare prompt.\nresult ok');
  await server.waitForEnd(id);
  await withPage('/new', async (page) => {
    await page.waitForSelector('form.form textarea');
    await page.keyboard.press('Control+k');
    await page.waitForSelector('.palette[open]');
    await page.keyboard.type('usage');
    await page.keyboard.press('Enter');
    await page.waitForURL(/#\/usage$/);
    await page.keyboard.press('Control+k');
    await page.keyboard.type('rare prompt');
    await page.waitForSelector('.palette [role=option][aria-selected="true"]:has-text("A rare prompt")');
    assert.deepEqual(await findAccessibilityViolations(page), []);
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`#/runs/${id}$`));
    await page.waitForSelector('.done');
    await page.keyboard.press('Control+k');
    await page.keyboard.type('raw ev');
    await page.waitForSelector('.palette [role=option]:has-text("Raw events")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.raw-line');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog:has-text("Ctrl K")');
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
  });
});

test('a run is started with a profile and spend limits', async () => {
  await server.request('/api/profiles/careful', {
    method: 'PUT', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ description: 'Asks first', agent_type: 'claude_code', permission_mode: 'ask', timeout_secs: 600 }),
  });
  await withPage('/new', async (page) => {
    await page.waitForSelector('form.form textarea');
    await page.keyboard.type('result ok');
    await page.selectOption('select:near(:text("Profile"))', { value: 'careful' });
    await page.click('summary:has-text("Advanced options")');
    await page.getByLabel('Maximum cost in US dollars').fill('2.5');
    await page.getByLabel('Maximum model calls').fill('7');
    await page.click('button:has-text("Start run")');
    const run = await shownRun(page);
    assert.deepEqual([run.profile, run.agent_type, run.permission_mode, run.timeout_secs, run.max_cost_usd, run.max_turns, run.max_tokens], ['careful', 'claude_code', 'ask', 600, 2.5, 7, undefined]);
  });
});

for (const [name, options] of /** @type {[string, Parameters<typeof openSignedIn>[2]][]} */ ([
  ['light-desktop', { viewport: DESKTOP }], ['dark-phone', { viewport: PHONE, colorScheme: 'dark' }],
])) {
  test(`files, the palette and the quotas are accessible: ${name}`, async () => {
    await withPage('/new', async (page) => {
      await page.waitForSelector('form.form textarea');
      await transfer(page, 'form.form textarea', 'paste', [{ name: 'screenshot of the page.png', type: 'image/png', text: 'x'.repeat(90_000) }]);
      await page.waitForSelector('.attachments li');
      await page.click('summary:has-text("Advanced options")');
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      assert.deepEqual(await findAccessibilityViolations(page), []);
      await screenshot(page, `new-files-${name}`);
      await page.keyboard.press('Control+k');
      await page.waitForSelector('.palette [role=option]:has-text("result")');
      assert.deepEqual(await findAccessibilityViolations(page), []);
      await screenshot(page, `palette-${name}`);
      await page.keyboard.press('Escape');
      await page.goto(`${server.url}/#/usage`);
      await page.waitForSelector('.panel:has-text("What you keep on the server"):has-text("of 500")');
      assert.deepEqual(await findAccessibilityViolations(page), []);
      await screenshot(page, `quotas-${name}`);
    }, options);
  });
}
