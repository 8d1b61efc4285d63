/** The view of one run, with the real server and the scripted agent. Rules: W7. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { DESKTOP, findAccessibilityViolations, launch, openSignedIn, PHONE, screenshot } from './support/browser.js';
import { PROMPT, sampleScript } from './support/sample_run.js';
import { assistantMessage, fileEdit, printMessage, toolCall, toolResult } from './support/agent_script.js';
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

/** Opens a run, executes `body`, and asserts that there were no violations.
 * @param {string} id @param {(page: any) => Promise<void>} body @param {Parameters<typeof openSignedIn>[2]} [options] */
async function withRunPage(id, body, options) {
  const { page, violations, context } = await openSignedIn(browser, server, options);
  try {
    await page.goto(`${server.url}/#/runs/${id}`);
    await body(page);
    assert.deepEqual(violations, []);
  } finally {
    await context.close();
  }
}

/** @param {any} page @param {string} status */
const waitForStatus = (page, status) => page.waitForSelector(`.run-bar .run-status:has-text("${status}")`);

test('text is shown as it arrives, and the end of the run is shown', async () => {
  const go = join(server.dir, 'go');
  const id = await server.createRun(`say Before the wait.\nwait ${go}\nsay After the wait.\nresult ok`);
  await withRunPage(id, async (page) => {
    await page.waitForSelector('.assistant:has-text("Before the wait.")');
    await waitForStatus(page, 'Running');
    assert.equal(await page.locator('.assistant:has-text("After the wait.")').count(), 0);
    await writeFile(go, '');
    await page.waitForSelector('.assistant:has-text("After the wait.")');
    await page.waitForSelector('.done[data-status="completed"]');
    await waitForStatus(page, 'Completed');
  });
});

test('a permission request is allowed with the key a and denied with a reason', async () => {
  const allowed = join(server.dir, 'allowed');
  const id = await server.createRun(`permission Bash {"command":"echo yes"}\nsave allowed ${allowed}\npermission Bash {"command":"echo no"}\nresult ok`, { permission_mode: 'ask' });
  await withRunPage(id, async (page) => {
    await page.waitForSelector('.request:has-text("echo yes")');
    await waitForStatus(page, 'Needs input');
    // A new form ignores shortcuts for a moment.
    await page.waitForTimeout(500);
    await page.keyboard.press('a');
    await page.waitForSelector('.request:has-text("echo no")');
    await page.click('button:has-text("Deny with reason")');
    await page.keyboard.type('Not here.');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.tool:has-text("echo no") .tool-decision:has-text("Not here.")');
    await page.waitForSelector('.done');
  });
  const decisions = (await server.events(id)).filter(({ type }) => type === 'permission_resolved');
  assert.deepEqual(decisions.map(({ decision, by }) => [decision, by]), [['allow_once', 'user'], ['deny', 'user']]);
  assert.equal(JSON.parse(await readFile(allowed, 'utf8')).command, 'echo yes');
});

test('typing in a text field does not answer a request', async () => {
  const id = await server.createRun('permission Bash {"command":"echo yes"}\nresult ok', { permission_mode: 'ask' });
  await withRunPage(id, async (page) => {
    await page.waitForSelector('.request');
    await page.waitForTimeout(500);
    await page.fill('.composer textarea', 'a');
    await page.type('.composer textarea', 'dad');
    assert.equal(await page.locator('.request').count(), 1);
    await page.click('.request button:has-text("Deny")');
    await page.waitForSelector('.done');
  });
});

test('a question is answered', async () => {
  const id = await server.createRun('question Which color?|red|blue\nresult ok');
  await withRunPage(id, async (page) => {
    await page.check('.request label:has-text("blue") input');
    await page.click('.request button:has-text("Answer")');
    await page.waitForSelector('.question:has-text("blue")');
    await page.waitForSelector('.done');
  });
  const [{ answers }] = (await server.events(id)).filter(({ type }) => type === 'question_resolved');
  assert.deepEqual(answers, [['blue']]);
});

test('a message interrupts the agent, the run is cancelled, and its session is continued', async () => {
  const id = await server.createRun('say I wait.\nwait-for-interrupt');
  await withRunPage(id, async (page) => {
    await page.waitForSelector('.assistant:has-text("I wait.")');
    await page.check('.modes input[value="interrupt"]', { force: true });
    await page.fill('.composer textarea', 'say I was interrupted.\nwait-for-interrupt');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.user:has-text("I was interrupted.")');
    await page.waitForSelector('.assistant:has-text("I was interrupted.")');
    await page.click('.composer button:has-text("Cancel run")');
    await page.click('dialog button:has-text("Cancel run")');
    await page.waitForSelector('.done[data-status="cancelled"]');
    await page.fill('.composer textarea', 'say A new run.\nresult ok');
    await page.keyboard.press('Enter');
    await page.waitForFunction((/** @type {string} */ old) => location.hash.includes('/runs/run_') && !location.hash.includes(old), id);
    await page.waitForSelector('.assistant:has-text("A new run.")');
    await page.waitForSelector('.done[data-status="completed"]');
  });
});

test('a run’s link, curl commands without the token, and log file can be copied', async () => {
  const id = await server.createRun("say It's here.\nresult ok");
  await withRunPage(id, async (page) => {
    await page.waitForSelector('.done');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    /** @param {string} label */
    const copied = async (label) => {
      await page.click('.run-bar button[aria-haspopup="menu"]');
      await page.click(`[role="menuitem"]:has-text("${label}")`);
      return page.evaluate(() => navigator.clipboard.readText());
    };
    /** @param {string} command */
    const execute = (command) => promisify(execFile)('sh', ['-c', `${command} --silent --fail`], { env: { ...process.env, OPENRUNNER_TOKEN: server.token } });
    assert.equal(await copied('Copy link'), `${server.url}/#/runs/${id}`);
    const follow = await copied('follow events');
    assert.ok(!follow.includes(server.token));
    assert.match((await execute(follow)).stdout, /event: done/);
    const again = JSON.parse((await execute(await copied('start the same run'))).stdout);
    assert.notEqual(again.run_id, id);
    const events = await server.events(again.run_id);
    assert.equal(events.at(-1)?.status, 'completed');
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      (async () => { await page.click('.run-bar button[aria-haspopup="menu"]'); await page.click('[role="menuitem"]:has-text("Download")'); })(),
    ]);
    assert.equal(file.suggestedFilename(), `${id}.ndjson`);
    const lines = (await readFile(await file.path(), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(lines, await server.events(id));
  });
});

test('after kill -9 of the server the page resumes without gaps or duplicates', async () => {
  const go = join(server.dir, 'go-on');
  const id = await server.createRun(`pace 400 200\nwait ${go}\npace 400 200\nsay The end.\nresult ok`);
  await withRunPage(id, async (page) => {
    await page.waitForSelector('.assistant:has-text("150 ")');
    await server.kill();
    await page.waitForSelector('.connection-banner:has-text("Connection lost")');
    await screenshot(page, 'run-lost');
    await server.launch();
    await writeFile(go, '');
    await page.waitForSelector('.done', { timeout: 60_000 });
    assert.equal(await page.locator('.connection-banner p').count(), 0);
    const events = await server.events(id);
    const expected = events.filter(({ type }) => type === 'token').map(({ content }) => content).join('');
    const shown = await page.evaluate(() => [...document.querySelectorAll('.row[data-kind="text"] .assistant')].map((element) => element.textContent?.trim()).join(' '));
    assert.equal(shown.replace(/\s+/g, ' ').trim(), expected.replace(/\s+/g, ' ').trim());
    await page.keyboard.press('r');
    await page.waitForSelector('.raw-line');
    assert.equal(await page.locator('.raw .list-row').first().getAttribute('aria-setsize'), String(events.length));
  });
});

test('a hostile transcript stays inert', async () => {
  const evil = [
    '<img src=x onerror="alert(1)"><script>alert(2)</script><svg onload="alert(3)"><iframe src="http://evil.test/"></iframe>',
    '[click](javascript:alert(4)) [data](data:text/html,<script>alert(5)</script>) ![pixel](http://evil.test/pixel.png) <http://evil.test/auto>',
    '<style>*{background:url(http://evil.test/css)}</style><form action="http://evil.test/"><input name=a></form><base href="http://evil.test/">',
    '<a href="javascript:alert(6)">x</a> [ref]\n\n[ref]: javascript:alert(7)\n\n```html\n<script>alert(8)</script>\n```\n\n| <img src=x onerror=alert(9)> | b |\n| --- | --- |\n| ${7*7} | {{7*7}} |',
    'left \u202egnp.exe\u202c right \u0007 \u001b]0;title\u0007',
  ].join('\n\n');
  const ansi = '\u001b[31mred\u001b[0m \u001b]8;;javascript:alert(10)\u0007link\u001b]8;;\u0007 \u001b[2J\u001b]52;c;ZXZpbA==\u0007 <img src=x onerror=alert(11)>\u202e';
  const script = [
    assistantMessage(evil, evil), toolCall('1', `<img src=x onerror=alert(12)>`, { command: evil, path: '<svg onload=alert(13)>' }), toolResult('1', evil),
    toolCall('2', 'Bash', { command: 'printf x' }), toolResult('2', ansi, { isError: true }),
    fileEdit('3', '/tmp/<img src=x onerror=alert(14)>.html', ['-<script>alert(15)</script>', `+${'\u202e'}<img src=http://evil.test/d.png>`]),
    printMessage({ type: evil }), 'stderr <img src=x onerror=alert(16)>', 'long-line 10485760',
    `permission Bash ${JSON.stringify({ command: 'rm -rf ~ \u202e# gnihton seod' })}`, 'result <img src=x onerror=alert(17)>',
  ].join('\n');
  const id = await server.runScript('Hostile <img src=x onerror=alert(18)>', script, { permission_mode: 'ask', labels: { '<b>': '<img src=x>' } });
  await withRunPage(id, async (page) => {
    await page.waitForSelector('.request:has-text("<U+202E># gnihton seod")');
    assert.equal(await page.locator('.request').getByText('\u202e').count(), 0);
    // Open everything that can be opened, from the first row to the last.
    const list = page.locator('.conversation .list-viewport');
    for (let top = 0; top < 40; top++) {
      await page.evaluate(() => document.querySelectorAll('.conversation [aria-expanded="false"]').forEach((one) => /** @type {HTMLElement} */ (one).click()));
      await list.evaluate((/** @type {HTMLElement} */ one, /** @type {number} */ at) => { one.dispatchEvent(new Event('wheel')); one.scrollTop = at * 500; }, top);
      await page.waitForTimeout(20);
      const found = await page.evaluate(() => ({
        elements: document.querySelectorAll('.run :is(img, script, iframe, style, base, object, embed, form:not(.composer):not(.request), svg:not(.icon))').length,
        links: [...document.querySelectorAll('.run a')].map((one) => /** @type {HTMLAnchorElement} */ (one).href).filter((href) => !/^(https?:|mailto:)/.test(href)),
        hasUnsafeCharacters: /[\u202a-\u202e\u2066-\u2069\x07\x1b]/.test(document.querySelector('.run')?.textContent ?? ''),
      }));
      assert.deepEqual(found, { elements: 0, links: [], hasUnsafeCharacters: false });
    }
    await page.keyboard.press('r');
    await page.waitForSelector('.raw-line');
    await screenshot(page, 'run-hostile');
  });
});

test('a run of 100,000 events opens quickly and scrolls smoothly', { timeout: 300_000 }, async () => {
  const count = 100_000;
  const id = await server.createRun(`${'flood 10000\nsay A landmark.\npermission Read {"file_path":"/x"}\n'.repeat(count / 10_000)}result ok`, { permission_mode: 'auto' });
  await server.waitForEnd(id);
  const { page, violations, context } = await openSignedIn(browser, server);
  await page.addInitScript(() => {
    const tasks = /** @type {number[]} */ ([]);
    Object.assign(window, { longTasks: tasks });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => Math.round(duration)))).observe({ type: 'longtask', buffered: true });
  });
  const longTasks = () => page.evaluate(() => /** @type {any} */ (window).longTasks.splice(0));
  await page.goto(`${server.url}/`);
  await page.waitForSelector('.shell');
  await longTasks();
  const began = Date.now();
  await page.evaluate((/** @type {string} */ run) => { location.hash = `#/runs/${run}`; }, id);
  await page.waitForSelector('.done', { timeout: 120_000 });
  const opened = { ms: Date.now() - began, longTasks: await longTasks() };
  const list = page.locator('.conversation .list-viewport');
  for (let step = 0; step <= 60; step++) {
    await list.evaluate((/** @type {HTMLElement} */ one, /** @type {number} */ part) => {
      one.dispatchEvent(new Event('wheel'));
      one.scrollTop = (1 - part) * one.scrollHeight;
    }, step / 60);
    await page.waitForTimeout(30);
  }
  const scrolled = await longTasks();
  const heap = await page.evaluate(() => Math.round((/** @type {any} */ (performance).memory?.usedJSHeapSize ?? 0) / 1e6));
  console.log(`100,000 events: opened in ${opened.ms} ms, long tasks ${JSON.stringify(opened.longTasks)}; scrolling: ${JSON.stringify(scrolled)}; heap ${heap} MB`);
  assert.deepEqual(violations, []);
  // The goal is 200 ms; a busy machine may need more.
  assert.ok(Math.max(0, ...opened.longTasks, ...scrolled) < Number(process.env.OPENRUNNER_TEST_LONG_TASK_MS ?? 1_000));
  assert.ok(heap < 300, `${heap} MB`);
  await context.close();
});

for (const [name, options] of /** @type {[string, Parameters<typeof openSignedIn>[2]][]} */ ([
  ['light-desktop', { viewport: DESKTOP }], ['dark-desktop', { viewport: DESKTOP, colorScheme: 'dark' }],
  ['light-phone', { viewport: PHONE }], ['dark-phone', { viewport: PHONE, colorScheme: 'dark' }],
])) {
  test(`a run with every kind of item is accessible: ${name}`, async () => {
    const id = await server.runScript(PROMPT, sampleScript(join(server.dir, 'work')), { permission_mode: 'ask', timeout_secs: 600 });
    await withRunPage(id, async (page) => {
      await page.waitForSelector('.request');
      await page.waitForTimeout(300);
      await screenshot(page, `run-${name}`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
      await page.locator('.conversation .list-viewport').evaluate((/** @type {HTMLElement} */ element) => { element.dispatchEvent(new Event('wheel')); element.scrollTop = 500; });
      await page.waitForTimeout(300);
      await screenshot(page, `run-${name}-middle`);
      assert.deepEqual(await findAccessibilityViolations(page), []);
    }, options);
    await server.post(`/api/runs/${id}/cancel`, {});
  });
}
