import { assert, assertEquals, assertExists, assertMatch } from "@std/assert";
import { serveDir } from "@std/http/file-server";
import { join } from "@std/path";

const PAGE = "<!doctype html><p>hëllo</p>";
const BYTES = new TextEncoder().encode("0123456789");

/** Runs `test` with a folder of files to serve; beside that folder lies a secret. */
async function withFolder(test: (get: Get) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir();
  const fsRoot = join(parent, "static");
  try {
    await Deno.mkdir(join(fsRoot, "empty"), { recursive: true });
    await Deno.mkdir(join(fsRoot, "docs"));
    await Deno.writeTextFile(join(parent, "secret.txt"), "secret");
    await Deno.writeTextFile(join(fsRoot, "index.html"), PAGE);
    await Deno.writeTextFile(join(fsRoot, ".hidden"), "hidden");
    await Deno.writeTextFile(join(fsRoot, "docs", "index.html"), "docs");
    await Deno.writeFile(join(fsRoot, "data.txt"), BYTES);
    await Deno.writeFile(join(fsRoot, "nothing.js"), new Uint8Array());
    await test(async (path, init) => {
      const request = new Request(`http://localhost${path}`, init);
      const options = { fsRoot, quiet: true, headers: ["x-test: a:b"] };
      const response = await serveDir(request, options);
      return { response, body: await response.text() };
    });
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

type Get = (path: string, init?: RequestInit) => Promise<{ response: Response; body: string }>;

Deno.test("serveDir() serves a file with its type, length, validators and the extra headers", async () => {
  await withFolder(async (get) => {
    const { response, body } = await get("/data.txt");
    assertEquals(response.status, 200);
    assertEquals(body, "0123456789");
    assertEquals(response.headers.get("content-type"), "text/plain; charset=UTF-8");
    assertEquals(response.headers.get("content-length"), "10");
    assertEquals(response.headers.get("accept-ranges"), "bytes");
    assertEquals(response.headers.get("x-test"), "a:b");
    assertMatch(response.headers.get("etag") ?? "", /^W\/"a-.{27}"$/);
    assertExists(response.headers.get("last-modified"));
  });
});

Deno.test("serveDir() answers for a folder with its index.html", async () => {
  await withFolder(async (get) => {
    const { response, body } = await get("/");
    assertEquals(response.status, 200);
    assertEquals(body, PAGE);
    assertEquals(response.headers.get("content-type"), "text/html; charset=UTF-8");
    assertEquals((await get("/docs/")).body, "docs");
  });
});

Deno.test("serveDir() knows the types of a page's files", async () => {
  const types = {
    "a.css": "text/css; charset=UTF-8",
    "a.js": "text/javascript; charset=UTF-8",
    "a.json": "application/json; charset=UTF-8",
    "a.png": "image/png",
    "a.svg": "image/svg+xml",
    "a.unknown-ending": null,
  };
  const fsRoot = await Deno.makeTempDir();
  try {
    for (const [name, type] of Object.entries(types)) {
      await Deno.writeTextFile(join(fsRoot, name), "content");
      const request = new Request(`http://localhost/${name}`);
      const response = await serveDir(request, { fsRoot, quiet: true });
      await response.body?.cancel();
      assertEquals(response.headers.get("content-type"), type, name);
    }
  } finally {
    await Deno.remove(fsRoot, { recursive: true });
  }
});

Deno.test("serveDir() answers HEAD with the headers of the whole file and no body", async () => {
  await withFolder(async (get) => {
    for (const headers of [{}, { "if-none-match": "*" }, { range: "bytes=2-5" }]) {
      const { response, body } = await get("/data.txt", { method: "HEAD", headers });
      assertEquals(response.status, 200);
      assertEquals(response.headers.get("content-length"), "10");
      assertEquals(body, "");
    }
  });
});

Deno.test("serveDir() serves an empty file", async () => {
  await withFolder(async (get) => {
    const { response, body } = await get("/nothing.js");
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("content-length"), "0");
    assertEquals(body, "");
  });
});

Deno.test("serveDir() answers 304 to who has the file already", async () => {
  await withFolder(async (get) => {
    const first = await get("/data.txt");
    const etag = first.response.headers.get("etag") ?? "";
    const lastModified = first.response.headers.get("last-modified") ?? "";
    const conditions: [Record<string, string>, number][] = [
      [{ "if-none-match": etag }, 304],
      [{ "if-none-match": `"other", ${etag}` }, 304],
      [{ "if-none-match": etag.replace("W/", "") }, 304],
      [{ "if-none-match": "*" }, 304],
      [{ "if-none-match": '"other"' }, 200],
      [{ "if-none-match": '"other"', "if-modified-since": lastModified }, 200],
      [{ "if-modified-since": lastModified }, 304],
      [{ "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" }, 200],
      [{ "if-modified-since": "not a date" }, 200],
    ];
    for (const [headers, status] of conditions) {
      const { response, body } = await get("/data.txt", { headers });
      assertEquals(response.status, status, JSON.stringify(headers));
      assertEquals(body, status === 304 ? "" : "0123456789");
      assertEquals(response.headers.get("etag"), etag);
    }
  });
});

Deno.test("serveDir() serves one range of bytes", async () => {
  const ranges: [string, number, string, string | null][] = [
    ["bytes=0-0", 206, "0", "bytes 0-0/10"],
    ["bytes=2-5", 206, "2345", "bytes 2-5/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=7-99", 206, "789", "bytes 7-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=nonsense", 200, "0123456789", null],
    ["bytes=-", 200, "0123456789", null],
  ];
  await withFolder(async (get) => {
    for (const [range, status, expected, contentRange] of ranges) {
      const { response, body } = await get("/data.txt", { headers: { range } });
      assertEquals(
        [response.status, body, response.headers.get("content-range")],
        [status, expected, contentRange],
        range,
      );
      assertEquals(response.headers.get("content-length"), `${expected.length}`);
    }
    for (const range of ["bytes=10-", "bytes=5-2"]) {
      const { response } = await get("/data.txt", { headers: { range } });
      assertEquals(response.status, 416, range);
      assertEquals(response.headers.get("content-range"), "bytes */10");
    }
  });
});

Deno.test("serveDir() redirects to the tidy path, without the extra headers", async () => {
  const redirects = {
    "/docs": "/docs/",
    "/data.txt/": "/data.txt",
    "//data.txt": "/data.txt",
    "/docs///": "/docs/",
    "/docs/%2e%2e%2fdata.txt": "/data.txt",
  };
  await withFolder(async (get) => {
    for (const [path, location] of Object.entries(redirects)) {
      const { response } = await get(path);
      assertEquals(response.status, 301, path);
      assertEquals(response.headers.get("location"), `http://localhost${location}`, path);
      assertEquals(response.headers.get("x-test"), null);
    }
  });
});

Deno.test("serveDir() answers 404 where there is no file, and lists no folder", async () => {
  await withFolder(async (get) => {
    for (const path of ["/missing", "/docs/missing.html", "/empty/", "/.hidden", "/.git/config"]) {
      const { response } = await get(path);
      assertEquals(response.status, 404, path);
      assertEquals(response.headers.get("x-test"), "a:b");
    }
  });
});

Deno.test("serveDir() never leaves its folder", async () => {
  const paths = [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/docs/..%2f..%2fsecret.txt",
    "/..%5csecret.txt",
    "/%00",
    "/data.txt%00.html",
  ];
  await withFolder(async (get) => {
    for (const path of paths) {
      const { response, body } = await get(path);
      assert(response.status >= 300, path);
      assert(!body.includes("secret"), path);
    }
  });
});

Deno.test("serveDir() answers 500 to a path that is not valid percent-encoding", async () => {
  await withFolder(async (get) => {
    assertEquals((await get("/%E0%A4%A")).response.status, 500);
    assertEquals((await get("/%ff")).response.status, 500);
  });
});

Deno.test("serveDir() answers 405 to any method but GET and HEAD", async () => {
  await withFolder(async (get) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      for (const path of ["/data.txt", "/missing"]) {
        const { response } = await get(path, { method });
        assertEquals(response.status, 405, method);
        assertEquals(response.headers.get("x-test"), null);
      }
    }
  });
});
