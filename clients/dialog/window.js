/** Which rows of a long list exist: those in sight, a few around them, and the one with the focus. */

/** Rows beyond each edge, so that a fast scroll meets rows and not blank space. */
const OVERSCAN = 8;

/**
 * @typedef {object} Sight
 * @property {number} count How many rows the list has.
 * @property {number} rowHeight In pixels, as the two that follow.
 * @property {number} scrollTop
 * @property {number} height Of what is in sight.
 * @property {number} focus The index of the row with the focus, -1 for none: a screen reader follows it out of sight.
 */

/**
 * Return the indexes of the rows that exist, ascending.
 *
 * @param {Sight} sight
 */
export function rowsInSight({ count, rowHeight, scrollTop, height, focus }) {
  const first = Math.max(0, Math.min(count, Math.floor(scrollTop / rowHeight)) - OVERSCAN);
  const end = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + OVERSCAN);
  const indexes = [];
  if (focus >= 0 && focus < first) indexes.push(focus);
  for (let index = first; index < end; index += 1) indexes.push(index);
  if (focus >= Math.max(first, end) && focus < count) indexes.push(focus);
  return indexes;
}

/**
 * Return the scroll position, closest to the present one, at which a row is wholly in sight.
 *
 * @param {number} index
 * @param {Omit<Sight, "focus">} sight
 */
export function scrollTo(index, { count, rowHeight, scrollTop, height }) {
  const top = index * rowHeight;
  const wanted = Math.min(top, Math.max(scrollTop, top + rowHeight - height));
  return Math.max(0, Math.min(wanted, count * rowHeight - height));
}

/**
 * Return the index that a key leads to, or null if the key leads nowhere.
 *
 * @param {string} key As in `KeyboardEvent.key`.
 * @param {number} index -1 for none.
 * @param {number} count
 * @param {number} page How many rows are in sight.
 */
export function step(key, index, count, page) {
  if (count === 0) return null;
  const last = count - 1;
  /** @type {Readonly<Record<string, number>>} */
  const steps = {
    ArrowDown: index + 1,
    ArrowUp: index < 0 ? last : index - 1,
    PageDown: Math.max(index, 0) + Math.max(1, page - 1),
    PageUp: index - Math.max(1, page - 1),
    Home: 0,
    End: last,
  };
  const wanted = Object.hasOwn(steps, key) ? steps[key] : undefined;
  return wanted === undefined ? null : Math.max(0, Math.min(last, wanted));
}
