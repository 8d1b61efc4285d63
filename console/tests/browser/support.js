// A server of its own and a browser for the tests, and what they ask of every page.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');

/** The program under test. */
export const PROGRAM = process.env.OPENRUNNER_TEST_SERVER ?? join(TARGET, 'debug/openrunner');

/** Where pictures of the views go. */
export const SCREENSHOTS = join(TARGET, 'console/screenshots');

/** The admin's password on a server of the tests. */
export const PASSWORD = 'a password for tests';

/** @typedef {import('playwright-core').Page} Page */

/**
 * A server in a folder of its own, on a port of its own unless one is named. `env` adds to its environment.
 * @param {{env?: Record<string, string>, folder?: string, port?: number}} [options]
 */
export async function startServer({ env = {}, folder = mkdtempSync(join(tmpdir(), 'openrunner-console-')), port = 0 } = {}) {
  for (const name of ['home', 'bin']) mkdirSync(join(folder, name), { recursive: true });
  const child = spawn(PROGRAM, ['serve'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, HOME: join(folder, 'home'), OPENRUNNER_ADDR: `127.0.0.1:${port}`, OPENRUNNER_DATA_DIR: join(folder, 'data'),
      OPENRUNNER_AGENTS_DIR: join(folder, 'agents'), OPENRUNNER_ADMIN_PASSWORD: PASSWORD, OPENRUNNER_LOG: 'info',
      // What a test leaves behind ends with its server.
      OPENRUNNER_ON_SHUTDOWN: 'stop', ...env,
    },
  });
  const address = await ready(child);
  return {
    child, folder, address, url: `http://${address}/`,
    /** Stops it and leaves its folder, for another one. */
    stop: () => stop(child),
    close: async () => { await stop(child); rmSync(folder, { recursive: true, force: true }); },
  };
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<string>} the address that it listens on */
function ready(child) {
  return new Promise((resolve, reject) => {
    let log = '';
    const read = (/** @type {Buffer} */ bytes) => {
      log += bytes;
      const found = /openrunner is ready.*?address=(\S+)/.exec(log.replace(/\x1b\[[0-9;]*m/g, ''));
      if (found) resolve(found[1]);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
  });
}

/** @param {import('node:child_process').ChildProcess} child */
async function stop(child) {
  if (child.exitCode !== null) return;
  const gone = new Promise((resolve) => { child.once('exit', resolve); });
  child.kill('SIGTERM');
  await gone;
}

/** Rows straight into the database of a server that is not running. @param {string} folder @param {string} script Python, with `db` open */
export function inDatabase(folder, script) {
  const python = `import sqlite3, json, sys\ndb = sqlite3.connect(sys.argv[1])\n${script}\ndb.commit()\n`;
  const { status, stderr } = spawnSync('python3', ['-c', python, join(folder, 'data/openrunner.db')], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/**
 * The API as a program uses it, by somebody who is logged in.
 * @param {string} url @param {string} [username] @param {string} [password]
 */
export async function client(url, username = 'admin', password = PASSWORD) {
  const call = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {unknown} */ body = undefined, /** @type {string | null} */ token = null) => {
    const headers = { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...(token !== null && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(new URL(path, url), { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  };
  const { token, user } = await call('POST', 'api/auth/login', { username, password });
  return {
    token, user,
    request: (/** @type {string} */ method, /** @type {string} */ path, /** @type {unknown} */ body = undefined) => call(method, path, body, token),
    run: (/** @type {string} */ text, /** @type {Record<string, unknown>} */ metadata = {}) => call('POST', 'api/runs', { input: { text }, metadata: { agent_type: 'demo', ...metadata } }, token),
    ended: (/** @type {string} */ id) => call('GET', `api/runs/${id}?wait=30`, undefined, token),
  };
}

/** The browser. */
export async function startBrowser() {
  const path = process.env.CHROMIUM ?? '/usr/bin/chromium';
  assert.ok(existsSync(path), `no Chromium at ${path}`);
  return chromium.launch({
    executablePath: path,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** The sizes that views are looked at in. */
export const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** How long something may take on a busy machine, in milliseconds. */
const PATIENCE = 20_000;

/** What went wrong in each page, for {@link allIsWell}. @type {WeakMap<Page, string[]>} */
const faults = new WeakMap();

/**
 * A page of a browser that knows nothing, as somebody who is signed in if a client is given.
 * @param {import('playwright-core').Browser} browser @param {string} url
 * @param {{as?: {token: string, user: unknown}, size?: 'desktop' | 'phone', theme?: 'light' | 'dark', language?: string, route?: string,
 *   context?: import('playwright-core').BrowserContext}} [options]
 */
export async function openPage(browser, url, { as, size = 'desktop', theme = 'light', language = 'en-US', route = '', context } = {}) {
  context ??= await browser.newContext({ viewport: SIZES[size], colorScheme: theme, locale: language, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  watch(page, url);
  if (as) {
    await page.addInitScript((/** @type {any} */ [token, user]) => {
      if (sessionStorage.getItem('signed in once')) return;
      sessionStorage.setItem('signed in once', 'yes');
      localStorage.setItem('openrunner:/:token', JSON.stringify(token));
      localStorage.setItem('openrunner:/:user', JSON.stringify(user));
    }, [as.token, as.user]);
  }
  await page.goto(`${url}${route && `#${route}`}`);
  return page;
}

/** Notes what must not happen in any page. @param {Page} page @param {string} url */
function watch(page, url) {
  /** @type {string[]} */
  const seen = [];
  faults.set(page, seen);
  page.on('pageerror', (error) => seen.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => { seen.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) seen.push(`policy: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:') && !request.url().startsWith('blob:')) seen.push(`request to elsewhere: ${request.url()}`);
  });
  page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`Content Security Policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
}

/** No script failed, the page's policy stopped nothing, and no other server was asked. @param {Page} page */
export function allIsWell(page) {
  assert.deepEqual(faults.get(page), []);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** No serious fault for those who see, hear or point otherwise. @param {Page} page @param {string} what */
export async function isAccessible(page, what) {
  // By the debugger, not by the page: its policy lets no script in, and is not to be loosened for a test.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: AXE });
  const { result } = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'] }).then((found) => JSON.stringify(found.violations.map(({ id, impact, nodes }) =>
      ({ id, impact, nodes: nodes.slice(0, 4).map(({ html, any }) => html.slice(0, 160) + ' ' + (any[0]?.message ?? '')) }))))`,
    awaitPromise: true, returnByValue: true,
  });
  const serious = JSON.parse(result.value).filter((/** @type {any} */ { impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(serious, [], what);
}

/** @param {Page} page @param {string} name */
export async function screenshot(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}
