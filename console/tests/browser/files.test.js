/** The files of a run: list, view, download and edit, by keyboard. */
import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findAccessibilityViolations, launch, openSignedIn, screenshot } from './support/browser.js';
import { tabTo } from './support/keyboard.js';
import { Server } from './support/server.js';

/** @type {Server} */
let server;
/** @type {any} */
let browser;
/** An ended run, and its directory. */
let [id, dir] = ['', ''];

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
  dir = join(server.dir, 'project');
  await mkdir(join(dir, 'src/deep'), { recursive: true });
  await writeFile(join(dir, 'src/deep/main.py'), 'def main():\r\n    return "<b>not markup</b>"\r\n');
  await writeFile(join(dir, 'src/empty.txt'), '');
  await writeFile(join(dir, 'data.bin'), Buffer.from([0, 1, 2, 255]));
  await writeFile(join(dir, 'long.txt'), 'x'.repeat(70).concat('\n').repeat(20_000));
  await writeFile(join(dir, 'pixel.png'), Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64'));
  await symlink('/etc/passwd', join(dir, 'leak'));
  id = await server.createRun('create hello.py, fast', { agent_type: 'demo', cwd: dir, permission_mode: 'auto' });
  await server.waitForEnd(id);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @param {string} run @param {(page: any) => Promise<void>} body @param {Parameters<typeof openSignedIn>[2]} [options] */
async function withFiles(run, body, options) {
  const { page, violations, context } = await openSignedIn(browser, server, options);
  try {
    await page.goto(`${server.url}/#/runs/${run}`);
    await page.waitForSelector('.composer');
    await page.keyboard.press('f');
    await page.waitForSelector('.file-list');
    await body(page);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

test('directories are opened and left by keyboard, and the focus follows', async () => {
  await withFiles(id, async (page) => {
    // The first entry has the focus.
    await page.waitForSelector('.file-name[data-path="data.bin"]:focus');
    await tabTo(page, 'src (directory)');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-name[data-path="src/deep"]:focus');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-name[data-path="src/deep/main.py"]:focus');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-view h2:focus');
    await page.waitForSelector('.file-view .plain .hljs-keyword, .file-view .plain span[class]:has-text("def")');
    assert.match(await page.locator('.file-view .plain').innerText(), /<b>not markup<\/b>/);
    await tabTo(page, 'Close');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-name[data-path="src/deep/main.py"]:focus');
    await tabTo(page, 'Working directory', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-name[data-path="src"]:focus');
    // The place is kept while the conversation is shown.
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-name[data-path="src/deep"]');
    await page.keyboard.press('f');
    await page.waitForSelector('.conversation');
    await page.keyboard.press('f');
    await page.waitForSelector('.file-name[data-path="src/deep"]');
  });
});

test('images, empty, long and binary files are shown, and links are not followed', async () => {
  await withFiles(id, async (page) => {
    const show = async (/** @type {string} */ name) => {
      await page.click(`.file-name[data-path="${name}"]`);
      await page.waitForSelector('.file-view');
    };
    await show('pixel.png');
    await page.waitForFunction(() => /** @type {HTMLImageElement | null} */ (document.querySelector('.file-image img'))?.naturalWidth === 1);
    await page.click('.file-view button:has-text("Close")');
    await show('data.bin');
    await page.waitForSelector('.file-view:has-text("not text")');
    assert.equal(await page.locator('.file-view button:has-text("Edit")').count(), 0);
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('.file-view button:has-text("Download")')]);
    assert.equal(file.suggestedFilename(), 'data.bin');
    assert.deepEqual([...await readFile(await file.path())], [0, 1, 2, 255]);
    await page.click('.file-view button:has-text("Close")');
    await show('long.txt');
    await page.waitForSelector('.file-view:has-text("Only the first")');
    assert.equal(await page.locator('.file-view button:has-text("Edit")').count(), 0);
    await page.click('.file-view button:has-text("Close")');
    assert.equal(await page.locator('button.file-name:has-text("leak")').count(), 0);
    await page.waitForSelector('.file-name:has-text("leak")');
    await page.click('.file-name[data-path="src"]');
    await show('src/empty.txt');
    await page.waitForSelector('.file-view:has-text("The file is empty")');
  });
});

test('a file is edited and saved with its line ends, an unsaved text is kept, and other changes are not overwritten unnoticed', async () => {
  const path = join(dir, 'src/deep/main.py');
  await withFiles(id, async (page) => {
    await page.click('.file-name[data-path="src"]');
    await page.click('.file-name[data-path="src/deep"]');
    await page.click('.file-name[data-path="src/deep/main.py"]');
    await tabTo(page, 'Edit');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-editor textarea:focus');
    await page.keyboard.press('Control+End');
    await page.keyboard.type('# f c');
    await page.keyboard.press('Control+s');
    await page.waitForSelector('.toast:has-text("File saved")');
    assert.equal(await readFile(path, 'utf8'), 'def main():\r\n    return "<b>not markup</b>"\r\n# f c');
    await page.waitForSelector('.file-view .plain:has-text("# f c")');

    await tabTo(page, 'Edit');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-editor textarea:focus');
    await page.keyboard.press('Control+End');
    await page.keyboard.type(' mine');
    await page.click('button[aria-label="Raw events"]');
    await page.waitForSelector('.raw');
    await page.click('button[aria-label="Files"]');
    await page.waitForSelector('.file-editor textarea');
    assert.match(await page.inputValue('.file-editor textarea'), / mine$/);
    await writeFile(path, 'theirs\r\n');
    await page.focus('.file-editor textarea');
    await page.keyboard.press('Control+s');
    await page.waitForSelector('.dialog:has-text("has changed since you opened it")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.dialog', { state: 'detached' });
    assert.equal(await readFile(path, 'utf8'), 'theirs\r\n');
    await page.click('.file-editor button:has-text("Cancel")');
    await page.waitForSelector('.dialog:has-text("Discard your changes?")');
    await tabTo(page, 'Discard');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.file-view .plain');
    await writeFile(path, 'def main():\r\n    return "<b>not markup</b>"\r\n');
  });
});

test('files cannot be edited while a run may only read', async () => {
  const run = await server.createRun('hang', { agent_type: 'demo', cwd: dir, permission_mode: 'read_only' });
  await withFiles(run, async (page) => {
    await page.click('.file-name[data-path="hello.py"]');
    await page.waitForSelector('.file-view .plain');
    assert.equal(await page.locator('.file-view button:has-text("Edit")').count(), 0);
    await server.post(`/api/runs/${run}/cancel`, {});
    await page.waitForSelector('.file-view button:has-text("Edit")');
  });
});

for (const [name, options] of /** @type {[string, Parameters<typeof openSignedIn>[2]][]} */ ([['light-desktop', {}],
  ['zh-phone', { viewport: { width: 360, height: 780 }, colorScheme: 'dark', locale: 'zh-CN' }]])) {
  test(`the files are accessible and fit: ${name}`, async () => {
    await withFiles(id, async (page) => {
      const check = async (/** @type {string} */ part) => {
        await screenshot(page, `files-${part}-${name}`);
        assert.deepEqual(await findAccessibilityViolations(page), []);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), part);
      };
      await check('list');
      await page.click('.file-name[data-path="hello.py"]');
      await page.waitForSelector('.file-view .plain');
      await check('view');
      await page.click('.file-bar .button:has(svg):nth-last-child(3)');
      await page.waitForSelector('.file-editor textarea:focus');
      await check('edit');
    }, options);
  });
}
