import { assertEquals } from "@std/assert";
import { toolsFolder } from "../interop/tools.ts";
import type { Page } from "./browser.ts";
import { click, faults, pageTest, rows, text } from "./page.ts";

const VIEWS = ["messages", "channels", "send", "sessions"];
const LONG = "x".repeat(500);

pageTest("is accessible in each view, light and dark, wide and narrow", async (page, hark) => {
  await hark.publish("ci", { build: 1, tests: [{ ok: true }] }, "build");
  await hark.publish("chat:lobby", "שלום");
  await page.waitFor(`${rows("שלום")} === 1`);
  await page.evaluate(`document.querySelector("#messages summary").click()`);
  await page.evaluate(await Deno.readTextFile(`${await toolsFolder()}/axe-core/axe.min.js`));
  for (const [width, height, scheme] of [[1280, 800, "light"], [390, 844, "dark"]] as const) {
    await page.look({ width, height, scheme });
    for (const view of width < 1000 ? VIEWS : ["messages", "sessions"]) {
      await page.evaluate(click(`nav [data-view=${view}]`));
      if (view === "sessions") {
        await page.waitFor(`document.querySelectorAll("#sessions-rows tr").length === 1`);
      }
      const found = await page.evaluate(`axe.run().then(({ violations }) => violations.map(
        ({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]))`);
      assertEquals(found, [], `${view} ${width} ${scheme}`);
    }
  }
  assertEquals(faults(page), []);
});

pageTest("fits a phone, upright and across, and a screen zoomed to 200 %", async (page, hark) => {
  await hark.publish("broadcast", LONG);
  await hark.publish(`a.${"long.".repeat(20)}name`, LONG, "an-event-with-a-long-name");
  await page.waitFor(`${text("#received")} === "2"`);
  await page.evaluate(`document.querySelector("#messages summary").click()`);
  for (const [width, height] of [[390, 844], [320, 568], [844, 390], [640, 400]] as const) {
    await page.look({ width, height, scheme: "dark" });
    for (const view of VIEWS) {
      await page.evaluate(click(`nav [data-view=${view}]`));
      assertEquals(await tooWide(page), [], `${view} at ${width} x ${height}`);
      assertEquals(await tooNarrow(page), [], `${view} at ${width} x ${height}`);
    }
  }
  await page.look({ width: 1280, height: 800, scheme: "light" });
  await page.evaluate(click("nav [data-view=messages]"));
  assertEquals(await tooWide(page), []);
  assertEquals(await page.evaluate("document.documentElement.scrollHeight"), 800);
  assertEquals(faults(page), []);
});

/** What has to be scrolled sideways. */
async function tooWide(page: Page): Promise<unknown> {
  return await page.evaluate(`[document.documentElement,
      ...document.querySelectorAll("body *:not(.hidden, .hidden *, .last, #host)")]
    .filter((part) => part.clientWidth > 0 && part.scrollWidth > part.clientWidth + 1)
    .map(({ localName, id, className }) => [localName, id, className].join(" "))`);
}

/** Names of events that have no room beside the channel's. */
async function tooNarrow(page: Page): Promise<unknown> {
  return await page.evaluate(`[...document.querySelectorAll("#messages .event")]
    .filter(({ offsetParent, clientWidth }) => offsetParent !== null && clientWidth < 60)
    .map(({ textContent }) => textContent)`);
}
