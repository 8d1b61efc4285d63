/** Chromium, with pages that record violations. */
import { createRequire } from 'node:module';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PASSWORD, SCREENSHOTS, serveSources, startBrowser } from '../support.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

export const launch = startBrowser;

/** Opens a page, signed in as the server's admin. `violations` collects script errors, CSP violations, dialogs and requests to other
 * origins.
 * @param {any} browser @param {import('./server.js').Server} server
 * @param {{ viewport?: { width: number, height: number }, colorScheme?: 'light' | 'dark', locale?: string, hasTouch?: boolean, isMobile?: boolean }} [options] */
export const openSignedIn = (browser, server, options = {}) => open(browser, server, true, options);

/** Opens a page and signs in as a person does: by keyboard. @param {any} browser @param {import('./server.js').Server} server @param {Parameters<typeof openSignedIn>[2]} [options] */
export async function signInByKeyboard(browser, server, options = {}) {
  const opened = await open(browser, server, false, options);
  await opened.page.goto(`${server.url}/`);
  await typeCredentials(opened.page);
  return opened;
}

/** Types name and password on the sign-in page. @param {any} page */
export async function typeCredentials(page) {
  await page.waitForSelector('.signin-card');
  await page.keyboard.type('admin');
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.shell');
}

/** @param {any} browser @param {import('./server.js').Server} server @param {boolean} isSignedIn @param {NonNullable<Parameters<typeof openSignedIn>[2]>} options */
async function open(browser, server, isSignedIn, options) {
  const context = await browser.newContext({ viewport: DESKTOP, colorScheme: 'light', locale: 'en', reducedMotion: 'reduce', ...options });
  await serveSources(context);
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
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      /** @type {any} */ (window).recordViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
    });
  });
  // Not again in a later page load: it may be about another sign-in.
  if (isSignedIn) {
    await page.addInitScript((/** @type {{ token: string }} */ { token }) => {
      if (sessionStorage.getItem('signed-in')) return;
      sessionStorage.setItem('signed-in', 'yes');
      localStorage.setItem('openrunner:/:token', JSON.stringify(token));
      localStorage.setItem('openrunner:/:user', JSON.stringify({ username: 'admin', role: 'admin' }));
    }, { token: server.token });
  }
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
