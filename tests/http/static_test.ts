import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { listFiles } from "../support/modules.ts";
import { request } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const FOLDER = fromFileUrl(new URL("../../static/", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  md: "text/markdown; charset=UTF-8",
  yaml: "text/yaml; charset=UTF-8",
  json: "application/json; charset=UTF-8",
  html: "text/html; charset=UTF-8",
  css: "text/css; charset=UTF-8",
  js: "text/javascript; charset=UTF-8",
  svg: "image/svg+xml",
  ts: "application/typescript; charset=UTF-8",
};

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

Deno.test("every file of the page is served with its type and the headers that protect it", async () => {
  await using server = await startServer();
  const names = (await listFiles("static")).map((path) => path.replace("static/", ""));
  assert(names.includes("index.html") && names.includes("docs/publish.md"));
  for (const name of ["", "docs/", ...names]) {
    const file = { "": "index.html", "docs/": "docs/README.md" }[name] ?? name;
    const { status, headers, body } = await server.fetch(`/${name}`);
    assertEquals(status, 200, name);
    assertEquals(body, await Deno.readTextFile(FOLDER + file), name);
    assertEquals(headers.get("content-type"), TYPES[file.split(".").at(-1)!], name);
    for (const [header, value] of Object.entries(HEADERS)) {
      assertEquals(headers.get(header), value, `${header} of ${name}`);
    }
  }
});

Deno.test("/docs redirects to /docs/", async () => {
  await using server = await startServer();
  for (const method of ["GET", "HEAD"]) {
    const answer = await fetch(`${server.url}/docs`, { method, redirect: "manual" });
    await answer.body?.cancel();
    const { status, headers } = answer;
    assertEquals([status, headers.get("location")], [308, "docs/"]);
  }
});

Deno.test("a file that did not change is answered with 304", async () => {
  await using server = await startServer();
  for (const path of ["/", "/index.html", "/style.css", "/docs/", "/docs/publish.md"]) {
    const etag = (await server.fetch(path)).headers.get("etag")!;
    assertMatch(etag, /^(W\/)?"[^"]+"$/);
    for (const method of ["GET", "HEAD"]) {
      const headers = { "if-none-match": etag };
      const same = await server.fetch(path, { method, headers });
      assertEquals([same.status, same.body, same.headers.get("etag")], [304, "", etag]);
      for (const [header, value] of Object.entries(HEADERS)) {
        assertEquals(same.headers.get(header), value, `${header} of ${path}`);
      }
    }
    const other = await server.fetch(path, { headers: { "if-none-match": '"other"' } });
    assertEquals(other.status, 200);
  }
});

Deno.test("a part of a file is served, and refused if there is no such part", async () => {
  await using server = await startServer();
  const whole = await Deno.readTextFile(FOLDER + "style.css");
  const part = await server.fetch("/style.css", { headers: { range: "bytes=2-9" } });
  assertEquals([part.status, part.body], [206, whole.slice(2, 10)]);
  const head = { method: "HEAD", headers: { range: "bytes=2-9" } };
  const none = await server.fetch("/style.css", head);
  assertEquals([none.status, none.headers.get("content-length")], [200, String(whole.length)]);
  const beyond = await server.fetch("/style.css", { headers: { range: "bytes=99999999-" } });
  assertEquals(beyond.status, 416);
  assertEquals(beyond.headers.get("content-range"), `bytes */${new Blob([whole]).size}`);
  assertEquals(beyond.headers.get("x-content-type-options"), "nosniff");
});

Deno.test("no path leads out of the folder or lists it", async () => {
  await using server = await startServer();
  const dots = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..;", ".../", "....//", "..%c0%af"];
  const slashes = ["/", "%2f", "%2F", "\\", "%5c", "//", "%252f", "%c0%af"];
  const paths = dots.flatMap((dot) =>
    slashes.flatMap((slash) => [
      `/${dot}${slash}main.ts`,
      `/${dot}${slash}${dot}${slash}etc${slash}passwd`,
      `/static${slash}${dot}${slash}${dot}${slash}deno.json`,
      `${slash}${dot}${slash}main.ts`,
    ])
  );
  paths.push(
    ...["//etc/passwd", "/%2fetc%2fpasswd", "//evil", "//evil/..%2f", "/\\evil", "/C:%5Cboot.ini"],
    ...["/file:///etc/passwd", "/%00", "/index.html%00", "/index.html%00.css", "/%00index.html"],
    ...["/.", "/..", "/./", "/../", "/%2e", "/%2e%2e", "/%2e%2e/", "/.%00", "/..%00/"],
    ...[
      "/.env",
      "/.git/config",
      "/.std",
      "/static",
      "/static/",
      "/docs//",
      "/docs/..",
      "/docs/../",
      "/docs/./publish.md",
      "/docs/publish.md/",
      "/lib/",
      "/index.html/",
      "/%",
    ],
    ...["/index.html/.", "/index%2ehtml", "/INDEX.HTML%20", "/ index.html".replace(" ", "%20")],
    ...[
      "/main.ts",
      "/deno.json",
      "/lib/server.ts",
      "/tests",
      "/index.html~",
      "/*",
      "/?/../main.ts",
    ],
  );
  for (const path of new Set(paths)) {
    const answer = await request(server.port, [`GET ${path} HTTP/1.1`, "Host: localhost"]);
    if (path === "/?/../main.ts") assertMatch(answer.body, /^<!doctype html>/i);
    else assertEquals(answer.status, path.startsWith("/") ? 404 : 400, path);
    assert(!/root:|import |"tasks"/.test(answer.body), path);
  }
});

Deno.test("a target in absolute form leads to no other folder or host", async () => {
  await using server = await startServer();
  const targets: Record<string, number> = {
    "http://localhost/index.html": 200,
    "http://localhost/../main.ts": 404,
    "http://localhost": 200,
    "file:///etc/passwd": 404,
  };
  for (const [target, expected] of Object.entries(targets)) {
    const { status } = await request(server.port, [`GET ${target} HTTP/1.1`, "Host: localhost"]);
    assertEquals(status, expected, target);
  }
});

Deno.test("the client module may be imported by pages of every origin, and no other file", async () => {
  await using server = await startServer();
  const headers = { origin: "https://elsewhere.example" };
  for (const [path, expected] of [["/client.js", "*"], ["/app.js", null]] as const) {
    const answer = await fetch(`${server.url}${path}`, { headers });
    await answer.body?.cancel();
    assertEquals(answer.headers.get("access-control-allow-origin"), expected, path);
    assert(answer.headers.has("etag"), path);
  }
});
