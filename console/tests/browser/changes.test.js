/** What a run has changed: the summary after each turn, the tab, and the same diff in the permission cards of all agents. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DESKTOP, findAccessibilityViolations, launch, openSignedIn, PHONE, screenshot } from './support/browser.js';
import { Server } from './support/server.js';

/** @type {Server} */
let server;
/** @type {any} */
let browser;
/** A run with two turns. */
let id = '';

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
  const cwd = join(server.dir, 'repository');
  await mkdir(join(cwd, 'src/very/deeply/nested'), { recursive: true });
  await writeFile(join(cwd, 'src/login.py'), 'def find(given):\n    for user in users():\n        if user.name == given:\n            return user\n    return None\n');
  await writeFile(join(cwd, 'old name.txt'), 'one\ntwo\nthree\nfour\n');
  const go = (/** @type {number} */ turn) => join(server.dir, `go-${turn}`);
  id = await server.createRun(`say First.\nwait ${go(1)}\nresult one`, { cwd });
  await server.post(`/api/runs/${id}/messages`, { text: `say Second.\nwait ${go(2)}\nresult two` });
  // The first snapshot precedes the agent.
  while (!await server.get(`/api/runs/${id}`).then(({ last_seq: seq, status }) => status === 'running' && seq > 3)) await new Promise((done) => { setTimeout(done, 50); });
  await writeFile(join(cwd, 'src/login.py'), 'from .names import fold\n\ndef find(given):\n    for user in users():\n        if fold(user.name) == fold(given):\n            return user\n    return None\n');
  await writeFile(go(1), '');
  for (let done = false; !done;) {
    await new Promise((wait) => { setTimeout(wait, 100); });
    done = (await server.get(`/api/runs/${id}/changes`)).files === 1 && (await server.get(`/api/runs/${id}`)).last_seq > 8;
  }
  await writeFile(join(cwd, 'src/very/deeply/nested/名 & <b>.py'), 'print("new")\n');
  await writeFile(join(cwd, 'image.bin'), Buffer.from([0, 1, 2, 255]));
  await writeFile(go(2), '');
  await server.waitForEnd(id);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @param {string} run @param {(page: any) => Promise<void>} body @param {Parameters<typeof openSignedIn>[2]} [options] */
async function withPage(run, body, options) {
  const { page, violations, context } = await openSignedIn(browser, server, options);
  try {
    await page.goto(`${server.url}/#/runs/${run}`);
    await body(page);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

test('the changes of a run are one click away from its end, with files, counts and diffs', async () => {
  await withPage(id, async (page) => {
    await page.waitForSelector('.changes-line:has-text("3 files changed")');
    await page.locator('.changes-line:has-text("3 files changed") button').click();
    const login = page.locator('.changed-file', { hasText: 'src/login.py' });
    await login.locator('.diff-line[data-kind="new"]', { hasText: 'fold(user.name)' }).waitFor();
    await login.locator('.diff-line[data-kind="old"]', { hasText: 'if user.name == given' }).waitFor();
    assert.match(await login.locator('.tool-head').innerText(), /modified\s*\+3\s*−1/);
    await page.locator('.changed-file', { hasText: '名 & <b>.py' }).locator('.diff-line[data-kind="new"]', { hasText: 'print("new")' }).waitFor();
    await page.locator('.changed-file', { hasText: 'image.bin' }).getByText('binary file').waitFor();
    assert.equal(await page.locator('.changed-file').count(), 3);
    await page.click('.changes-bar .split-button');
    await login.locator('.diff-pair').first().waitFor();
    await page.keyboard.press('c');
    await page.waitForSelector('.conversation');
  });
});

test('the changes of one turn are shown alone', async () => {
  await withPage(id, async (page) => {
    await page.waitForSelector('.done');
    await page.keyboard.press('c');
    await page.waitForFunction(() => document.querySelectorAll('.changed-file').length === 3);
    await page.selectOption('.changes-bar select', { label: 'Turn 1' });
    await page.waitForFunction(() => document.querySelectorAll('.changed-file').length === 1);
    await page.waitForSelector('.changed-file:has-text("src/login.py")');
    await page.selectOption('.changes-bar select', { label: 'Turn 2' });
    await page.waitForFunction(() => document.querySelectorAll('.changed-file').length === 2);
  });
});

test('diffs are shown side by side at a key press, also after the page was loaded again, but not on a phone', async () => {
  await withPage(id, async (page) => {
    await page.waitForSelector('.done');
    await page.keyboard.press('c');
    await page.waitForSelector('.changed-file .diff-line[data-kind="new"]');
    await page.keyboard.press('s');
    const changed = page.locator('.diff-pair:has(.diff-text[data-kind="old"]):has(.diff-text[data-kind="new"])').first();
    await changed.waitFor();
    // The kind of a line is not only a color.
    assert.match(await changed.innerText(), /−\s*if user\.name == given[^]*\+\s*if fold/);
    await page.reload();
    await page.waitForSelector('.done');
    await page.keyboard.press('c');
    await page.waitForSelector('.changed-file .diff-pair');
    assert.deepEqual(await findAccessibilityViolations(page), []);
    await page.setViewportSize({ width: 360, height: 780 });
    await page.waitForSelector('.changed-file .diff-pair', { state: 'detached' });
    await page.waitForSelector('.changed-file .diff-line');
    await page.setViewportSize(DESKTOP);
    await page.waitForSelector('.changed-file .diff-pair');
    await page.keyboard.press('s');
    await page.waitForSelector('.changed-file .diff-pair', { state: 'detached' });
  });
});

test('the whole patch is copied and downloaded', async () => {
  await withPage(id, async (page) => {
    await page.waitForSelector('.done');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.keyboard.press('c');
    await page.click('button:has-text("Copy patch")');
    await page.waitForSelector('.toast:has-text("Copied")');
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /^\+\+\+ b\/src\/login\.py$/m);
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('button:has-text("Download patch")')]);
    assert.equal(file.suggestedFilename(), `${id}.patch`);
    assert.equal(await readFile(await file.path(), 'utf8'), copied);
  });
});

test('why there are no changes is said', async () => {
  const plain = await Server.start({ env: { OPENRUNNER_CHANGES: 'off' } });
  const run = await plain.createRun('result ok');
  await plain.waitForEnd(run);
  const { page, violations, context } = await openSignedIn(browser, plain);
  await page.goto(`${plain.url}/#/runs/${run}`);
  await page.waitForSelector('.done');
  await page.keyboard.press('c');
  await page.waitForSelector('.changes .problem:has-text("The changes are not available")');
  assert.deepEqual(violations, []);
  await context.close();
  await plain.close();
});

test('a permission card shows the edits of every agent’s form of input as a diff', async () => {
  const inputs = [
    { changes: [{ path: '/x/codex.py', kind: { type: 'update' }, diff: '@@ -1,2 +1,2 @@\n same\n-old line\n+new line\n' }, { path: '/x/added.py', kind: { type: 'add' }, diff: 'added line\n' }] },
    { changes: [{ path: '/x/acp.py', old_text: 'old line\n', new_text: 'new line\n' }] },
    { filepath: '/x/opencode.py', diff: 'Index: x\n@@ -1,1 +1,1 @@\n-old line\n+new line\n' },
    { tool: 'patch', arguments: { path: '/x/wrapped.py', old_string: 'old line', new_string: 'new line' } },
    { file_path: '/x/multi.py', edits: [{ old_string: 'old line', new_string: 'new line' }] },
  ];
  const script = [...inputs.map((input) => `permission Edit ${JSON.stringify(input)}`), 'result ok'].join('\n');
  const run = await server.createRun(script, { permission_mode: 'ask' });
  await withPage(run, async (page) => {
    for (const name of ['codex.py', 'acp.py', 'opencode.py', 'wrapped.py', 'multi.py']) {
      await page.waitForSelector(`.request .path:has-text("${name}")`);
      await page.waitForSelector('.request .diff-line[data-kind="new"]:has-text("new line")');
      await page.waitForSelector('.request .diff-line[data-kind="old"]:has-text("old line")');
      if (name === 'codex.py') {
        await page.waitForSelector('.request .path:has-text("added.py")');
        await page.waitForSelector('.request .diff-line[data-kind="new"]:has-text("added line")');
        await page.click('.request button:has-text("Full input")');
        await page.waitForSelector('.request .plain:has-text("codex.py")');
        await screenshot(page, 'request-codex');
      }
      await page.click('.request button:has-text("Allow once")');
    }
    await page.waitForSelector('.done');
  });
});

for (const [name, options] of /** @type {[string, Parameters<typeof openSignedIn>[2]][]} */ ([
  ['light-desktop', { viewport: DESKTOP }], ['dark-desktop', { viewport: DESKTOP, colorScheme: 'dark' }], ['light-phone', { viewport: PHONE }],
  ['zh-phone', { viewport: PHONE, colorScheme: 'dark', locale: 'zh-CN' }],
])) {
  test(`the changes are accessible: ${name}`, async () => {
    await withPage(id, async (page) => {
      await page.waitForSelector('.done');
      await page.keyboard.press('c');
      await page.waitForSelector('.changed-file .diff-line');
      await page.waitForTimeout(300);
      await screenshot(page, `changes-${name}`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
    }, options);
  });
}
