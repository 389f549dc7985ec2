/** Building and changing elements. What others typed goes in as text nodes only: nothing here parses HTML. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | boolean | number | null | ((event: any) => void)>} [attributes] A function listens to
 *   the event of that name; true is an empty attribute, false and null none.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter(isNode));
  return element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean | null} value
 */
export function setAttribute(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    // Writing the same again would wake screen readers and observers for nothing.
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/**
 * Set an element's text if it is another one: a live region speaks at each change.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter(isNode));
}

/**
 * Make an element's children those of a list, keeping the element of each key: focus, scroll position and what is
 * being typed survive.
 *
 * @template T
 * @param {Element} parent Holds nothing else.
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement & { update?: (item: T) => void }} create
 */
export function keyed(parent, items, keyOf, create) {
  /** @type {Map<string, HTMLElement & { update?: (item: T) => void }>} */
  const known = keptOf.get(parent) ?? new Map();
  keptOf.set(parent, known);
  const keys = new Set(items.map(keyOf));
  for (const [key, element] of known) {
    if (!keys.has(key)) {
      element.remove();
      known.delete(key);
    }
  }
  const active = document.activeElement;
  /** @type {ChildNode | null} */
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = known.get(key) ?? create(item);
    known.set(key, element);
    element.update?.(item);
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
  }
  // A row that moves loses the focus on its way.
  if (active instanceof HTMLElement && active !== document.activeElement && parent.contains(active))
    active.focus({ preventScroll: true });
}

/** @type {WeakMap<Element, Map<string, any>>} */
const keptOf = new WeakMap();

/** @param {Child} child @returns {child is Node | string} */
function isNode(child) {
  return child !== null && child !== undefined && child !== false;
}

/**
 * Take case and accents away, to compare what people type.
 *
 * @param {string} text
 */
export function fold(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
