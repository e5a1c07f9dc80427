import { assertEquals, assertMatch } from "@std/assert";
import { issue, SECRET } from "../support/tokens.ts";
import { click, faults, pageTest, rows, select, text, withPage } from "./page.ts";
import { findBrowser } from "./browser.ts";

const KEY = "secret-of-the-test";
const REFUSED = /status of 40[13]/;
const hidden = (selector: string) => `document.querySelector("${selector}").hidden`;

pageTest(
  "asks for the key where one is needed, and sends what was refused",
  async (page) => {
    assertEquals(await page.evaluate(hidden("#access")), true);
    await page.type("#form-text", "with a key");
    await page.pressEnter();
    await page.waitFor(`!${hidden("#access")}`);
    assertMatch(String(await page.evaluate(text("#access-why"))), /^Cannot publish without a key/);
    assertEquals(await page.evaluate(text("#form-answer")), "");
    assertEquals(await page.evaluate(`document.activeElement.id`), "access-secret");
    await page.type("#access-secret", KEY);
    await page.pressEnter();
    await page.waitFor(`${rows("with a key")} === 1`);
    assertEquals(await page.evaluate(hidden("#access")), true);
    assertMatch(
      String(await page.evaluate(text("#curl"))),
      /^curl -H 'Authorization: Bearer KEY' -d/,
    );
    assertEquals(await page.evaluate("location.href.includes('secret')"), false);
    assertEquals(faults(page, REFUSED), []);
  },
  "--publish-key",
  KEY,
);

Deno.test({
  name: "page of a server that takes tokens shows nothing, then what the token allows",
  ignore: findBrowser() === undefined,
  fn: () =>
    withPage(
      ["--token-secret", SECRET, "--publish-key", KEY],
      async (page, hark) => {
        await page.waitFor(`!${hidden("#access")}`);
        assertEquals(await page.evaluate(text("#state-text")), "Needs a key or token");
        const publish = (channel: string, message: string) =>
          fetch(`${hark.url}/broadcast/${message}?channel=${channel}&key=${KEY}`)
            .then((answer) => answer.text());
        await publish("broadcast", "before");
        await publish("user.1", "mine");
        const token = await issue({ sub: "1", hark: { subscribe: ["user.1"] } });
        await page.type("#access-secret", token);
        await page.pressEnter();
        await page.waitFor(select("#state[data-state=connected]"));
        await page.waitFor(`${rows("before")} === 1`);
        assertEquals(await page.evaluate(rows("mine")), 0);
        await page.type("#find-channel", "user.1");
        await page.pressEnter();
        await page.waitFor(`${rows("mine")} === 1`);
        await page.waitFor(`${text("#present")} === "1 here: 1"`);
        await publish("user.1", "comes");
        await page.waitFor(`${rows("comes")} === 1`);
        await page.type("#find-channel", "user.2");
        await page.pressEnter();
        await page.waitFor(`!${hidden("#access")}`);
        await page.type("#access-secret", KEY);
        await page.pressEnter();
        await page.waitFor(`${text("#messages-title")} === "user.2"`);
        await page.waitFor(select("#state[data-state=connected]"));
        await publish("user.2", "anothers");
        await page.waitFor(`${rows("anothers")} === 1`);
        assertEquals(faults(page, REFUSED), []);
      },
      select("#state[data-state=refused]"),
    ),
});

Deno.test({
  name: "page shows sessions to a key, and disconnects one, or a user",
  ignore: findBrowser() === undefined,
  fn: () =>
    withPage(["--token-secret", SECRET, "--publish-key", KEY], async (page, hark) => {
      const base = hark.url.replace("http", "ws");
      const closes: Promise<number>[] = [];
      for (const sub of ["Ana", "Ana", "Bo"]) {
        const token = await issue({ sub, hark: { subscribe: ["ci"] } });
        const socket = new WebSocket(`${base}/ws?channel=ci&token=${token}`);
        await new Promise((resolve) => socket.onopen = resolve);
        closes.push(new Promise((resolve) => socket.onclose = ({ code }) => resolve(code)));
      }
      await page.evaluate(click("[data-view=sessions]"));
      await page.type("#access-secret", KEY);
      await page.pressEnter();
      const cells = (name: string) =>
        `[...document.querySelectorAll("#sessions-rows .${name}")].map((cell) => cell.textContent)`;
      await page.waitFor(`${cells("user")}.join() === "–,Bo,Ana,Ana"`);
      assertEquals(await page.evaluate(cells("channels")), [
        "broadcast, *",
        "broadcast, ci",
        "broadcast, ci",
        "broadcast, ci",
      ]);
      assertEquals((await page.evaluate(cells("unsent")) as string[])[1], "0");
      await page.evaluate(click("#sessions-rows tr:nth-child(2) .end"));
      assertEquals(await closes[2], 4003);
      await page.waitFor(`/^1 session disconnected/.test(${text("#sessions-answer")})`);
      await page.waitFor(`${cells("user")}.join() === "–,Ana,Ana"`);
      await page.evaluate(click("#sessions-rows tr:nth-child(2) .end-user"));
      assertEquals(await Promise.all(closes), [4003, 4003, 4003]);
      await page.waitFor(`${cells("user")}.join() === "–"`);
      assertEquals(await page.evaluate("location.search"), "?view=sessions");
      await page.evaluate(click("#nodes-tab"));
      await page.waitFor(`document.querySelector("#nodes-rows .sessions")?.textContent === "1"`);
      assertEquals(faults(page, REFUSED), []);
    }, select("#state[data-state=refused]")),
});
