import { assertEquals } from "@std/assert";
import { click, faults, fill, pageTest, rows, select, text } from "./page.ts";

const MANY = 1005;
const names = Array.from({ length: MANY }, (_, at) => `many.${String(at).padStart(4, "0")}`);

const shown = (selector: string) => `!document.querySelector("${selector}").hidden`;

pageTest("lists more than 1,000 channels, as many as are asked for", async (page, hark) => {
  for (let at = 0; at < MANY; at += 100) {
    await Promise.all(names.slice(at, at + 100).map((name) => hark.publish(name, "x")));
  }
  await page.go(`${hark.url}/?again`);
  await page.waitFor(shown("#channels-next"));
  const note = text("#channels-more");
  await page.waitFor(
    `/^8\\d\\d more: type to find one. The first 1,000 are listed; the server has more.$/.test(${note})`,
  );
  // The last ones are not even listed, until somebody asks for more.
  await page.evaluate(fill("#find-channel", "many.1"));
  const found = `document.querySelectorAll("#channels li").length - 1`;
  await page.evaluate(click("#channels-next"));
  await page.waitFor(`${found} === 5`);
  assertEquals(await page.evaluate(shown("#channels-next")), false);
  assertEquals(await page.evaluate(note), "");
  assertEquals(faults(page), []);
});

pageTest("lists more than 1,000 sessions, as many as are asked for", async (page, hark) => {
  const url = `${hark.url.replace("http", "ws")}/ws`;
  const sockets: WebSocket[] = [];
  try {
    for (let at = 0; at < MANY; at += 100) {
      const opened = Array.from({ length: Math.min(100, MANY - at) }, () => {
        const socket = new WebSocket(url);
        sockets.push(socket);
        return new Promise((resolve) => socket.onopen = resolve);
      });
      await Promise.all(opened);
    }
    await page.evaluate(click("[data-view=sessions]"));
    await page.waitFor(`${text("#sessions-answer")} === "The first 1,000 sessions, of more"`);
    await page.evaluate(click("#sessions-next"));
    await page.waitFor(`${text("#sessions-answer")} === "1,006 sessions"`);
    const listed = await page.evaluate(`document.querySelectorAll("#sessions-rows tr").length`);
    assertEquals([listed, await page.evaluate(shown("#sessions-next"))], [MANY + 1, false]);
    assertEquals(faults(page), []);
  } finally {
    await Promise.all(sockets.map((socket) =>
      new Promise((resolve) => {
        socket.onclose = resolve;
        socket.close();
      })
    ));
  }
});

pageTest("says which nodes have not answered", async (page) => {
  await page.evaluate(`{
    const real = window.fetch;
    window.fetch = async (path, init) => {
      const response = await real(path, init);
      if (!String(path).startsWith("sessions")) return response;
      return Response.json({ ...await response.json(), silent: ["node-b", "node-c"] });
    };
  }`);
  await page.evaluate(click("[data-view=sessions]"));
  const answer = text("#sessions-answer");
  await page.waitFor(`${answer} === "1 session; no answer from node-b, node-c"`);
  await page.evaluate(click("#sessions-rows .end"));
  await page.waitFor(`/^1 session disconnected.*; no answer from node-b, node-c$/.test(${answer})`);
  assertEquals(faults(page), []);
});

pageTest("shows where it is, where the system's colours are forced", async (page, hark) => {
  await hark.publish("ci", "hello");
  await page.waitFor(`${rows("hello")} === 1`);
  await page.waitFor(select("#channels [aria-pressed=false]"));
  await page.look({ width: 1280, height: 800, scheme: "dark", hasForcedColors: true });
  await page.waitFor(`matchMedia("(forced-colors: active)").matches`);
  const colour = (selector: string) =>
    page.evaluate(`getComputedStyle(document.querySelector("${selector}")).backgroundColor`);
  for (
    const [chosen, other] of [
      ["nav [aria-current=page]", "nav [data-view=sessions]"],
      ["#channels [aria-pressed=true]", "#channels [aria-pressed=false]"],
      [".switch input:checked + span", ".switch input:not(:checked) + span"],
    ] as const
  ) {
    assertEquals(
      await colour(chosen) === await colour(other),
      false,
      `${chosen} looks like others`,
    );
  }
  assertEquals(await page.evaluate(select("#state[data-state=connected]")), true);
  assertEquals(faults(page), []);
});
