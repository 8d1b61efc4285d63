/** The browser globals that modules need when they are imported. The page is hidden, so that no clock keeps the test process alive. */

Object.defineProperty(globalThis, 'navigator', { value: { languages: ['en'] }, configurable: true });
Object.assign(globalThis, {
  document: Object.assign(new EventTarget(), { baseURI: 'http://there/', documentElement: {}, hidden: true, visibilityState: 'visible' }),
  location: { hash: '', origin: 'http://there' },
  addEventListener: () => {},
  removeEventListener: () => {},
});
