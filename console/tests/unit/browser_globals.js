// As much of a browser as modules ask for when they are loaded. A page that is hidden has no clock that would keep a test from ending.

Object.defineProperty(globalThis, 'navigator', { value: { languages: ['en'] }, configurable: true });
Object.assign(globalThis, {
  document: Object.assign(new EventTarget(), { baseURI: 'http://there/', documentElement: {}, hidden: true, visibilityState: 'visible' }),
  location: { hash: '' },
  addEventListener: () => {},
  removeEventListener: () => {},
});
