import { assertEquals } from "@std/assert";
import { packageFolder } from "../interop/clients.ts";
import { Browser, findBrowser, type Page } from "./browser.ts";
import { HarkProcess } from "./hark.ts";

const path = findBrowser();
// deno-lint-ignore no-console -- a test that is left out must be seen
if (path === undefined) console.log("SKIPPED: no Chromium here, so the tutorial is not tested");

const PORT = 3000;

/** The tutorial's page, with the client that it uses under another URL. */
const TUTORIAL = `<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <title>WebSockets example</title>
    <script type="text/javascript" src="socket.io.js"></script>
  </head>
  <body>
    <script type="text/javascript">
      var client = io('localhost:3000');

      client.on('message', function (data) {
          console.log('data', data);
      });
    </script>
  </body>
</html>
`;

/** Starts a server where the tutorial's page looks for one, or anywhere if that is taken. */
function startHark(): Promise<HarkProcess> {
  return HarkProcess.start("--port", String(isFree(PORT) ? PORT : 0));
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** Makes sure that the page logs the greeting and what is broadcast, and nothing else. */
async function assertListens(page: Page, hark: HarkProcess): Promise<void> {
  const logged = ["Welcome to my server", "happy birthday", "<b>ü€😀</b>"];
  await page.waitForLogs(1);
  for (const message of logged.slice(1)) {
    const answer = await fetch(`${hark.url}/broadcast/${encodeURIComponent(message)}`);
    assertEquals(await answer.json(), { message });
  }
  await page.waitForLogs(logged.length);
  assertEquals(page.logs, logged.map((message) => ["data", { message }]));
  await page.waitFor(`client.io.engine.transport.name === "websocket"`);
  assertEquals(page.errors, []);
}

Deno.test({
  name: "the tutorial's page, served by another server, logs the greeting and each broadcast",
  ignore: path === undefined,
  async fn() {
    const hark = await startHark();
    const bundle = await Deno.readTextFile(`${await packageFolder("1.4.8")}/socket.io.js`);
    const html = TUTORIAL.replace("localhost:3000", `localhost:${hark.port}`);
    const files = new Map([["/", ["text/html", html]], ["/socket.io.js", [
      "text/javascript",
      bundle,
    ]]]);
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      const [type, body] = files.get(new URL(request.url).pathname) ?? [];
      if (type === undefined) return new Response(null, { status: 204 });
      return new Response(body, { headers: { "content-type": type } });
    });
    const browser = await Browser.launch(path!);
    try {
      const page = await browser.open(`http://localhost:${server.addr.port}/`);
      await assertListens(page, hark);
    } finally {
      await browser.close();
      await server.shutdown();
      await hark.stop();
    }
  },
});

Deno.test({
  name: "the tutorial's page, opened as a file, logs the greeting and each broadcast",
  ignore: path === undefined,
  async fn() {
    const hark = await startHark();
    const folder = await Deno.makeTempDir({ prefix: "hark-tutorial-" });
    const bundle = await Deno.readTextFile(`${await packageFolder("1.4.8")}/socket.io.js`);
    await Deno.writeTextFile(`${folder}/socket.io.js`, bundle);
    const html = TUTORIAL.replace("localhost:3000", hark.url);
    await Deno.writeTextFile(`${folder}/index.html`, html);
    const browser = await Browser.launch(path!);
    try {
      await assertListens(await browser.open(`file://${folder}/index.html`), hark);
    } finally {
      await browser.close();
      await hark.stop();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
