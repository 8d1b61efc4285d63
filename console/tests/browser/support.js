/** A server and a browser for the tests, and checks that apply to every page. */
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

/** Directory of the screenshots. */
export const SCREENSHOTS = join(TARGET, 'console/screenshots');

/** The admin's password on test servers. */
export const PASSWORD = 'a password for tests';

/** @typedef {import('playwright-core').Page} Page */

/**
 * Starts a server with its own directory, and by default a free port.
 * @param {{env?: Record<string, string>, dir?: string, port?: number}} [options] `env` is added to its environment
 */
export async function startServer({ env = {}, dir = mkdtempSync(join(tmpdir(), 'openrunner-console-')), port = 0 } = {}) {
  for (const name of ['home', 'bin']) mkdirSync(join(dir, name), { recursive: true });
  const child = spawn(PROGRAM, ['serve'], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${join(dir, 'bin')}:/usr/bin:/bin`, HOME: join(dir, 'home'), OPENRUNNER_ADDR: `127.0.0.1:${port}`, OPENRUNNER_DATA_DIR: join(dir, 'data'),
      OPENRUNNER_AGENTS_DIR: join(dir, 'agents'), OPENRUNNER_ADMIN_PASSWORD: PASSWORD, OPENRUNNER_LOG: 'info',
      // The stubs lie in /tmp, of which isolated agents have their own.
      OPENRUNNER_ISOLATION: 'none',
      // Runs end with their server.
      OPENRUNNER_ON_SHUTDOWN: 'stop', ...env,
    },
  });
  const address = await waitUntilReady(child);
  return {
    child, dir, address, url: `http://${address}/`,
    /** Stops the server and keeps its directory. */
    stop: () => stop(child),
    close: async () => { await stop(child); rmSync(dir, { recursive: true, force: true }); },
  };
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<string>} the listen address */
function waitUntilReady(child) {
  return new Promise((resolve, reject) => {
    let log = '';
    const read = (/** @type {Buffer} */ bytes) => {
      log += bytes;
      const match = /openrunner is ready.*?address=(\S+)/.exec(log.replace(/\x1b\[[0-9;]*m/g, ''));
      if (match) resolve(match[1]);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server exited with ${code}:\n${log}`)));
  });
}

/** @param {import('node:child_process').ChildProcess} child */
async function stop(child) {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => { child.once('exit', resolve); });
  child.kill('SIGTERM');
  await exited;
}

/** Runs a script on the database of a stopped server. @param {string} dir @param {string} script Python; `db` is the connection */
export function runInDatabase(dir, script) {
  const python = `import sqlite3, json, sys\ndb = sqlite3.connect(sys.argv[1])\n${script}\ndb.commit()\n`;
  const { status, stderr } = spawnSync('python3', ['-c', python, join(dir, 'data/openrunner.db')], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/**
 * A logged-in API client.
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
    createRun: (/** @type {string} */ text, /** @type {Record<string, unknown>} */ metadata = {}) => call('POST', 'api/runs', { input: { text }, metadata: { agent_type: 'demo', ...metadata } }, token),
    waitForEnd: (/** @type {string} */ id) => call('GET', `api/runs/${id}?wait=30`, undefined, token),
  };
}

export async function startBrowser() {
  const path = process.env.CHROMIUM ?? '/usr/bin/chromium';
  assert.ok(existsSync(path), `no Chromium at ${path}`);
  return chromium.launch({
    executablePath: path,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** Viewports. */
export const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** Timeout of an action, in milliseconds. Generous, for busy machines. */
const TIMEOUT_MS = 20_000;

/** Violations by page, for {@link assertNoViolations}. @type {WeakMap<Page, string[]>} */
const violations = new WeakMap();

/** The console's directory: its files replace the ones embedded in the server, so that the server need not be rebuilt. */
const SOURCES = process.env.OPENRUNNER_TEST_CONSOLE;

/** Serves the console's files from its sources if `OPENRUNNER_TEST_CONSOLE` is set. @param {import('playwright-core').BrowserContext} context */
export async function serveSources(context) {
  if (!SOURCES) return;
  await context.route(/\/console\/[^/]+\//, (route) => route.fulfill({ path: join(SOURCES, new URL(route.request().url()).pathname.replace(/^\/console\/[^/]+\//, '')) }));
}

/**
 * Opens a page in a new browser context, signed in as the given client.
 * @param {import('playwright-core').Browser} browser @param {string} url
 * @param {{as?: {token: string, user: unknown}, size?: 'desktop' | 'phone', theme?: 'light' | 'dark', language?: string, route?: string,
 *   context?: import('playwright-core').BrowserContext}} [options]
 */
export async function openPage(browser, url, { as, size = 'desktop', theme = 'light', language = 'en-US', route = '', context } = {}) {
  context ??= await browser.newContext({ viewport: SIZES[size], colorScheme: theme, locale: language, reducedMotion: 'reduce' });
  await serveSources(context);
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  watch(page, url);
  if (as) {
    await page.addInitScript((/** @type {any} */ [token, user]) => {
      if (sessionStorage.getItem('signed-in')) return;
      sessionStorage.setItem('signed-in', 'yes');
      localStorage.setItem('openrunner:/:token', JSON.stringify(token));
      localStorage.setItem('openrunner:/:user', JSON.stringify(user));
    }, [as.token, as.user]);
  }
  await page.goto(`${url}${route && `#${route}`}`);
  return page;
}

/** Records what must not happen in any page. @param {Page} page @param {string} url */
function watch(page, url) {
  /** @type {string[]} */
  const found = [];
  violations.set(page, found);
  page.on('pageerror', (error) => found.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => { found.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) found.push(`policy: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:') && !request.url().startsWith('blob:')) found.push(`request to another origin: ${request.url()}`);
  });
  page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`Content Security Policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
}

/** No script error, no CSP violation, no request to another origin. @param {Page} page */
export function assertNoViolations(page) {
  assert.deepEqual(violations.get(page), []);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** No serious accessibility violation, by axe. @param {Page} page @param {string} name */
export async function assertAccessible(page, name) {
  // Injected through the debugger: the page's CSP blocks it, and must not be weakened for a test.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: AXE });
  const { result } = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'] }).then((result) => JSON.stringify(result.violations.map(({ id, impact, nodes }) =>
      ({ id, impact, nodes: nodes.slice(0, 4).map(({ html, any }) => html.slice(0, 160) + ' ' + (any[0]?.message ?? '')) }))))`,
    awaitPromise: true, returnByValue: true,
  });
  const serious = JSON.parse(result.value).filter((/** @type {any} */ { impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(serious, [], name);
}

/** @param {Page} page @param {string} name */
export async function screenshot(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}
