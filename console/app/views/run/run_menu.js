/** The actions on a run in its view. */
import { t } from '../../i18n.js';
import { toastProblem } from '../../ui/toast.js';
import { copyWithToast } from '../run_actions.js';
import { runAgainItems } from '../run_again.js';
import { toMarkdown } from './export_markdown.js';
import { download, eventsCurl, runCurl, runUrl, save } from './share.js';

/** Saves a run as Markdown. @param {import('./live_run.js').LiveRun} run */
function exportMarkdown(run) {
  const record = run.record.peek();
  const { items } = run.mutableModel;
  const text = toMarkdown(record?.title ?? '', [{ prompt: record?.prompt ?? '', agentType: record?.agent_type ?? '', createdAt: record?.created_at ?? '', items }]);
  save(new Blob([text], { type: 'text/markdown' }), `${run.id}.md`);
}

/** @param {import('./live_run.js').LiveRun} run @returns {import('../../ui/menu.js').MenuItem[]} */
export function runMenu(run) {
  const record = run.record.peek();
  return [
    ...runAgainItems(record && { ...record, status: run.status }),
    null,
    { label: t('copy_link'), icon: 'link', onSelect: () => void copyWithToast(runUrl(run.id)) },
    { label: t('run.copy_curl_events'), icon: 'copy', onSelect: () => void copyWithToast(eventsCurl(run.path)) },
    { label: t('run.copy_curl_run'), icon: 'copy', onSelect: () => record && void copyWithToast(runCurl(record)) },
    { label: t('run.export_markdown'), icon: 'file', onSelect: () => exportMarkdown(run) },
    { label: t('run.download'), icon: 'download', onSelect: () => void download(run).catch(toastProblem) },
  ];
}
