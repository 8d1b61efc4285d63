/** Counts of changed files and lines, and the request to show the changes. */
import { number } from '../../format.js';
import { html, signal } from '../../html.js';
import { t } from '../../i18n.js';

/** Increases when a person asks for the changes. The page shows them. */
export const changesRequested = signal(0);

export const showChanges = () => { changesRequested.value += 1; };

/** Number of files and lines. @param {{ files: number, insertions: number, deletions: number }} props */
export function ChangeCounts({ files, insertions, deletions }) {
  return html`${t('run.files_changed', { count: files })} <span class="added">+${number(insertions)}</span> <span class="removed">−${number(deletions)}</span>`;
}
