import { assertEquals } from "@std/assert";
import { issue, SECRET } from "../support/tokens.ts";
import { Browser, findBrowser } from "./browser.ts";
import { HarkProcess, Wire } from "./hark.ts";

const FOLDER = new URL("screenshots/", import.meta.url);
const ROUNDS = 40;
const KEY = "key-of-the-screenshots";
const PORT = 3000;
const ROUND_MS = 900;
const USERS = ["Ana", "Jürgen", "Mei", "Sam", "Noor"];
const CHANNELS = ["ci", "chat:lobby", "sensor.kitchen"];

type Said = readonly [channel: string, data: unknown, event?: string];

const TALK: readonly Said[] = [
  ["sensor.kitchen", { celsius: 21.4, humidity: 47 }, "reading"],
  ["ci", "Build 4812 started", "build"],
  ["sensor.attic", { celsius: 17.9, humidity: 61 }, "reading"],
  ["chat:lobby", { from: "Ana", text: "Anyone looking at the upload test?" }],
  ["ci", { build: 4812, passed: 918, failed: 0 }, "build"],
  ["sensor.kitchen", { celsius: 21.6, humidity: 46 }, "reading"],
  ["chat:lobby", { from: "Jürgen", text: "Fixed, it's green again 😀" }],
  ["broadcast", "Maintenance tonight from 22:00 to 22:30 UTC"],
];
const MISSED: readonly Said[] = [
  ["ci", "Build 4813 started", "build"],
  ["sensor.kitchen", { celsius: 21.7, humidity: 46 }, "reading"],
  ["ci", { build: 4813, passed: 921, failed: 0 }, "build"],
];
const LAST: readonly Said[] = [
  ["chat:lobby", { from: "Ana", text: "Shipping it." }],
  ["ci", "Deploy finished", "deploy"],
  ["broadcast", "hello"],
];

Deno.test({
  name: "page looks as it does in the README (HARK_SCREENSHOTS=1)",
  ignore: findBrowser() === undefined || Deno.env.get("HARK_SCREENSHOTS") !== "1",
  async fn() {
    const hark = await HarkProcess.start(
      ...["--port", "0", "--token-secret", SECRET, "--publish-key", KEY],
    );
    const wire = new Wire(hark.port, PORT);
    const browser = await Browser.launch(findBrowser()!);
    const others = await Promise.all(USERS.flatMap((sub) =>
      CHANNELS.map(async (channel) => {
        const token = await issue({ sub, hark: { subscribe: CHANNELS } });
        const query = `channel=${channel}&token=${token}`;
        return await opened(new WebSocket(`${hark.url.replace("http", "ws")}/ws?${query}`));
      })
    ));
    try {
      const page = await browser.open(
        `${wire.url}/#key=${KEY}`,
      );
      await page.look({ width: 1280, height: 800, scheme: "light" });
      let said = 0;
      const say = async (messages: readonly Said[]) => {
        for (const [channel, data, event] of messages) {
          said++;
          await hark.publish(channel, data, event, KEY);
          await pause(40);
        }
      };
      for (let round = 0; round < ROUNDS; round++) {
        const length = Math.round(4 + 3 * Math.sin(round / 4) + 2 * Math.sin(round * 2));
        await say(TALK.slice(0, Math.max(0, length)));
        await pause(ROUND_MS - 40 * length);
      }
      await say(TALK);
      wire.cut();
      await page.waitFor(`document.querySelector("#state").dataset.state !== "connected"`);
      await say(MISSED);
      wire.mend();
      await page.waitFor(`document.querySelector("#messages .good")`);
      await page.evaluate(`document.querySelector("#form-channel").value = "ci"`);
      await page.type("#form-text", "deploy finished");
      await page.evaluate("document.activeElement.blur()");
      await Deno.mkdir(FOLDER, { recursive: true });
      await say(LAST);
      await page.waitFor(`document.querySelector("#received").textContent === "${said}"`);
      await page.evaluate(`document.querySelector("#messages > li:nth-child(6) summary")?.click()`);
      for (const scheme of ["light", "dark"] as const) {
        for (const [name, width, height] of [["wide", 1280, 800], ["phone", 390, 844]] as const) {
          await page.look({ width, height, scheme, scale: 2 });
          await pause(500);
          const file = new URL(`${scheme}-${name}.png`, FOLDER);
          await Deno.writeFile(file, await page.screenshot());
        }
      }
      assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 390);
      await page.look({ width: 1280, height: 800, scheme: "light", scale: 2 });
      await page.evaluate(`document.querySelector("nav [data-view=sessions]").click()`);
      await page.waitFor(`document.querySelectorAll("#sessions-rows tr").length > 10`);
      await Deno.writeFile(new URL("sessions.png", FOLDER), await page.screenshot());
    } finally {
      for (const other of others) await closed(other);
      await browser.close();
      await wire.close();
      await hark.stop();
    }
  },
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function opened(socket: WebSocket): Promise<WebSocket> {
  return new Promise((resolve) => socket.onopen = () => resolve(socket));
}

function closed(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.onclose = () => resolve();
    socket.close();
  });
}
