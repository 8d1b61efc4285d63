/** Moving by keyboard, as a person does. */
import assert from 'node:assert/strict';

/** Presses a key until the element with this text or label has the focus. @param {any} page @param {string} name @param {string} [key] */
export async function tabTo(page, name, key = 'Tab') {
  const isFocused = () => page.evaluate((/** @type {string} */ wanted) => {
    const element = /** @type {any} */ (document.activeElement);
    return [element?.innerText, element?.getAttribute('aria-label')].some((text) => text?.trim().replace(/\s+/g, ' ') === wanted) || element?.labels?.[0]?.innerText.startsWith(wanted);
  }, name);
  for (let step = 0; step < 80; step++) {
    if (await isFocused()) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${name} is not reachable with ${key}`);
}

/** Opens a menu and selects an item. @param {any} page @param {string} menu @param {string} item */
export async function chooseFromMenu(page, menu, item) {
  await tabTo(page, menu);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.menu [role=menuitem]:focus');
  await tabTo(page, item, 'ArrowDown');
  await page.keyboard.press('Enter');
}
