import { assert, assertEquals } from "@std/assert";
import { Browser, findBrowser, type Page, within } from "./browser.ts";
import { HarkProcess } from "./hark.ts";

const path = findBrowser();
/** Every name that leads to this machine though it is none of the server's. */
const HOSTS = ["0.0.0.0", "[::ffff:0:0]", "[::ffff:7f00:1]"];
const ARRIVE_MS = 60_000;

/** What makes a browser ask for `url` in a page's name; none needs the user. */
const WAYS: Readonly<Record<string, (url: string) => string>> = {
  image: (url) => `new Image().src = "${url}"`,
  script: (url) => add("script", `src = "${url}"`),
  style: (url) => add("link", `rel = "stylesheet"; element.href = "${url}"`),
  frame: (url) => add("iframe", `src = "${url}"`),
  prefetch: (url) => add("link", `rel = "prefetch"; element.href = "${url}"`),
  fetch: (url) => `fetch("${url}", { mode: "no-cors" }).catch(() => {})`,
  beacon: (url) => `navigator.sendBeacon("${url}", "x")`,
  navigation: (url) => `location.href = "${url}"`,
};

function add(tag: string, what: string): string {
  return `{ const element = document.createElement("${tag}"); element.${what}; document.body.append(element); }`;
}

/** A page of another site, which is this machine's too. */
function serveOtherSite(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return new Response("<!doctype html><body>evil", { headers: { "content-type": "text/html" } });
  });
}

/** The sum of what `/metrics` has under a name, whatever its labels. */
async function countOf(hark: HarkProcess, name: RegExp): Promise<number> {
  const text = await (await fetch(`${hark.url}/metrics`)).text();
  const lines = text.split("\n").filter((line) => name.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** How many requests to publish have come, refused or not. */
const arrivals = (hark: HarkProcess) =>
  countOf(hark, /^hark_(rejected_total\{reason="(misdirected|forbidden)"\}|publications_total) /);

/** Resolves once `act` has brought a request to the server. */
async function arriveBy(
  hark: HarkProcess,
  what: string,
  act: () => Promise<unknown>,
): Promise<void> {
  const before = await arrivals(hark);
  await act();
  const arrived = async () => {
    while (await arrivals(hark) === before) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await within(ARRIVE_MS, arrived(), `No request arrived by ${what}`);
}

Deno.test({
  name: "no page of another site publishes, by whatever address it reaches the server",
  ignore: path === undefined,
  async fn() {
    const hark = await HarkProcess.start("--port", "0");
    const site = serveOtherSite();
    const browser = await Browser.launch(path!);
    try {
      const url = `http://127.0.0.1:${site.addr.port}/`;
      const page: Page = await browser.open(url);
      for (const host of [...HOSTS, "localhost"]) {
        for (const [way, code] of Object.entries(WAYS)) {
          await page.go(url);
          const target = `http://${host}:${hark.port}/broadcast/${way}`;
          await arriveBy(hark, `${way} to ${host}`, () => page.evaluate(code(target)));
        }
      }
      assertEquals(await countOf(hark, /^hark_publications_total /), 0);
      await hark.publish("ci", "a program may");
      assertEquals(await countOf(hark, /^hark_publications_total /), 1);
      assert(page.errors.length > 0);
    } finally {
      await browser.close();
      await site.shutdown();
      await hark.stop();
    }
  },
});
