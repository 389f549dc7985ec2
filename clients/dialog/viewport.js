/** Virtual scrolling: which rows of a long list exist, those in view, a few around them, and the focused one. */

/** Rows beyond each edge, so that a fast scroll shows rows and not blank space. */
const OVERSCAN = 8;

/**
 * @typedef {object} Viewport
 * @property {number} count The number of rows.
 * @property {number} rowHeight In pixels, like `scrollTop` and `height`.
 * @property {number} scrollTop
 * @property {number} height
 * @property {number} focusIndex The focused row, -1 for none: a screen reader follows it out of view.
 */

/**
 * Return the indexes of the rows that exist, ascending.
 *
 * @param {Viewport} viewport
 */
export function visibleRows({ count, rowHeight, scrollTop, height, focusIndex }) {
  const first = Math.max(0, Math.min(count, Math.floor(scrollTop / rowHeight)) - OVERSCAN);
  const end = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + OVERSCAN);
  const indexes = [];
  if (focusIndex >= 0 && focusIndex < first) indexes.push(focusIndex);
  for (let index = first; index < end; index += 1) indexes.push(index);
  if (focusIndex >= Math.max(first, end) && focusIndex < count) indexes.push(focusIndex);
  return indexes;
}

/**
 * Return the scroll position, closest to the present one, at which a row is wholly in view.
 *
 * @param {number} index
 * @param {Omit<Viewport, "focusIndex">} viewport
 */
export function scrollTopFor(index, { count, rowHeight, scrollTop, height }) {
  const top = index * rowHeight;
  const wanted = Math.min(top, Math.max(scrollTop, top + rowHeight - height));
  return Math.max(0, Math.min(wanted, count * rowHeight - height));
}

/**
 * Return the index that a key moves to, or null for other keys.
 *
 * @param {string} key As in `KeyboardEvent.key`.
 * @param {number} index -1 for none.
 * @param {number} count
 * @param {number} pageRows The number of rows in view.
 */
export function indexForKey(key, index, count, pageRows) {
  if (count === 0) return null;
  const last = count - 1;
  /** @type {Readonly<Record<string, number>>} */
  const steps = {
    ArrowDown: index + 1,
    ArrowUp: index < 0 ? last : index - 1,
    PageDown: Math.max(index, 0) + Math.max(1, pageRows - 1),
    PageUp: index - Math.max(1, pageRows - 1),
    Home: 0,
    End: last,
  };
  const wanted = Object.hasOwn(steps, key) ? steps[key] : undefined;
  return wanted === undefined ? null : Math.max(0, Math.min(last, wanted));
}
