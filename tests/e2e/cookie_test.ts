import { assertEquals } from "@std/assert";
import { issue, SECRET } from "../support/tokens.ts";
import { Browser, findBrowser } from "./browser.ts";
import { HarkProcess } from "./hark.ts";

const path = findBrowser();

/** Whether an `EventSource` of the page is let in. */
const FIRST = `new Promise((resolve) => {
  const events = new EventSource("/events?channel=news");
  events.onopen = () => resolve("open");
  events.onerror = () => resolve("failed");
})`;

Deno.test({
  name:
    "an EventSource of the server's own page, which sends no Origin, shows its token as a cookie",
  ignore: path === undefined,
  async fn() {
    const hark = await HarkProcess.start("--port", "0", "--token-secret", SECRET);
    const browser = await Browser.launch(path!);
    try {
      const page = await browser.open(`${hark.url}/style.css`);
      assertEquals(await page.evaluate(FIRST), "failed");
      const token = await issue({ hark: { subscribe: ["news"] } });
      await page.evaluate(`document.cookie = "hark_token=${token}; SameSite=Strict"`);
      assertEquals(await page.evaluate(FIRST), "open");
    } finally {
      await browser.close();
      await hark.stop();
    }
  },
});
