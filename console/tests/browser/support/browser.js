/** Chromium, with pages that record violations. */
import { createRequire } from 'node:module';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SCREENSHOTS, startBrowser } from '../support.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
/** The console's directory: its files replace the ones embedded in the server, so that the server need not be rebuilt. */
const SOURCES = process.env.OPENRUNNER_TEST_CONSOLE;

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

export const launch = startBrowser;

/** Opens a page, signed in as the server's admin. `violations` collects script errors, CSP violations, dialogs and requests to other
 * origins.
 * @param {any} browser @param {import('./server.js').Server} server
 * @param {{ viewport?: { width: number, height: number }, colorScheme?: 'light' | 'dark', locale?: string }} [options] */
export async function openSignedIn(browser, server, options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, colorScheme: 'light', locale: 'en', reducedMotion: 'reduce', ...options });
  if (SOURCES) {
    await context.route(/\/console\/[^/]+\//, (/** @type {any} */ route) => route.fulfill({ path: join(SOURCES, new URL(route.request().url()).pathname.replace(/^\/console\/[^/]+\//, '')) }));
  }
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  /** @type {string[]} */
  const violations = [];
  page.on('pageerror', (/** @type {Error} */ error) => violations.push(`error: ${error.stack ?? error}`));
  page.on('console', (/** @type {any} */ message) => {
    // Chromium logs requests to a stopped server.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) violations.push(`console: ${message.text()}`);
  });
  page.on('dialog', (/** @type {any} */ dialog) => { violations.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on('request', (/** @type {any} */ request) => {
    if (!request.url().startsWith(server.url) && !/^(data|blob):/.test(request.url())) violations.push(`request: ${request.url()}`);
  });
  await page.exposeFunction('recordViolation', (/** @type {string} */ description) => violations.push(`policy: ${description}`));
  await page.addInitScript((/** @type {{ token: string }} */ { token }) => {
    document.addEventListener('securitypolicyviolation', (event) => {
      /** @type {any} */ (window).recordViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
    });
    localStorage.setItem('openrunner:/:token', JSON.stringify(token));
    localStorage.setItem('openrunner:/:user', JSON.stringify({ username: 'admin', role: 'admin' }));
  }, { token: server.token });
  return { page, violations, context };
}

/** Saves a screenshot in target/console/screenshots. @param {any} page @param {string} name */
export async function screenshot(page, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** Serious and critical accessibility violations, by axe. @param {any} page @returns {Promise<string[]>} */
export async function findAccessibilityViolations(page) {
  // Injected through the debugger: the page's CSP blocks it.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: await readFile(AXE, 'utf8') });
  const { result } = await session.send('Runtime.evaluate', {
    expression: 'axe.run().then(({ violations }) => JSON.stringify(violations))', awaitPromise: true, returnByValue: true,
  });
  const serious = JSON.parse(result.value).filter((/** @type {any} */ violation) => violation.impact === 'serious' || violation.impact === 'critical');
  return serious.map((/** @type {any} */ violation) => `${violation.id}: ${violation.nodes.map((/** @type {any} */ node) => `${node.target} ${node.failureSummary}`).join(' | ')}`);
}
