/** Build and change elements. Texts go in as text nodes only: nothing here parses HTML. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | boolean | number | null | ((event: any) => void)>} [attributes] A function listens to
 *   the event of that name; true is an empty attribute, false and null none.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function createElement(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter(isNode));
  return element;
}

/**
 * Set an attribute if its value differs: writing the same value again would wake screen readers and observers.
 *
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean | null} value True is an empty attribute; false and null remove it.
 */
export function setAttribute(element, name, value) {
  if (value === null || value === false) {
    element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/**
 * Set an element's text if it differs: a live region speaks at each change.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} element @param {...Child} children */
export function setChildren(element, ...children) {
  element.replaceChildren(...children.filter(isNode));
}

/**
 * Make an element's children those of a list and keep the element of each key, with its focus, its scroll position and
 * what is typed in it.
 *
 * @template T
 * @param {Element} parent Holds nothing else.
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement & { update?: (item: T) => void }} create
 */
export function setKeyedChildren(parent, items, keyOf, create) {
  /** @type {Map<string, HTMLElement & { update?: (item: T) => void }>} */
  const known = childrenByKey.get(parent) ?? new Map();
  childrenByKey.set(parent, known);
  const keys = new Set(items.map(keyOf));
  for (const [key, element] of known) {
    if (!keys.has(key)) {
      element.remove();
      known.delete(key);
    }
  }
  const active = document.activeElement;
  /** @type {ChildNode | null} */
  let next = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = known.get(key) ?? create(item);
    known.set(key, element);
    element.update?.(item);
    if (element === next) next = next.nextSibling;
    else parent.insertBefore(element, next);
  }
  // A row that moves loses the focus.
  if (active instanceof HTMLElement && active !== document.activeElement && parent.contains(active))
    active.focus({ preventScroll: true });
}

/** @type {WeakMap<Element, Map<string, any>>} */
const childrenByKey = new WeakMap();

/** @param {Child} child @returns {child is Node | string} */
function isNode(child) {
  return child !== null && child !== undefined && child !== false;
}
