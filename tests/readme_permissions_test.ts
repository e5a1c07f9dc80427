import { assertEquals, assertMatch } from "@std/assert";
import { makeCertificate, TemporaryFolder, trusting } from "./support/certificates.ts";
import { readDoc } from "./support/docs.ts";
import { deadline } from "./support/deadline.ts";
import { readLines } from "./support/child.ts";
import type { Inbox } from "./support/inbox.ts";
import { Client } from "./support/socket.ts";
import { freePort } from "./support/free_port.ts";

// The permissions that the pages give a server, tried as they stand but for ports and folders.
const OPERATE = await readDoc("operate");
const REFERENCE = await readDoc("reference");
const ROOT = new URL("..", import.meta.url).pathname;

/** What stands behind `deno` in the unit's ExecStart, and in the image's CMD. */
const UNIT = /^ExecStart=\S*deno (.+)$/m.exec(OPERATE)![1]!.split(" ");
const IMAGE: string[] = JSON.parse(/^CMD (\[.+\])$/m.exec(OPERATE)![1]!);
/** Each row of the table: options, and the permissions that they need instead. */
const ROWS = [...REFERENCE.matchAll(/^\| `(--[^|]+)` +\| `(--allow[^|]+)` +\|$/gm)]
  .map(([, options, permissions]) => [options!.split(" "), permissions!.split(" ")] as const);

interface Attempt {
  /** What the program has said, if it ended before it listened. */
  readonly refused: string | undefined;
  /** The statuses of the page, of publishing, and of who looks after the server. */
  readonly statuses: readonly number[];
  /** Where a client is that a proxy says to be at `CLIENT`. */
  readonly address?: string | undefined;
}

const KEY = "0123456789abcdef";
const CLIENT = "192.0.2.7";

/** Runs the program with these arguments of `deno`, and asks it for what it does. */
async function attempt(args: readonly string[], client?: Deno.HttpClient): Promise<Attempt> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", HARK_PUBLISH_KEYS: KEY, HARK_DRAIN_S: "0" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [out, err] = [readLines(process.stdout), readLines(process.stderr)];
  try {
    const listening = out.find((line) => line.includes("listening on")).catch(() => undefined);
    const url = /listening on (\S+)/.exec(await listening ?? "")?.[1];
    if (url === undefined) return { refused: (await err.rest()).join("\n"), statuses: [] };
    const base = url.replace(/^unix:.*/, "http://localhost").replace("0.0.0.0", "localhost");
    const statuses = [];
    for (const path of ["/", `/broadcast/x?key=${KEY}`, `/metrics?key=${KEY}`]) {
      const answer = await deadline(fetch(base + path, { ...(client && { client }) }));
      await answer.body?.cancel();
      statuses.push(answer.status);
    }
    const headers = { "x-forwarded-for": CLIENT, authorization: `Bearer ${KEY}` };
    const events = await deadline(fetch(`${base}/events`, { headers, ...(client && { client }) }));
    const line = await out.find((line) => line.includes("new connection"));
    await events.body?.cancel();
    return { refused: undefined, statuses, address: /address=(\S+)/.exec(line)?.[1] };
  } finally {
    stop(process);
    await deadline(process.status);
    await Promise.all([out.rest(), err.rest()]);
  }
}

function stop(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGTERM");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // It has ended already.
  }
}

/** A public key as an issuer gives it out. */
async function makeJwks(): Promise<string> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const { publicKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  return JSON.stringify({ keys: [await crypto.subtle.exportKey("jwk", publicKey)] });
}

/** With a free port in the place of that one. */
function movedFrom(port: string, args: readonly string[]): string[] {
  const free = String(freePort());
  const own = args.map((arg) => arg.replaceAll(`:${port}`, `:${free}`));
  return own.includes("--port")
    ? own.with(own.indexOf("--port") + 1, free)
    : [...own, "--port", free];
}

for (const [name, args] of [["unit", UNIT], ["image", IMAGE]] as const) {
  Deno.test(`the permissions of operate.md's ${name} are enough, each is needed, and its proxy is believed`, async () => {
    const permissions = args.filter((arg) => arg.startsWith("--allow-"));
    assertEquals(permissions.map((arg) => arg.split("=")[0]), [
      "--allow-net",
      "--allow-read",
      "--allow-env",
    ]);
    const { refused, statuses, address } = await attempt(movedFrom("3000", args));
    assertEquals([refused, statuses, address], [undefined, [200, 200, 200], CLIENT]);
    for (const permission of permissions) {
      const others = args.filter((arg) => arg !== permission);
      const less = await attempt(movedFrom("3000", others));
      if (permission === "--allow-read=static") assertEquals(less.statuses, [404, 200, 200]);
      else assertMatch(less.refused ?? "", /Requires (net|env) access/);
    }
  });
}

/** What `deno` gets for a row of the table. */
function argumentsFor(options: readonly string[], permissions: readonly string[]): string[] {
  const names = permissions.map((permission) => permission.split("=")[0]!);
  const kept = UNIT.slice(0, UNIT.indexOf("main.ts"))
    .filter((arg) => !names.includes(arg.split("=")[0]!));
  return [...kept, ...permissions, "main.ts", ...options];
}

Deno.test("the permissions of reference.md's table are enough for webhooks, and each is needed", async () => {
  const [options, permissions] = ROWS.find(([[option]]) => option === "--pusher-app")!;
  const posted = Promise.withResolvers<void>();
  await using receiver = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    posted.resolve();
    return new Response();
  });
  const host = `127.0.0.1:${receiver.addr.port}`;
  const args = movedFrom("3000", argumentsFor(options, permissions))
    .map((arg) => arg.replace("https:", "http:").replace("app.example", host));
  await subscribing(args, () => deadline(posted.promise));
  const less = args.map((arg) => arg.replace(`,${host}`, ""));
  await subscribing(less, async (out) => {
    await out.find((line) => line.includes("webhook failed") && line.includes("NotCapable"));
  });
});

/** Runs the program with a client on a channel until something has happened. */
async function subscribing(
  args: readonly string[],
  happened: (err: Inbox<string>) => Promise<void>,
): Promise<void> {
  const process = new Deno.Command(Deno.execPath(), {
    ...{ args: [...args], cwd: ROOT, env: { NO_COLOR: "1", HARK_DRAIN_S: "0" } },
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  const [out, err] = [readLines(process.stdout), readLines(process.stderr)];
  const line = await out.find((line) => line.includes("listening on"));
  const url = /listening on (\S+)/.exec(line)![1]!;
  await using client = await Client.open(`${url.replace("http", "ws")}/app/app-key?protocol=7`);
  client.send('{"event":"pusher:subscribe","data":{"channel":"ci"}}');
  await happened(err);
  stop(process);
  await deadline(process.status);
  await Promise.all([out.rest(), err.rest()]);
}

Deno.test("the permissions of reference.md's table are enough for their options", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "made");
  await Deno.copyFile(certificate.certFile, `${folder.path}/cert.pem`);
  await Deno.copyFile(certificate.keyFile, `${folder.path}/key.pem`);
  await Deno.writeTextFile(`${folder.path}/keys.json`, await makeJwks());
  assertEquals(ROWS.length, 6);
  for (const [options, permissions] of ROWS) {
    if (options.some((option) => option.includes("https:"))) continue;
    const args = argumentsFor(options, permissions)
      .map((arg) => arg.replaceAll(/\/(var\/lib|etc|run)\/hark/g, folder.path));
    const isUnix = options.includes("--listen");
    using client = isUnix
      ? Deno.createHttpClient({ proxy: { transport: "unix", path: `${folder.path}/hark.sock` } })
      : trusting(certificate);
    const moved = isUnix ? args : movedFrom(options.includes("443") ? "443" : "3000", args);
    const { refused, statuses } = await attempt(moved, client);
    assertEquals([refused, statuses], [undefined, [200, 200, 200]], options.join(" "));
  }
});

/** The arguments that a file of YAML lists behind this key. */
async function listed(file: string, key: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(`../static/docs/${file}`, import.meta.url));
  const [, items = ""] = new RegExp(`^ *${key}:\\n((?: +- .+\\n)+)`, "m").exec(text) ?? [];
  return Array.from(items.matchAll(/- (.+)/g), ([, item = ""]) => item);
}

Deno.test("compose.yaml and kubernetes.yaml run the image with a store, and the table's permissions for it", async () => {
  const args = await listed("compose.yaml", "command");
  assertEquals(await listed("kubernetes.yaml", "args"), args);
  const [, store] = ROWS.find(([options]) => options[0] === "--store")!;
  const nameOf = (permission: string) => permission.split("=")[0];
  const names = store.map(nameOf);
  const kept = IMAGE.filter((arg) => arg.startsWith("--allow-") && !names.includes(nameOf(arg)));
  const permissions = args.filter((arg) => arg.startsWith("--allow-"));
  assertEquals(permissions.sort(), [...kept, ...store].sort());
  assertEquals(args.slice(-3), [
    "--host=0.0.0.0",
    "--trust-proxy=1",
    "--store=/var/lib/hark/log.db",
  ]);
});
