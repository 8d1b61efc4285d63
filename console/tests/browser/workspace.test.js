/** Working with the directory of a run: revert and undo, changes of a conversation, worktrees with their branch and removal. By keyboard. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findAccessibilityViolations, launch, openSignedIn, screenshot } from './support/browser.js';
import { chooseFromMenu, tabTo } from './support/keyboard.js';
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

/** @param {string} address @param {(page: any) => Promise<void>} body @param {Parameters<typeof openSignedIn>[2]} [options] */
async function withPage(address, body, options) {
  const { page, violations, context } = await openSignedIn(browser, server, options);
  try {
    await page.goto(`${server.url}/#${address}`);
    await body(page);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

/** @param {() => Promise<boolean>} isTrue */
async function until(isTrue) {
  while (!await isTrue().catch(() => false)) await new Promise((done) => { setTimeout(done, 50); });
}

/** A run with two turns: the first adds `first.txt`, the second `second.txt`. @param {string} name */
async function twoTurns(name) {
  const cwd = join(server.dir, name);
  await mkdir(cwd);
  const go = (/** @type {number} */ turn) => join(server.dir, `${name}-go-${turn}`);
  const id = await server.createRun(`say First.\nwait ${go(1)}\nresult one`, { cwd });
  await server.post(`/api/runs/${id}/messages`, { text: `say Second.\nwait ${go(2)}\nresult two` });
  // The first snapshot precedes the agent.
  await until(async () => { const run = await server.get(`/api/runs/${id}`); return run.status === 'running' && run.last_seq > 3; });
  await writeFile(join(cwd, 'first.txt'), 'one\n');
  await writeFile(go(1), '');
  await until(async () => (await server.get(`/api/runs/${id}/changes?turn=1`)).files === 1 && (await server.get(`/api/runs/${id}/changes?turn=2`)).files === 0);
  await writeFile(join(cwd, 'second.txt'), 'two\n');
  await writeFile(go(2), '');
  await server.waitForEnd(id);
  return { id, cwd };
}

test('a directory is reverted to a turn after a confirmation that names the files, and the revert is undone', async () => {
  const { id, cwd } = await twoTurns('turns');
  const [first, second] = ['first.txt', 'second.txt'].map((name) => join(cwd, name));
  await withPage(`/runs/${id}`, async (page) => {
    await page.waitForSelector('.done');
    await page.keyboard.press('c');
    await page.waitForSelector('.changed-file');
    await chooseFromMenu(page, 'Revert', 'To the state after turn 1');
    await page.waitForSelector('.dialog .path-list li');
    assert.deepEqual(await page.locator('.dialog .path-list li').allInnerTexts(), ['second.txt']);
    // A stray Enter changes nothing.
    await page.keyboard.press('Enter');
    await page.waitForSelector('.dialog', { state: 'detached' });
    assert.ok(existsSync(second));

    await chooseFromMenu(page, 'Revert', 'To the state after turn 1');
    await page.waitForSelector('.dialog .path-list li');
    await tabTo(page, 'Revert');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.revert-result:has-text("Reverted: 1 file")');
    assert.deepEqual([existsSync(first), existsSync(second)], [true, false]);

    await tabTo(page, 'Undo');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.revert-result:has-text("Revert undone: 1 file"):focus');
    assert.equal(await readFile(second, 'utf8'), 'two\n');

    await chooseFromMenu(page, 'Revert', 'To the state before the run');
    await page.waitForSelector('.dialog .path-list li');
    assert.deepEqual(await page.locator('.dialog .path-list li').allInnerTexts(), ['first.txt', 'second.txt']);
  });
});

test('the changes of a whole conversation are shown together, and an earlier run can be reverted to its end', async () => {
  const dir = join(server.dir, 'conversation');
  await mkdir(dir);
  const id = await server.createRun('create first.txt, fast', { agent_type: 'demo', cwd: dir, permission_mode: 'auto' });
  const { session_id: session } = await server.waitForEnd(id);
  const next = await server.post('/api/runs', { input: { text: 'create second.txt, fast' }, metadata: { session_id: session, permission_mode: 'auto' } });
  await server.waitForEnd(next.run_id);
  await withPage(`/runs/${id}`, async (page) => {
    await page.waitForSelector('.done');
    await page.keyboard.press('c');
    await page.waitForSelector('.changed-file:has-text("first.txt")');
    assert.equal(await page.locator('.changed-file').count(), 1);
    await tabTo(page, 'Changes of');
    await page.keyboard.type('Whole');
    await page.waitForSelector('.changed-file:has-text("second.txt") .diff-line[data-kind="new"]');
    await page.waitForSelector('.changed-file:has-text("first.txt") .diff-line[data-kind="new"]');
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('button:has-text("Download patch")')]);
    assert.equal(file.suggestedFilename(), `${session}.patch`);

    await chooseFromMenu(page, 'Revert', 'To the state after turn 1');
    await page.waitForSelector('.dialog .path-list li');
    assert.deepEqual(await page.locator('.dialog .path-list li').allInnerTexts(), ['second.txt']);
    await tabTo(page, 'Revert');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.revert-result:has-text("Reverted: 1 file")');
    assert.deepEqual([existsSync(join(dir, 'first.txt')), existsSync(join(dir, 'second.txt'))], [true, false]);
  });
});

test('a run is started in a worktree, its work is committed to the branch, and the worktree is removed', async () => {
  const repository = join(server.dir, 'repository');
  const git = (/** @type {string[]} */ ...words) => execFileSync('git', ['-C', repository, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.com', ...words], { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: server.dir } });
  await mkdir(repository);
  git('init', '-q', '-b', 'trunk');
  await writeFile(join(repository, 'old.txt'), 'old\n');
  git('add', '.');
  git('commit', '-q', '-m', 'Begin');
  await withPage('/new', async (page) => {
    await page.waitForSelector('textarea:focus');
    await page.keyboard.type('create new.txt, fast');
    await page.click('.card:has-text("Demo")');
    await page.click('.card:has-text("Automatic")');
    await tabTo(page, 'Working directory', 'Shift+Tab');
    await page.keyboard.type(repository);
    await tabTo(page, 'Workspace');
    await page.keyboard.type('Work');
    await tabTo(page, 'Branch, tag or commit');
    await page.keyboard.type('no-such-branch');
    await page.keyboard.press('Control+Enter');
    // The error is at the field, which has the focus.
    await page.waitForSelector('.field-wrong:has-text("Branch, tag or commit") input:focus');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('trunk');
    await page.keyboard.press('Control+Enter');
    await page.waitForSelector('.done');
    const record = await server.get(`/api/runs/${page.url().split('/').at(-1)}`);
    assert.deepEqual([record.workspace.repository, record.workspace.ref], [repository, 'trunk']);
    assert.ok(!existsSync(join(repository, 'new.txt')));

    await page.keyboard.press('c');
    await page.waitForSelector('.changed-file:has-text("new.txt")');
    await chooseFromMenu(page, 'Workspace', 'Remove workspace');
    await page.waitForSelector('.dialog:has-text("Remove this workspace?")');
    await tabTo(page, 'Remove workspace');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.dialog:has-text("contains work that is not committed")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.dialog', { state: 'detached' });
    assert.ok(existsSync(join(record.working_dir, 'new.txt')));

    await chooseFromMenu(page, 'Workspace', 'Commit to the branch');
    await page.waitForSelector('.dialog textarea:focus');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('Add a file');
    await page.keyboard.press('Control+Enter');
    await page.waitForSelector('.dialog:has-text("Committed as")');
    assert.equal(git('log', '-1', '--format=%s', record.workspace.branch).trim(), 'Add a file');
    assert.match(git('ls-tree', '--name-only', record.workspace.branch), /new\.txt/);
    await page.keyboard.press('Escape');

    await chooseFromMenu(page, 'Workspace', 'Remove workspace');
    await page.waitForSelector('.dialog:has-text("Remove this workspace?")');
    await tabTo(page, 'Remove workspace');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.toast:has-text("Workspace removed")');
    assert.ok(!existsSync(join(record.working_dir, 'new.txt')));
    assert.match(git('branch', '--list', record.workspace.branch), /openrunner/);
  });
});

for (const [name, options] of /** @type {[string, Parameters<typeof openSignedIn>[2]][]} */ ([['light-desktop', {}],
  ['zh-phone', { viewport: { width: 360, height: 780 }, colorScheme: 'dark', locale: 'zh-CN' }]])) {
  test(`revert is accessible and fits: ${name}`, async () => {
    const { id } = await twoTurns(`accessible-${name}`);
    await withPage(`/runs/${id}`, async (page) => {
      await page.waitForSelector('.done');
      await page.keyboard.press('c');
      await page.waitForSelector('.changed-file');
      await page.click('.revert .menu-button');
      await page.click('.menu [role=menuitem]');
      await page.waitForSelector('.dialog .path-list li');
      await screenshot(page, `revert-${name}`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
      await page.click('.dialog .button-danger');
      await page.waitForSelector('.revert-result');
      await screenshot(page, `reverted-${name}`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    }, options);
  });

  test(`the form for a run in a worktree is accessible and fits: ${name}`, async () => {
    await withPage('/new', async (page) => {
      await page.waitForSelector('textarea:focus');
      const select = page.locator('select:has(option[value="worktree"])');
      await select.selectOption('worktree');
      await page.waitForSelector('input[maxlength="200"]');
      await select.scrollIntoViewIfNeeded();
      await screenshot(page, `worktree-form-${name}`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    }, options);
  });
}
