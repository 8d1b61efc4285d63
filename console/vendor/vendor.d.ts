// What entry.js exports, as types.
import type { VNode } from 'preact';
import type { HLJSApi } from 'highlight.js';

export declare const hljs: HLJSApi;
// One root gives one element; a template of several, or of none, is not what a component may be made of, so it counts as one, too.
export declare function html(strings: TemplateStringsArray, ...values: unknown[]): VNode<any>;
export { h, render, Fragment, createContext, Component } from 'preact';
export { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useId, useErrorBoundary } from 'preact/hooks';
export { signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect, Signal } from '@preact/signals';
export { Lexer } from 'marked';
export { structuredPatch } from 'diff';
export { createParser } from 'eventsource-parser';
