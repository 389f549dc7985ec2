/** An element's words, in the language of the page around it. */

import { ENGLISH, loadWords } from "./locales/index.js";

export class PageLanguage {
  #element;
  #onChange;
  #observer = new MutationObserver(() => void this.load());

  words = ENGLISH;

  /**
   * @param {HTMLElement} element
   * @param {() => void} onChange Called when `words` has changed.
   */
  constructor(element, onChange) {
    this.#element = element;
    this.#onChange = onChange;
  }

  /** Load the words, and again whenever the page's language changes. */
  start() {
    this.#observer.observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });
    void this.load();
  }

  stop() {
    this.#observer.disconnect();
  }

  /** Load the words of the closest `lang`. */
  async load() {
    const around = this.#element.closest("[lang]")?.getAttribute("lang");
    const tag = around || document.documentElement.lang || navigator.language;
    this.words = await loadWords(tag);
    this.#onChange();
  }
}
