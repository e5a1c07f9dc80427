import { assertEquals, assertMatch } from "@std/assert";
import { Browser, findBrowser, type Page } from "./browser.ts";
import { HarkProcess, Wire } from "./hark.ts";

const path = findBrowser();
// deno-lint-ignore no-console -- a test that is left out must be seen
if (path === undefined) console.log("SKIPPED: no Chromium here, so the page is not tested");

const CONNECTED = `document.querySelector("#state").dataset.state === "connected"`;
const AWAY = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET|WebSocket connection to/;

/** The parts of the newest row. */
const TOP = `(([row]) => row && Object.fromEntries([...row.children].map((part) =>
  [part.className.split(" ")[0] || "time", part.textContent])))(document.querySelectorAll("#messages > li"))`;

const rows = (text: string) =>
  `[...document.querySelectorAll("#messages > li")]
    .filter((row) => row.querySelector(".text").textContent === ${JSON.stringify(text)}).length`;
const text = (selector: string) =>
  `document.querySelector(${JSON.stringify(selector)}).textContent.trim()`;
const NOTICES = `[...document.querySelectorAll("#messages > .notice .text")]
  .map((part) => part.textContent)`;
const click = (selector: string) => `document.querySelector(${JSON.stringify(selector)}).click()`;
const chips =
  `[...document.querySelectorAll("#channels > li > :first-child")].map((name) => name.textContent)`;

/** Opens a page on a server of its own; the page reaches it over `wire`. */
async function withPage(
  args: string[],
  run: (page: Page, hark: HarkProcess, wire: Wire) => Promise<void>,
): Promise<void> {
  const hark = await HarkProcess.start("--port", "0", ...args);
  const wire = new Wire(hark.port);
  const browser = await Browser.launch(path!);
  try {
    const page = await browser.open(wire.url);
    await page.waitFor(CONNECTED);
    await run(page, hark, wire);
  } finally {
    await browser.close();
    await wire.close();
    await hark.stop();
  }
}

function pageTest(name: string, run: Parameters<typeof withPage>[1], ...args: string[]): void {
  Deno.test({ name: `page ${name}`, ignore: path === undefined, fn: () => withPage(args, run) });
}

pageTest("shows the greeting, who is there and what comes, as text", async (page, hark) => {
  await page.waitFor(`${rows("Welcome to my server")} === 1`);
  await page.waitFor(`${text("#clients")} === "1"`);
  assertEquals(await page.evaluate(text("#state-text")), "Connected");

  const message = "<b>ü€😀</b>";
  const answer = await fetch(`${hark.url}/broadcast/${encodeURIComponent(message)}`);
  assertEquals(await answer.json(), { message });
  await page.waitFor(`${rows(message)} === 1`);
  const { time, id, ...rest } = await page.evaluate(TOP) as Record<string, string>;
  assertEquals(rest, { channel: "broadcast", event: "message", text: message });
  assertMatch(time!, /^\d\d:\d\d:\d\d\.\d{3}$/);
  assertMatch(id!, /^[a-z0-9]+-1$/);
  assertEquals(await page.evaluate(`document.querySelectorAll("#messages b").length`), 0);

  await hark.publish("broadcast", { "kg": 2, "of": '<i>"tea":</i>' }, "order");
  await page.waitFor(`${text("#received")} === "2"`);
  const { channel, event, text: json } = await page.evaluate(TOP) as Record<string, string>;
  assertEquals([channel, event, JSON.parse(json!)], [
    "broadcast",
    "order",
    { kg: 2, of: '<i>"tea":</i>' },
  ]);
  assertEquals(page.errors, []);
});

pageTest("sends what is written, and shows how to from a terminal", async (page) => {
  await page.type("#form-text", "it's");
  assertEquals(
    await page.evaluate(text("#curl")),
    `curl -d 'it'\\''s' ${await page.evaluate("location.origin")}/channels/broadcast`,
  );
  await page.pressEnter();
  await page.waitFor(`${rows("it's")} === 1`);
  await page.waitFor(`document.querySelector("#form-text").value === ""`);
  const { id } = await page.evaluate(TOP) as Record<string, string>;
  assertEquals(await page.evaluate(text("#form-answer")), `Sent as ${id}`);

  await page.type("#form-event", "connect");
  await page.type("#form-text", "x");
  await page.evaluate(click("#form [type=submit]"));
  await page.waitFor(`/^Not sent: .*"connect"/.test(${text("#form-answer")})`);
  assertEquals(page.errors.filter((error) => !/status of 400/.test(error)), []);
});

pageTest("listens to channels and leaves them", async (page, hark) => {
  for (const name of ["ci", "sensor.*", "not a channel"]) {
    await page.type("#add-channel", name);
    await page.pressEnter();
  }
  await page.waitFor(`/expected a channel/.test(${text("#add-answer")})`);
  assertEquals(await page.evaluate(chips), ["broadcast", "ci", "sensor.*"]);
  assertEquals(await page.evaluate("location.search"), "?channel=ci&channel=sensor.*");

  await hark.publish("sensor.attic", "warm");
  await page.waitFor(`${rows("warm")} === 1`);
  const other = new WebSocket(`${hark.url.replace("http", "ws")}/ws?channel=ci`);
  await page.waitFor(`${text("#channels > li:nth-child(2) .here")} === "2 here"`);
  const closed = new Promise((resolve) => other.onclose = resolve);
  other.close();
  await closed;
  await page.waitFor(`${text("#channels > li:nth-child(2) .here")} === "1 here"`);

  await page.evaluate(click("#channels > li:nth-child(2) button"));
  await page.waitFor(`${chips}.length === 2`);
  await page.waitFor(`fetch("channels/ci/presence").then((answer) => answer.json())
    .then(({ count }) => count === 0)`);
  await hark.publish("ci", "unheard");
  await hark.publish("sensor.attic", "cold");
  await page.waitFor(`${rows("cold")} === 1`);
  assertEquals(await page.evaluate(rows("unheard")), 0);
  assertEquals(await page.evaluate("location.search"), "?channel=sensor.*");
  assertEquals(page.errors, []);
});

pageTest("holds still while it is paused, and keeps 500 rows", async (page, hark) => {
  // Shown a frame later than connected: with the pause before it, it would count as new.
  await page.waitFor(`${rows("Welcome to my server")} === 1`);
  await page.evaluate(click("#pause"));
  await hark.publish("broadcast", "one");
  await hark.publish("broadcast", "two");
  await page.waitFor(`${text("#pause")} === "Continue (2 new)"`);
  assertEquals(await page.evaluate(rows("one")), 0);
  await page.evaluate(click("#pause"));
  await page.waitFor(`${rows("one")} === 1 && ${rows("two")} === 1`);

  const lines = Array.from({ length: 600 }, (_, index) => JSON.stringify({ message: `m${index}` }));
  const response = await fetch(`${hark.url}/channels/broadcast`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines.join("\n"),
  });
  await response.body?.cancel();
  await page.waitFor(`${text("#received")} === "602" && ${rows("m599")} === 1`);
  assertEquals(await page.evaluate(`document.querySelector("#messages").childElementCount`), 500);
  await page.evaluate(click("#clear"));
  assertEquals(await page.evaluate(`document.querySelector("#messages").childElementCount`), 0);
  assertEquals(page.errors, []);
});

pageTest("recovers what was missed while the network was away", async (page, hark, wire) => {
  await hark.publish("broadcast", "before");
  await page.waitFor(`${rows("before")} === 1`);
  wire.cut();
  await page.waitFor(`/^Reconnecting/.test(${text("#state-text")})`);
  for (const message of ["a", "b", "c"]) await hark.publish("broadcast", message);
  wire.mend();
  await page.waitFor(`${rows("Connected again. 3 missed messages recovered")} === 1`);
  assertEquals(await page.evaluate(text("#state-text")), "Connected");
  assertEquals(
    await page.evaluate(`[...document.querySelectorAll("#messages > li:not(.notice) .text")]
      .map((part) => part.textContent)`),
    ["c", "b", "a", "before"],
  );
  assertEquals(page.errors.filter((error) => !AWAY.test(error)), []);
});

pageTest("tells when the server is away, and that messages are gone", async (page, hark) => {
  await hark.publish("broadcast", "before");
  await page.waitFor(`${rows("before")} === 1`);
  await hark.stop();
  await page.waitFor(`/^Reconnecting/.test(${text("#state-text")})`);
  assertEquals(await page.evaluate(rows("Connection lost: going away (1001)")), 1);
  await page.waitFor(`${text("#clients")} === "–"`);
  const again = await HarkProcess.start("--port", String(hark.port));
  try {
    await page.waitFor(CONNECTED, 30_000);
    const gone = "Some messages are gone: the server no longer keeps them";
    await page.waitFor(`${rows(gone)} === 1`);
    await again.publish("broadcast", "after");
    await page.waitFor(`${rows("after")} === 1`);
    assertEquals(await page.evaluate(NOTICES), [
      gone,
      "Connection lost: going away (1001)",
      "Welcome to my server",
    ]);
  } finally {
    await again.stop();
  }
  assertEquals(page.errors.filter((error) => !AWAY.test(error)), []);
});

pageTest(
  "asks for the key when the server has one",
  async (page) => {
    assertEquals(await page.evaluate(`document.querySelector("#key-field").hidden`), true);
    await page.type("#form-text", "with a key");
    await page.pressEnter();
    await page.waitFor(`/^Not sent: .*key/.test(${text("#form-answer")})`);
    assertEquals(await page.evaluate(`document.activeElement.id`), "form-key");
    await page.type("#form-key", "secret-of-the-test");
    await page.pressEnter();
    await page.waitFor(`${rows("with a key")} === 1`);
    assertMatch(
      String(await page.evaluate(text("#curl"))),
      /^curl -H 'Authorization: Bearer KEY' -d/,
    );
    assertEquals(page.errors.filter((error) => !/status of 401/.test(error)), []);
  },
  "--publish-key",
  "secret-of-the-test",
);

pageTest("fits a phone", async (page, hark) => {
  await hark.publish("broadcast", "x".repeat(500));
  await page.waitFor(`${text("#received")} === "1"`);
  await page.look({ width: 390, height: 844, scheme: "dark" });
  assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 390);
  assertEquals(
    await page.evaluate(`[...document.querySelectorAll("#messages, #messages .text, #curl")]
      .filter((part) => part.scrollWidth > part.clientWidth).length`),
    0,
  );
  assertEquals(page.errors, []);
});
