/** The words for an element, in the language of the page around it. */

import { ENGLISH, loadWords } from "../console/locales/index.js";

export class PageLanguage {
  #element;
  #changed;
  #observer = new MutationObserver(() => void this.load());

  words = ENGLISH;

  /**
   * @param {HTMLElement} element
   * @param {() => void} changed Told when `words` are others.
   */
  constructor(element, changed) {
    this.#element = element;
    this.#changed = changed;
  }

  /** Follow the page's language, from now on. */
  follow() {
    this.#observer.observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });
    void this.load();
  }

  rest() {
    this.#observer.disconnect();
  }

  /** Look again which language it is. */
  async load() {
    const around = this.#element.closest("[lang]")?.getAttribute("lang");
    const tag = around || document.documentElement.lang || navigator.language;
    this.words = await loadWords(tag);
    this.#changed();
  }
}
