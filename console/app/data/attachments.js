/** Images and files for the input of a run, as the API takes them. */

/** A part of `input.parts`. @typedef {{ type: 'image' | 'file', media_type: string, data: string, name: string }} Part */

/** Media types that models see as images. */
const IMAGE_TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

/** Limits of the API: number of parts, and bytes of all together. */
export const MAX_PARTS = 32;
export const MAX_BYTES = 5 * 1024 * 1024;

/** @param {File} file @param {string[]} taken names of other parts @returns {Promise<Part>} */
export async function toPart(file, taken) {
  const type = IMAGE_TYPES.has(file.type) ? 'image' : 'file';
  return { type, media_type: file.type || 'application/octet-stream', data: await toBase64(file), name: uniqueName(safeName(file.name) || type, taken) };
}

/** The size of a part's content, in bytes. @param {Part} part */
export const sizeOf = ({ data }) => (data.length / 4) * 3 - (data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0);

/** A file name that the API accepts. @param {string} name */
export function safeName(name) {
  const last = name.split(/[\\/]/).at(-1) ?? '';
  const safe = last.replace(/[\0-\x1f\x7f]/g, '').replace(/^[.-]+/, '').replace(/^openrunner-/, '').slice(-100);
  return new TextEncoder().encode(safe).length <= 120 ? safe : safe.slice(-30);
}

/** Pasted images all have the same name. @param {string} name @param {string[]} taken */
function uniqueName(name, taken) {
  if (!taken.includes(name)) return name;
  const dot = name.lastIndexOf('.') > 0 ? name.lastIndexOf('.') : name.length;
  for (let number = 2; ; number++) {
    const candidate = `${name.slice(0, dot)}-${number}${name.slice(dot)}`;
    if (!taken.includes(candidate)) return candidate;
  }
}

/** @param {Blob} blob @returns {Promise<string>} */
function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(',', 2)[1] ?? '');
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
