// Chromium, with pages that note whatever they should not do.

import { createRequire } from 'node:module';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SCREENSHOTS, startBrowser } from '../support.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
/** The console's folder, to try what is in the sources without building a server that has it inside. */
const SOURCES = process.env.OPENRUNNER_TEST_CONSOLE;

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

export const launch = startBrowser;

/** A page that is signed in as the server's admin. `faults` fills with whatever no page of ours may do: errors, violations of the page's
 * policy, dialogs, requests to another server.
 * @param {any} browser @param {import('./server.js').Server} server
 * @param {{ viewport?: { width: number, height: number }, colorScheme?: 'light' | 'dark', locale?: string }} [look] */
export async function signedIn(browser, server, look = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, colorScheme: 'light', locale: 'en', reducedMotion: 'reduce', ...look });
  if (SOURCES) {
    await context.route(/\/console\/[^/]+\//, (/** @type {any} */ route) => route.fulfill({ path: join(SOURCES, new URL(route.request().url()).pathname.replace(/^\/console\/[^/]+\//, '')) }));
  }
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  /** @type {string[]} */
  const faults = [];
  page.on('pageerror', (/** @type {Error} */ error) => faults.push(`error: ${error.stack ?? error}`));
  page.on('console', (/** @type {any} */ message) => {
    // What the browser says of a server that is down is no fault of the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(`console: ${message.text()}`);
  });
  page.on('dialog', (/** @type {any} */ dialog) => { faults.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on('request', (/** @type {any} */ request) => {
    if (!request.url().startsWith(server.url) && !/^(data|blob):/.test(request.url())) faults.push(`request: ${request.url()}`);
  });
  await page.exposeFunction('noteViolation', (/** @type {string} */ what) => faults.push(`policy: ${what}`));
  await page.addInitScript((/** @type {{ token: string }} */ { token }) => {
    document.addEventListener('securitypolicyviolation', (event) => {
      /** @type {any} */ (window).noteViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
    });
    localStorage.setItem('openrunner:/:token', JSON.stringify(token));
    localStorage.setItem('openrunner:/:user', JSON.stringify({ username: 'admin', role: 'admin' }));
  }, { token: server.token });
  return { page, faults, context };
}

/** A picture for people, in target/console/screenshots. @param {any} page @param {string} name */
export async function picture(page, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** What axe finds that is serious or worse. @param {any} page @returns {Promise<string[]>} */
export async function seriousFaults(page) {
  // The page's policy lets no script in from here, so it is given to the debugger.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: await readFile(AXE, 'utf8') });
  const { result } = await session.send('Runtime.evaluate', {
    expression: 'axe.run().then(({ violations }) => JSON.stringify(violations))', awaitPromise: true, returnByValue: true,
  });
  const violations = JSON.parse(result.value).filter((/** @type {any} */ one) => one.impact === 'serious' || one.impact === 'critical');
  return violations.map((/** @type {any} */ one) => `${one.id}: ${one.nodes.map((/** @type {any} */ node) => `${node.target} ${node.failureSummary}`).join(' | ')}`);
}
