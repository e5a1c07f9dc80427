import { assert, assertEquals } from "@std/assert";
import { Browser, findBrowser } from "../e2e/browser.ts";
import { HarkProcess } from "../e2e/hark.ts";
import { fenced, readDoc } from "../support/docs.ts";
import { project, run } from "./project.ts";
import { toolsFolder } from "./tools.ts";

// The recipes of client.md, as they stand there, in Chromium.

const LINES_MAX = 15;
const PAGE = await readDoc("client");

/** The first block of code under a heading. */
function recipe(heading: string, language: string): string {
  const [, part = ""] = new RegExp(`\n## ${heading}\n(.*?)\n## `, "s").exec(PAGE) ?? [];
  return fenced(part, language)[0] ?? "";
}

/** What uses each recipe: a page that shows the texts of the messages on `ci`. */
const USERS = {
  React: {
    code: recipe("In React", "jsx"),
    main: (url: string) =>
      `import { createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { useMessages } from "./recipe.js";
function List() {
  const messages = useMessages("${url}", "ci");
  return createElement("ul", {}, messages.map(({ id, data }) =>
    createElement("li", { key: id }, data.message)));
}
const root = createRoot(document.querySelector("#app"));
root.render(createElement(StrictMode, {}, createElement(List)));
window.leave = () => root.unmount();`,
  },
  Vue: {
    code: recipe("In Vue", "js"),
    main: (url: string) =>
      `import { createApp, h } from "vue";
import { useMessages } from "./recipe.js";
const app = createApp({
  setup() {
    const messages = useMessages("${url}", "ci");
    return () => h("ul", messages.value.map(({ id, data }) => h("li", { key: id }, data.message)));
  },
});
app.mount("#app");
window.leave = () => app.unmount();`,
  },
};

const SHOWN = `[...document.querySelectorAll("li")].map((item) => item.textContent).join()`;

/** Whether so many clients are connected, as a page finds it out. */
const clientsAre = ({ url }: HarkProcess, count: number) =>
  `fetch("${url}/count").then((answer) => answer.json()).then(({ count }) => count === ${count})`;

for (const [name, { code, main }] of Object.entries(USERS)) {
  Deno.test({
    name: `client.md's recipe for ${name} shows messages, and disconnects when it goes`,
    ignore: findBrowser() === undefined,
    async fn() {
      assert(code !== "" && code.trimEnd().split("\n").length <= LINES_MAX);
      const tools = await toolsFolder();
      const hark = await HarkProcess.start("--port", "0");
      const browser = await Browser.launch(findBrowser()!);
      const folder = await project({
        "index.html":
          `<!DOCTYPE html><title>x</title><div id="app"></div><script type="module" src="./main.js"></script>`,
        "main.js": main(hark.url),
        "recipe.js": code,
      });
      await Deno.symlink(tools, `${folder}/node_modules`);
      try {
        await run(folder, `${tools}/vite/bin/vite.js`, "build");
        const server = Deno.serve({ port: 0, hostname: "localhost", onListen() {} }, (request) => {
          return serveFile(`${folder}/dist`, new URL(request.url).pathname);
        });
        const page = await browser.open(`http://localhost:${server.addr.port}/`);
        await page.waitFor(clientsAre(hark, 1));
        await hark.publish("ci", "one");
        await hark.publish("other", "elsewhere");
        await hark.publish("ci", "two");
        await page.waitFor(`${SHOWN} === "one,two"`);
        await page.evaluate("leave()");
        await page.waitFor(clientsAre(hark, 0));
        assertEquals(page.errors, []);
        await server.shutdown();
      } finally {
        await browser.close();
        await hark.stop();
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test({
  name: "client.md's page shows messages",
  ignore: findBrowser() === undefined,
  async fn() {
    const code = recipe("In a page", "html");
    assert(code !== "" && code.trimEnd().split("\n").length <= LINES_MAX);
    const hark = await HarkProcess.start("--port", "0");
    const browser = await Browser.launch(findBrowser()!);
    const body = code.replace("http://localhost:3000", hark.url);
    const server = Deno.serve({ port: 0, hostname: "localhost", onListen() {} }, ({ url }) => {
      const isPage = new URL(url).pathname === "/";
      return new Response(isPage ? body : null, {
        status: isPage ? 200 : 204,
        headers: { "content-type": "text/html" },
      });
    });
    try {
      const page = await browser.open(`http://localhost:${server.addr.port}/`);
      await page.waitFor(clientsAre(hark, 1));
      await hark.publish("ci", { a: 1 });
      await page.waitFor(`/ci: \\{"a":1\\}/.test(${SHOWN})`);
      assertEquals(page.errors, []);
    } finally {
      await browser.close();
      await hark.stop();
      await server.shutdown();
    }
  },
});

const TYPES: Readonly<Record<string, string>> = { html: "text/html", js: "text/javascript" };

async function serveFile(folder: string, path: string): Promise<Response> {
  const name = path === "/" ? "/index.html" : path;
  const type = TYPES[name.split(".").at(-1)!];
  if (type === undefined) return new Response(null, { status: 204 });
  const file = await Deno.readFile(folder + name);
  return new Response(file, { headers: { "content-type": type } });
}
