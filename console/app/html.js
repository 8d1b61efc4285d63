/**
 * The UI library's functions, re-exported in one place so that the library can be replaced here.
 *
 * `html` is a template tag that creates elements: html`<p class="faint">${text}</p>`. Values in `${}` are inserted as text, never as markup.
 */
export {
  html, h, render, Fragment, createContext,
  useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useId, useErrorBoundary,
  signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect,
} from '../vendor/vendor.js';
