/** Whether diffs are shown in one column or side by side. Applies to all diffs, and is remembered. */
import { computed, html, signal } from '../../html.js';
import { t } from '../../i18n.js';
import { onStorageChange, readStorage, writeStorage } from '../../storage.js';

const STORED = 'diff_layout';

/** What the user has chosen. */
const layout = signal(readStorage(STORED) === 'split' ? 'split' : 'unified');
onStorageChange(STORED, (value) => { layout.value = value === 'split' ? 'split' : 'unified'; });

/** Two columns do not fit on a phone. */
const phone = globalThis.matchMedia?.('(max-width: 640px)');
const isNarrow = signal(phone?.matches ?? false);
phone?.addEventListener('change', ({ matches }) => { isNarrow.value = matches; });

/** Whether diffs are shown side by side. */
export const isSplit = computed(() => layout.value === 'split' && !isNarrow.value);

/** Whether the layout can be changed. */
export const canSplit = () => !isNarrow.peek();

export function toggleSplit() {
  layout.value = layout.value === 'split' ? 'unified' : 'split';
  writeStorage(STORED, layout.value);
}

/** Switches all diffs between one column and side by side. */
export const SplitButton = () => html`<button type="button" class="text-button split-button" aria-keyshortcuts="s" title=${`${t('run.toggle_split')} (s)`} onClick=${toggleSplit}>
  ${t(isSplit.value ? 'run.unified' : 'run.side_by_side')}</button>`;
