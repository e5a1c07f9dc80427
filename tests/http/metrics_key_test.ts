import { assert, assertEquals } from "@std/assert";
import { type ServerOptions, startServer, type TestServer } from "../support/server.ts";

const KEY = "publish-key-of-this-test";
const METRICS_KEY = "metrics-key-of-this-test";

async function statuses(server: TestServer): Promise<number[]> {
  const found = [];
  for (const key of ["", METRICS_KEY, KEY, "wrong"]) {
    const headers = { authorization: `Bearer ${key}` };
    found.push((await server.fetch("/metrics", key === "" ? {} : { headers })).status);
  }
  return found;
}

Deno.test("/metrics needs a key if there is one, from this machine too", async () => {
  const cases: [ServerOptions, number[]][] = [
    [{}, [200, 200, 200, 200]],
    [{ metricsKey: METRICS_KEY }, [401, 200, 401, 401]],
    [{ publishKey: [KEY], metricsKey: "" }, [401, 401, 200, 401]],
    [{ publishKey: [KEY], metricsKey: METRICS_KEY }, [401, 200, 200, 401]],
    [{ tokenSecret: "s".repeat(32), metricsKey: "" }, [403, 403, 403, 403]],
    [{ tokenSecret: "s".repeat(32), metricsKey: METRICS_KEY }, [401, 200, 401, 401]],
    [{ pusherApp: ["1:key:secret"], metricsKey: "" }, [403, 403, 403, 403]],
  ];
  for (const [options, expected] of cases) {
    await using server = await startServer(options);
    assertEquals(await statuses(server), expected, JSON.stringify(options));
  }
});

Deno.test("the key for metrics may be in the query, allows nothing else, and is never shown", async () => {
  await using server = await startServer({ publishKey: [KEY], metricsKey: METRICS_KEY });
  const head = { method: "HEAD" };
  const right = await server.fetch(`/metrics?key=${METRICS_KEY}`);
  assertEquals([right.status, (await server.fetch("/metrics", head)).status], [200, 401]);
  const answers = [right, await server.fetch(`/metrics?key=${METRICS_KEY}x`)];
  for (const path of ["/sessions", "/channels", "/nodes", "/broadcast/x"]) {
    answers.push(await server.fetch(`${path}?key=${METRICS_KEY}`));
  }
  assertEquals(answers.slice(1).map(({ status }) => status), [401, 401, 401, 401, 401]);
  const said = JSON.stringify([answers, server.log.takeAll()]);
  assert(said.includes("Cannot read metrics with this key"));
  assertEquals(said.includes(METRICS_KEY), false);
});
