import { Browser, findBrowser, type Page } from "./browser.ts";
import { HarkProcess, Wire } from "./hark.ts";

const path = findBrowser();
// deno-lint-ignore no-console -- a test that is left out must be seen
if (path === undefined) console.log("SKIPPED: no Chromium here, so the page is not tested");

/** Whether there is such an element. */
export const select = (selector: string): string =>
  `document.querySelector(${JSON.stringify(selector)}) !== null`;

/** The parts of the newest row. */
export const TOP =
  `(([row]) => row && Object.fromEntries([...row.querySelectorAll("time, span")].map((part) =>
  [part.className.split(" ")[0] || "time", part.textContent])
  .filter(([name]) => name !== "key")))(document.querySelectorAll("#messages > li"))`;

/** The text of each row, newest first. */
export const TEXTS = `[...document.querySelectorAll("#messages > li .text")]
  .map((part) => part.textContent)`;

/** The page's own lines. */
export const NOTICES = `[...document.querySelectorAll("#messages > .notice .text")]
  .map((part) => part.textContent)`;

/** How many rows have this text. */
export const rows = (text: string): string =>
  `[...document.querySelectorAll("#messages > li")]
    .filter((row) => row.querySelector(".text").textContent === ${JSON.stringify(text)}).length`;

export const text = (selector: string): string =>
  `document.querySelector(${JSON.stringify(selector)})?.textContent.trim()`;

export const click = (selector: string): string =>
  `document.querySelector(${JSON.stringify(selector)}).click()`;

/** Puts a text into a field, which then has the focus. */
export const fill = (selector: string, value: string): string =>
  `((field) => (field.focus(), field.value = ${JSON.stringify(value)},
    field.dispatchEvent(new Event("input", { bubbles: true }))))
    (document.querySelector(${JSON.stringify(selector)}))`;

/** What went wrong on a page, but for what was to go wrong. */
export function faults({ errors }: Page, expected = /^$/): string[] {
  return errors.filter((error) => !expected.test(error));
}

/** Opens a page on a server of its own; the page reaches it over `wire`. */
export async function withPage(
  args: string[],
  run: (page: Page, hark: HarkProcess, wire: Wire) => Promise<void>,
  ready = select("#state[data-state=connected]"),
): Promise<void> {
  const hark = await HarkProcess.start("--port", "0", ...args);
  const wire = new Wire(hark.port);
  const browser = await Browser.launch(path!);
  try {
    const page = await browser.open("about:blank?");
    await page.look({ width: 1280, height: 800, scheme: "light" });
    await page.go(wire.url);
    await page.waitFor(ready);
    await run(page, hark, wire);
  } finally {
    await browser.close();
    await wire.close();
    await hark.stop();
  }
}

export function pageTest(
  name: string,
  run: Parameters<typeof withPage>[1],
  ...args: string[]
): void {
  Deno.test({ name: `page ${name}`, ignore: path === undefined, fn: () => withPage(args, run) });
}
