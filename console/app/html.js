/**
 * What views are made of, in one place: if a library is exchanged, it is here.
 *
 * `html` is a template of elements: html`<p class="faint">${text}</p>`. What stands in `${}` becomes text, never markup.
 */
export {
  html, h, render, Fragment, createContext,
  useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useId, useErrorBoundary,
  signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect,
} from '../vendor/vendor.js';
