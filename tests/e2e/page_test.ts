import { assertEquals, assertMatch } from "@std/assert";
import { HarkProcess } from "./hark.ts";
import { click, faults, fill, NOTICES, pageTest, rows, select, text, TEXTS, TOP } from "./page.ts";

const AWAY = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET|WebSocket connection to/;

pageTest("shows the greeting, who is there and what comes, as text", async (page, hark) => {
  await page.waitFor(`${rows("Welcome to my server")} === 1`);
  await page.waitFor(`${text("#clients")} === "1"`);
  assertEquals(await page.evaluate(text("#state-text")), "Connected");

  const message = "<b>ü€😀</b>";
  const answer = await fetch(`${hark.url}/broadcast/${encodeURIComponent(message)}`);
  assertEquals(await answer.json(), { message });
  await page.waitFor(`${rows(message)} === 1`);
  const { time, ...rest } = await page.evaluate(TOP) as Record<string, string>;
  assertEquals(rest, { channel: "broadcast", event: "message", text: message });
  assertMatch(time!, /^\d\d:\d\d:\d\d\.\d{3}$/);
  assertEquals(await page.evaluate(`document.querySelectorAll("#messages b").length`), 0);

  await hark.publish("broadcast", { "kg": 2, "of": '<i>"tea":</i>' }, "order");
  await page.waitFor(`${text("#received")} === "2"`);
  const { channel, event, text: json } = await page.evaluate(TOP) as Record<string, string>;
  assertEquals([channel, event, JSON.parse(json!)], [
    "broadcast",
    "order",
    { kg: 2, of: '<i>"tea":</i>' },
  ]);
  assertEquals(faults(page), []);
});

pageTest("shows what is kept of all channels, and then what comes on any", async (page, hark) => {
  for (let n = 1; n <= 3; n++) await hark.publish("ci", `build ${n}`);
  await hark.publish("news.sport", "goal");
  await page.go(`${hark.url}/`);
  await page.waitFor(`${rows("goal")} === 1 && ${rows("Welcome to my server")} === 1`);
  assertEquals(
    (await page.evaluate(TEXTS) as string[]).filter((said) => !/Welcome/.test(said)),
    ["goal", "build 3", "build 2", "build 1"],
  );
  await hark.publish("new.one", "first of its kind");
  await page.waitFor(`${rows("first of its kind")} === 1`);
  const shown = `[...document.querySelectorAll("#channels .name")].map((part) => part.textContent)`;
  const names = ["All channels", "broadcast", "ci", "new.one", "news.sport"];
  await page.waitFor(`JSON.stringify(${shown}) === ${JSON.stringify(JSON.stringify(names))}`);
  assertEquals(
    await page.evaluate(
      `[...document.querySelectorAll("#channels .last")].map((part) => part.textContent)`,
    ),
    ["", "", "build 3", "first of its kind", "goal"],
  );
  assertEquals(faults(page), []);
});

pageTest(
  "looks at one channel alone, finds others, and says it in the address",
  async (page, hark) => {
    for (const channel of ["ci", "sensor.attic", "sensor.kitchen"]) {
      await hark.publish(channel, `of ${channel}`);
    }
    await page.waitFor(`document.querySelectorAll("#channels li").length === 4`);
    await page.evaluate(click("#channels li:nth-child(2) button"));
    await page.waitFor(`${text("#messages-title")} === "ci"`);
    assertEquals(await page.evaluate("location.search"), "?channel=ci");
    assertEquals(
      [await page.evaluate(rows("of ci")), await page.evaluate(rows("of sensor.attic"))],
      [
        1,
        0,
      ],
    );
    const other = new WebSocket(`${hark.url.replace("http", "ws")}/ws?channel=ci`);
    await page.waitFor(`${text("#present")} === "1 here"`);
    const closed = new Promise((resolve) => other.onclose = resolve);
    other.close();
    await closed;
    await page.waitFor(`${text("#present")} === "0 here"`);

    await page.type("#find-channel", "att");
    await page.waitFor(`document.querySelectorAll("#channels li").length === 2`);
    await page.evaluate(fill("#find-channel", "sensor.*"));
    await page.pressEnter();
    await page.waitFor(`${text("#messages-title")} === "sensor.*"`);
    assertEquals(
      [await page.evaluate(rows("of ci")), await page.evaluate(rows("of sensor.attic"))],
      [0, 1],
    );
    await page.type("#find-channel", "not a channel");
    await page.pressEnter();
    await page.waitFor(`/expected a channel/.test(${text("#find-answer")})`);
    assertEquals(await page.evaluate("location.search"), "?channel=sensor.*");
    assertEquals(faults(page, /status of 400/), []);
  },
);

pageTest("filters by text and event, and a shared address shows the same", async (page, hark) => {
  await hark.publish("ci", "Build 1 passed", "build");
  await hark.publish("ci", "Deploy 1 done", "deploy");
  await hark.publish("ops", "Build server is slow");
  await page.waitFor(`${rows("Build server is slow")} === 1`);
  await page.evaluate(fill("#filter-text", "BUILD"));
  await page.waitFor(`${rows("Deploy 1 done")} === 0`);
  await page.evaluate(fill("#filter-event", "build"));
  await page.waitFor(`${rows("Build server is slow")} === 0 && ${rows("Build 1 passed")} === 1`);
  const search = await page.evaluate("location.search");
  assertEquals(search, "?event=build&text=BUILD");
  await page.go(`${hark.url}/${search}`);
  await page.waitFor(`${rows("Build 1 passed")} === 1`);
  assertEquals(await page.evaluate(rows("Build server is slow")), 0);
  assertEquals(await page.evaluate(`document.querySelector("#filter-text").value`), "BUILD");
  await page.evaluate(click("#show-all"));
  await page.waitFor(`${rows("Build server is slow")} === 1`);
  assertEquals(await page.evaluate("location.search"), "");
  assertEquals(faults(page), []);
});

pageTest("opens a message, lays its JSON out, and copies it or its id", async (page, hark) => {
  const id = await hark.publish("ci", { build: 1, tests: [{ ok: true }] });
  await page.waitFor(`${text("#received")} === "1"`);
  await page.evaluate(`Object.defineProperty(navigator, "clipboard", {
    value: { writeText: async (text) => void (window.copied = text) },
  })`);
  await page.evaluate(`document.querySelector("#messages summary").focus()`);
  await page.pressEnter();
  await page.waitFor(`document.querySelector("#messages pre") !== null`);
  const laidOut = JSON.stringify({ build: 1, tests: [{ ok: true }] }, null, 2);
  assertEquals(await page.evaluate(`document.querySelector("#messages pre").textContent`), laidOut);
  const act = (label: string) =>
    `[...document.querySelectorAll("#messages .actions button")]
      .find(({ textContent }) => textContent === ${JSON.stringify(label)}).click()`;
  await page.evaluate(act("Copy message"));
  await page.waitFor(`window.copied === ${JSON.stringify(laidOut)}`);
  await page.evaluate(act("Copy id"));
  await page.waitFor(`window.copied === ${JSON.stringify(id)}`);
  assertEquals(faults(page), []);
});

pageTest("has one tab stop for all messages, and arrows go through them", async (page, hark) => {
  for (const message of ["one", "two", "three"]) await hark.publish("ci", message);
  await page.waitFor(`${text("#received")} === "3"`);
  assertEquals(await page.evaluate(`document.querySelectorAll("summary[tabindex='0']").length`), 1);
  await page.evaluate(`document.querySelector("#messages summary").focus()`);
  const focused = `document.activeElement.querySelector(".text").textContent`;
  const seen = [];
  for (const key of ["Home", "ArrowDown", "ArrowDown", "ArrowUp", "End"]) {
    await page.press(key);
    seen.push(await page.evaluate(focused));
  }
  assertEquals(seen, ["three", "two", "one", "two", "one"]);
  assertEquals(await page.evaluate(`document.querySelectorAll("summary[tabindex='0']").length`), 1);
});

pageTest("sends what is written, and shows how to from a terminal", async (page) => {
  await page.type("#form-text", "it's\ntwo");
  assertEquals(
    await page.evaluate(`document.querySelector("#curl").innerText`),
    `curl -d 'it'\\''s\ntwo' ${await page.evaluate("location.origin")}/channels/broadcast`,
  );
  await page.evaluate(fill("#form-text", "it's"));
  await page.pressEnter();
  await page.waitFor(`${rows("it's")} === 1`);
  await page.waitFor(`document.querySelector("#form-text").value === ""`);
  assertMatch(String(await page.evaluate(text("#form-answer"))), /^Sent as \w+-1$/);

  await page.evaluate(click("#form-json"));
  await page.type("#form-text", '{"a":');
  await page.waitFor(`/^Not JSON yet/.test(${text("#form-answer")})`);
  await page.evaluate(click("#form [type=submit]"));
  await page.type("#form-text", "1}");
  await page.waitFor(`${text("#form-answer")} === ""`);
  assertMatch(
    String(await page.evaluate(text("#curl"))),
    /-H 'Content-Type: application\/json' -d/,
  );
  await page.evaluate(click("#form [type=submit]"));
  await page.waitFor(`${rows('{"a": 1}')} === 1`);

  await page.type("#form-event", "connect");
  await page.type("#form-text", "1");
  await page.evaluate(click("#form [type=submit]"));
  await page.waitFor(`/^Not sent: .*"connect"/.test(${text("#form-answer")})`);
  await page.evaluate(fill("#form-event", "ok"));
  await page.waitFor(`${text("#form-answer")} === ""`);
  assertEquals(faults(page, /status of 400/), []);
});

pageTest("holds still while it is paused, and counts what it holds back", async (page, hark) => {
  // Shown a frame later than connected: with the pause before it, it would count as new.
  await page.waitFor(`${rows("Welcome to my server")} === 1`);
  await page.evaluate(click("#pause"));
  await hark.publish("broadcast", "one");
  await hark.publish("broadcast", "two");
  await page.waitFor(`${text("#pause")} === "Continue (2 new)"`);
  assertEquals(await page.evaluate(rows("one")), 0);
  await page.evaluate(click("#pause"));
  await page.waitFor(`${rows("one")} === 1 && ${rows("two")} === 1`);
  await page.evaluate(click("#clear"));
  await page.waitFor(`${text("#empty")} === "Listening. Messages appear here as they come."`);
  assertEquals(await page.evaluate(`document.querySelector("#messages").childElementCount`), 0);
  assertEquals(faults(page), []);
});

pageTest(
  "keeps 5,000 messages, and few of them as rows until somebody scrolls",
  async (page, hark) => {
    await page.waitFor(`${rows("Welcome to my server")} === 1`);
    for (let batch = 0; batch < 5; batch++) {
      const lines = Array.from({ length: 1000 }, (_, n) => `{"message":"m${batch * 1000 + n}"}`);
      const response = await fetch(`${hark.url}/channels/ci`, {
        method: "POST",
        headers: { "content-type": "application/x-ndjson" },
        body: lines.join("\n"),
      });
      assertEquals(response.status, 200, await response.text());
      await page.waitFor(`${text("#received")} === "${(batch + 1)},000"`);
    }
    const count = `document.querySelector("#messages").childElementCount`;
    await page.waitFor(`${rows("m4999")} === 1 && ${count} === 100`);
    const scroll = (top: number) => `document.querySelector("#scroller").scrollTop = ${top}`;
    await page.waitFor(`(${scroll(1e9)}, ${rows("m0")} === 1)`, 60_000);
    assertEquals(await page.evaluate(count), 400);
    await page.evaluate(scroll(0));
    await page.waitFor(`${rows("m4999")} === 1 && ${count} === 100`);
    // Whoever reads further down keeps their place.
    await page.evaluate(`document.querySelector("#scroller").scrollTop = 2000`);
    const at = `document.elementFromPoint(600, 400).closest("li").textContent`;
    const read = await page.evaluate(at);
    await hark.publish("ci", "while somebody reads");
    await page.waitFor(`${rows("while somebody reads")} === 1`);
    assertEquals(await page.evaluate(at), read);
    await page.evaluate(fill("#filter-text", "m4242"));
    await page.waitFor(`${rows("m4242")} === 1 && ${rows("m4999")} === 0`);
    assertEquals(faults(page), []);
  },
  "--history-count",
  "100",
  "--publish-per-second-max",
  "100000",
);

pageTest("recovers what was missed while the network was away", async (page, hark, wire) => {
  await hark.publish("broadcast", "before");
  await page.waitFor(`${rows("before")} === 1`);
  wire.cut();
  await page.waitFor(`/^Reconnecting/.test(${text("#state-text")})`);
  assertEquals(
    await page.evaluate(text("#trouble-text")),
    "Connection lost: the server cannot be reached.",
  );
  for (const message of ["a", "b", "c"]) await hark.publish("broadcast", message);
  wire.mend();
  await page.evaluate(click("#retry"));
  await page.waitFor(`${rows("Connected again. 3 missed messages recovered")} === 1`);
  assertEquals(await page.evaluate(text("#state-text")), "Connected");
  assertEquals(await page.evaluate(`document.querySelector("#trouble").hidden`), true);
  assertEquals(
    await page.evaluate(`[...document.querySelectorAll("#messages > li:not(.notice) .text")]
      .map((part) => part.textContent)`),
    ["c", "b", "a", "before"],
  );
  assertEquals(faults(page, AWAY), []);
});

pageTest("says when the server is away, and that messages are gone", async (page, hark) => {
  await hark.publish("broadcast", "before");
  await page.waitFor(`${rows("before")} === 1`);
  const stopped = hark.stop();
  await page.waitFor(`/^Connection lost: the server is stopping/.test(${text("#trouble-text")})`);
  await stopped;
  await page.waitFor(`${text("#clients")} === "–"`);
  const again = await HarkProcess.start("--port", String(hark.port));
  try {
    await page.waitFor(select("#state[data-state=connected]"), 30_000);
    const gone = "Some messages are gone: the server no longer keeps them";
    await page.waitFor(`${rows(gone)} === 1`);
    await again.publish("broadcast", "after");
    await page.waitFor(`${rows("after")} === 1`);
    assertEquals(await page.evaluate(NOTICES), [gone, "Welcome to my server"]);
  } finally {
    await again.stop();
  }
  assertEquals(faults(page, AWAY), []);
});
