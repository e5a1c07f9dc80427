import { assertEquals } from "@std/assert";
import { Browser, findBrowser, type Page } from "../e2e/browser.ts";
import { Proxy } from "../support/proxy.ts";
import { startWorkers } from "../support/workers.ts";
import { startServer } from "../support/server.ts";
import { browserScript } from "./clients.ts";

const path = findBrowser();

/** Opens a page of another origin that has loaded a version of socket.io-client. */
async function withPage(version: string, run: (page: Page) => Promise<void>): Promise<void> {
  const script = await browserScript(version);
  const site = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const isScript = new URL(url).pathname === "/socket.io.js";
    const [body, type] = isScript
      ? [script, "text/javascript"]
      : [`<!doctype html><script src="/socket.io.js"></script>`, "text/html"];
    return new Response(body, { headers: { "content-type": `${type}; charset=utf-8` } });
  });
  const browser = await Browser.launch(path!);
  try {
    await run(await browser.open(`http://127.0.0.1:${site.addr.port}/`));
  } finally {
    await browser.close();
    await site.shutdown();
  }
}

/** Connects; the page keeps what it is sent in `got`, and each connect in `connects`. */
async function connect(page: Page, url: string, options: Record<string, unknown>): Promise<void> {
  await page.evaluate(`
    window.got = [];
    window.connects = [];
    window.socket = io(${JSON.stringify(url)}, ${JSON.stringify(options)});
    socket.on("connect", () => connects.push([socket.id, socket.recovered]));
    socket.on("message", ({ message }) => got.push(message));
    0`);
}

/** Waits for messages, and for no others. */
async function waitFor(page: Page, messages: readonly string[]): Promise<void> {
  await page.waitFor(`got.length >= ${messages.length}`);
  assertEquals(await page.evaluate("got"), messages);
}

const CASES: [version: string, what: string, options: Record<string, unknown>][] = [
  ["1.0.6", "which says EIO=2, by polling", { transports: ["polling"] }],
  ["1.0.6", "which says EIO=2, with the upgrade", {}],
  ["3.1.3", "by JSONP", { transports: ["polling"], forceJSONP: true }],
  ["3.1.3", "by JSONP, with the upgrade", { forceJSONP: true }],
];

for (const [version, what, options] of CASES) {
  Deno.test({
    name: `socket.io-client ${version} in Chromium ${what}: gets messages and is answered`,
    ignore: path === undefined,
    fn: () =>
      withPage(version, async (page) => {
        await using server = await startServer({ welcome: "Grüße" });
        await connect(page, server.url, options);
        await page.waitFor("connects.length > 0 && got.length > 0");
        await page.evaluate(`
          socket.emit("subscribe", ["a\\\\b"], (answer) => { window.refused = answer; });
          socket.emit("subscribe", ["news"], (answer) => { window.answer = answer; });
          0`);
        await page.waitFor("window.answer");
        assertEquals(await page.evaluate("refused.error.code"), "bad-request");
        assertEquals(await page.evaluate("answer"), { ok: true });
        for (const text of ["<b>ü€😀</b>", '\u2028\n"\\']) await server.broadcast(text);
        await waitFor(page, ["Grüße", "<b>ü€😀</b>", '\u2028\n"\\']);
      }),
  });
}

/** A browser has six connections to a server: each of these has a poll on one. */
const SOCKETS = 3;

for (const transports of [["polling"], ["polling", "websocket"]]) {
  Deno.test({
    name: `JSONP in Chromium is served by 4 workers: ${transports.join(" and ")}`,
    ignore: path === undefined,
    fn: () =>
      withPage("3.1.3", async (page) => {
        await using server = await startWorkers(4, ["--welcome", ""]);
        const all = JSON.stringify({ transports, forceJSONP: true, forceNew: true });
        await page.evaluate(`
          window.got = [];
          window.failed = [];
          for (let at = 0; at < ${SOCKETS}; at++) {
            const socket = io(${JSON.stringify(server.url)}, ${all});
            socket.on("message", ({ message }) => got.push(message + at));
            socket.on("connect", () => got.push("connect" + at));
            for (const name of ["connect_error", "disconnect"]) {
              socket.on(name, (why) => failed.push(String(why)));
            }
          }
          0`);
        await page.waitFor(`got.length === ${SOCKETS}`);
        const texts = ["connect", "one", "two", "three"];
        for (const text of texts.slice(1)) await server.broadcast(text);
        await page.waitFor(`got.length === ${SOCKETS * texts.length}`);
        const got = await page.evaluate("got") as string[];
        for (let at = 0; at < SOCKETS; at++) {
          const ofThis = got.filter((text) => text.endsWith(String(at)));
          assertEquals(ofThis, texts.map((text) => `${text}${at}`));
        }
        assertEquals(await page.evaluate("failed"), []);
      }),
  });
}

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  Deno.test({
    name: `socket.io-client 4.8.4 in Chromium by ${
      transports.join(" and ")
    }: recovers under its id`,
    ignore: path === undefined,
    fn: () =>
      withPage("4.8.4", async (page) => {
        await using server = await startServer({ welcome: "" });
        await using proxy = new Proxy(server.port);
        const options = { transports, reconnectionDelay: 50, reconnectionDelayMax: 200 };
        await connect(page, `http://127.0.0.1:${proxy.port}`, options);
        await page.waitFor(
          `connects.length === 1 && socket.io.engine.transport.name === "${transports.at(-1)}"`,
        );
        const texts: string[] = [];
        for (const round of [1, 2]) {
          // A cut between two polls is none: so cut until the client says that it was.
          while (await page.evaluate("socket.connected")) proxy.cut();
          for (const text of ["missed", "and more"]) texts.push(`${text} ${round}`);
          for (const text of texts.slice(-2)) await server.broadcast(text);
          await page.waitFor(`connects.length === ${round + 1}`);
          await waitFor(page, texts);
          await page.waitFor(`socket.io.engine.transport.name === "${transports.at(-1)}"`);
        }
        const [[id]] = await page.evaluate("connects") as [[string]];
        assertEquals(await page.evaluate("connects"), [[id, false], [id, true], [id, true]]);
      }),
  });
}
