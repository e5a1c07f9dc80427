// @ts-check
/// <reference lib="dom" />

const COPIED_MS = 1500;

/** The element of index.html with this id. @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new TypeError(`Cannot find the element ${id}`);
  return /** @type {HTMLInputElement} */ (element);
}

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, unknown>} properties
 * @param {(Node | string)[]} children
 */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A copy of the first element of a template. @param {string} id */
export function stamp(id) {
  const template = /** @type {HTMLTemplateElement} */ (/** @type {unknown} */ (byId(id)));
  return /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
}

/** The part of an element that a selector finds. @param {Element} element @param {string} selector */
export function part(element, selector) {
  return /** @type {HTMLElement} */ (element.querySelector(selector));
}

/** "1,234". @param {number} amount */
export function digits(amount) {
  return amount.toLocaleString("en");
}

/** "1 byte", "2 bytes". @param {number} amount @param {string} noun */
export function count(amount, noun) {
  return `${digits(amount)} ${noun}${amount === 1 ? "" : "s"}`;
}

/** Copies a text to the clipboard, and shows that on the button. @param {string} text @param {HTMLElement} button */
export async function copy(text, button) {
  const label = button.textContent;
  // The clipboard API exists only on HTTPS and on localhost.
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyBySelection(text);
  button.textContent = "Copied";
  setTimeout(() => button.textContent = label, COPIED_MS);
}

function copyBySelection(/** @type {string} */ text) {
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
