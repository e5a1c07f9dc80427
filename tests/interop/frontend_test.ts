import { assertEquals, assertMatch } from "@std/assert";
import { Browser, findBrowser } from "../e2e/browser.ts";
import { HarkProcess } from "../e2e/hark.ts";
import { readLines } from "../support/child.ts";
import { project, run } from "./project.ts";
import { toolsFolder } from "./tools.ts";

// client.js as a front end has it: copied into a project, type-checked, bundled, in a worker.

const TYPED =
  `import { connect, HarkError, type Message, type Presence, type Welcome } from "./client.js";
const hark = connect({ url: new URL("https://push.example.com"), channels: ["ci"], since: "10m" });
const off: () => void = hark.on("message", ({ id, channel, time }: Message) => {
  const parts: [string, string | undefined, number | undefined] = [id, channel, time];
  console.log(parts);
});
hark.on("gap", ({ since }) => since.length);
hark.on("welcome", ({ position, expiresInMs }: Welcome) => position.length + (expiresInMs ?? 0));
hark.on("presence", ({ joined: [first] }: Presence) => first?.user);
hark.on("error", (error) => error instanceof HarkError && error.code);
const { id, time }: { id: string; time: number } = await hark.publish("ci", { a: 1 });
for await (const { data } of hark) console.log(data, id, time);
hark.retry();
off();
// @ts-expect-error -- there is no such event
hark.on("nothing", () => {});
// @ts-expect-error -- nor such an option
connect({ host: "x" });
`;

Deno.test("tsc --strict takes the client's types", async () => {
  const folder = await project({ "main.ts": TYPED });
  const tsc = `${await toolsFolder()}/typescript/bin/tsc`;
  const libs = ["--lib", "es2023,dom,dom.iterable", "--target", "es2022"];
  const modules = ["--module", "esnext", "--moduleResolution", "bundler"];
  await run(
    folder,
    tsc,
    "--strict",
    "--exactOptionalPropertyTypes",
    "--noEmit",
    ...libs,
    ...modules,
    "main.ts",
  );
  await Deno.remove(folder, { recursive: true });
});

const page = (options: string) => ({
  "index.html": `<!DOCTYPE html><title>x</title><script type="module" src="./main.js"></script>`,
  "main.js": `import { connect } from "./client.js";
const hark = connect(${options});
hark.on("message", ({ data }) => console.log("got", data));
hark.on("state", ({ state, reason }) => console.log(state, reason));
`,
});

Deno.test({
  name: "a page that Vite serves or has built connects, or says that it needs a url",
  ignore: findBrowser() === undefined,
  async fn() {
    const vite = `${await toolsFolder()}/vite/bin/vite.js`;
    const hark = await HarkProcess.start("--port", "0");
    const browser = await Browser.launch(findBrowser()!);
    try {
      for (const [options, isRight] of [[`{ url: "${hark.url}" }`, true], ["", false]] as const) {
        const folder = await project(page(options));
        const built = await run(folder, vite, "build");
        assertEquals(/warn/i.test(built), false, built);
        for (const command of ["dev", "preview"]) {
          const args = [vite, command, "--port", "0", "--host", "127.0.0.1"];
          const child = new Deno.Command("node", {
            args,
            cwd: folder,
            stdout: "piped",
            env: { NO_COLOR: "1" },
          }).spawn();
          const lines = readLines(child.stdout);
          const line = await lines.find((line) => /http:\/\/\S+/.test(line));
          const opened = await browser.open(/http:\/\/\S+/.exec(line)![0]);
          await opened.waitForLogs(1);
          if (isRight) {
            assertEquals(opened.logs[0]![0], "connected");
            await hark.publish("broadcast", command);
            await opened.waitForLogs(2);
            assertEquals(opened.logs[1]![0], "got");
          } else {
            assertMatch(
              String(opened.logs.at(-1)),
              /^stopped,Cannot connect: .* give connect\(\) its url/,
            );
            assertEquals(
              opened.errors.some((error) => error.includes("give connect() its url")),
              true,
            );
          }
          child.kill("SIGTERM");
          await child.status;
          await lines.rest();
        }
        await Deno.remove(folder, { recursive: true });
      }
    } finally {
      await browser.close();
      await hark.stop();
    }
  },
});

Deno.test("Node says that a copied client needs a url", async () => {
  const folder = await project({ "main.mjs": `import { connect } from "./client.js"; connect();` });
  await Deno.writeTextFile(`${folder}/package.json`, `{ "type": "module" }`);
  const failed = await run(folder, "main.mjs").catch(String);
  assertMatch(failed, /TypeError: Cannot connect: .* give connect\(\) its url/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "the client works in a Web Worker, and in a page that was opened as a file",
  ignore: findBrowser() === undefined,
  async fn() {
    const hark = await HarkProcess.start("--port", "0");
    const imported = `import { connect } from "${hark.url}/client.js";
      connect().on("message", ({ data }) => (self.document ? console.log : postMessage)(data));`;
    const folder = await project({
      "file.html": `<!DOCTYPE html><title>x</title><script type="module">${imported}</script>`,
    });
    const page = `<!DOCTYPE html><title>x</title><script type="module">
        const code = new Blob([${JSON.stringify(imported)}], { type: "text/javascript" });
        const worker = new Worker(URL.createObjectURL(code), { type: "module" });
        worker.onmessage = ({ data }) => console.log(data);</script>`;
    // A page of file:// may start no worker.
    const server = Deno.serve({ port: 0, hostname: "localhost", onListen() {} }, () => {
      return new Response(page, { headers: { "content-type": "text/html" } });
    });
    const browser = await Browser.launch(findBrowser()!);
    try {
      for (const url of [`file://${folder}/file.html`, `http://localhost:${server.addr.port}/`]) {
        const opened = await browser.open(url);
        const sending = setInterval(() => hark.publish("broadcast", "seen"), 100);
        await opened.waitForLogs(1).finally(() => clearInterval(sending));
        assertEquals(opened.logs[0], [{ message: "seen" }], url);
      }
    } finally {
      await browser.close();
      await hark.stop();
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
