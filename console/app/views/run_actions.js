/** Actions on a run that are offered in several views. */
import { request } from '../api.js';
import { t } from '../i18n.js';
import { copyText } from '../ui/button.js';
import { confirm } from '../ui/dialog.js';
import { toast, toastProblem } from '../ui/toast.js';

/** Copies a text and says so. @param {string} text */
export async function copyWithToast(text) {
  const copied = await copyText(text);
  toast(t(copied ? 'copied' : 'copy_failed'), copied ? 'plain' : 'err');
}

/** Asks whether to cancel a run. @param {{title?: string}} run @returns {Promise<boolean>} */
export const confirmCancel = ({ title = '' }) => confirm({
  title: t('runs.cancel_title'), text: t('runs.cancel_text', { title: title || t('runs.untitled') }), action: t('runs.cancel'), dismiss: t('runs.cancel_keep'), danger: true,
});

/** Cancels a run after confirmation. @param {any} run */
export async function cancelRun(run) {
  if (await confirmCancel(run)) await request('POST', `/api/runs/${run.run_id}/cancel`).catch(toastProblem);
}

/** Deletes a run after confirmation. @param {any} run @returns {Promise<boolean>} whether it was deleted */
export async function deleteRun(run) {
  const title = run.title || t('runs.untitled');
  if (!await confirm({ title: t('runs.delete_title'), text: t('runs.delete_text', { title }), action: t('runs.delete'), danger: true })) return false;
  try {
    await request('DELETE', `/api/runs/${run.run_id}`);
    return true;
  } catch (problem) {
    toastProblem(problem);
    return false;
  }
}
