import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { order } from "../../lib/broker/journal.ts";
import { Store } from "../../lib/broker/sqlite/store.ts";
import { parseConfig } from "../../lib/config/config.ts";
import { makeCertificate, TemporaryFolder } from "../support/certificates.ts";
import { type LogEntry, startServer } from "../support/server.ts";
import { run } from "../support/shell.ts";
import { makeKeys } from "../support/tokens.ts";

const DRAFT = { channel: "a", event: "message", data: "{}" };

/** Writes a file with a key for tokens. */
async function writeKeys(file: string): Promise<void> {
  const { jwk } = await makeKeys("ES256");
  await Deno.writeTextFile(file, JSON.stringify({ keys: [jwk] }));
}

/** Every file of a folder: its name, its bytes, and when it was changed. */
async function snapshot(folder: string): Promise<unknown[]> {
  const files = await Array.fromAsync(Deno.readDir(folder));
  const found = files.toSorted((a, b) => a.name < b.name ? -1 : 1).map(async ({ name, isFile }) => {
    const path = `${folder}/${name}`;
    const { mtime } = await Deno.lstat(path);
    return [name, isFile && (await Deno.readFile(path)).toBase64(), mtime];
  });
  return [(await Deno.stat(folder)).mtime, ...await Promise.all(found)];
}

/** Options, in a FOLDER that `prepare()` fills, and the problem with them if there is one. */
const TRIED: readonly [args: string, problem: RegExp | undefined][] = [
  ["--tls-cert FOLDER/a.crt --tls-key FOLDER/a.key", undefined],
  [
    "--tls-cert FOLDER/a.crt --tls-key FOLDER/b.key",
    /^Cannot use .*: they do not belong together$/,
  ],
  ["--tls-cert FOLDER/none --tls-key FOLDER/a.key", /^Cannot use certificate .*: No such file/],
  ["--token-jwks FOLDER/keys.json", undefined],
  ["--token-jwks FOLDER/none", /^Cannot read the keys of FOLDER\/none: No such file/],
  ["--token-jwks FOLDER/text", /^Cannot read the keys of FOLDER\/text: expected JSON$/],
  ["--token-jwks https://issuer.invalid/keys.json", undefined],
  ["--store FOLDER/used.db", undefined],
  ["--store FOLDER/new.db", undefined],
  ["--store FOLDER/empty", undefined],
  ["--store FOLDER/empty.db", undefined],
  ["--store FOLDER/none/x.db", /^Cannot open the store FOLDER\/none\/x.db: its folder must exist/],
  ["--store FOLDER/text/x.db", /^Cannot open the store FOLDER\/text\/x.db: /],
  ["--store FOLDER", /^Cannot open the store FOLDER: its folder must exist/],
  ["--store FOLDER/pipe", /^Cannot open the store FOLDER\/pipe: /],
  ["--store FOLDER/text", /^Cannot open the store FOLDER\/text: it is not an SQLite database/],
  ["--store FOLDER/other.db", /^Cannot open the store .*: it is a database of another program/],
  ["--store FOLDER/later.db", /^Cannot open the store .*: expected a store of version 1, got 2/],
  ["--redis redis://:s3cret@127.0.0.1:1", /^Cannot use Redis at 127.0.0.1:1: .* refused/],
  [
    "--redis rediss://localhost --redis-ca FOLDER/text",
    /^Cannot read the certificates of FOLDER\/text: expected -----BEGIN CERTIFICATE-----$/,
  ],
  ["--listen unix:FOLDER/new.sock", undefined],
  [
    "--listen unix:FOLDER/text",
    /^Cannot listen on unix:FOLDER\/text: there is a file of that name/,
  ],
  ["--listen unix:FOLDER/none/x.sock", /^Cannot listen on unix:FOLDER\/none\/x.sock: /],
];

/** Fills a folder with right and wrong files. */
async function prepare(folder: string): Promise<void> {
  await makeCertificate(folder, "a");
  await makeCertificate(folder, "b");
  await writeKeys(`${folder}/keys.json`);
  await Deno.writeTextFile(`${folder}/text`, "x".repeat(1000));
  await Deno.writeTextFile(`${folder}/empty`, "");
  await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
  Store.open(`${folder}/used.db`, "normal").store.close();
  const databases = {
    empty: "CREATE TABLE x (y); DROP TABLE x",
    other: "CREATE TABLE x (y)",
    later: "",
  };
  for (const [name, statement] of Object.entries(databases)) {
    const file = `${folder}/${name}.db`;
    if (name === "later") await Deno.copyFile(`${folder}/used.db`, file);
    using db = new DatabaseSync(file);
    db.exec(statement || "PRAGMA user_version = 2");
  }
}

Deno.test("hark check tries all that a server does before it listens, and changes nothing", async () => {
  await using folder = new TemporaryFolder();
  await prepare(folder.path);
  const before = await snapshot(folder.path);
  for (const [given, problem] of TRIED) {
    const { code, said } = await run("check", given.replaceAll("FOLDER", folder.path).split(" "));
    const text = said.join().replaceAll(folder.path, "FOLDER");
    if (problem === undefined) assert(code !== 2, `${given}: ${text}`);
    else {
      assertEquals(code, 2, given);
      assertMatch(text.split("\n")[0]!, problem);
    }
  }
  assertEquals(await snapshot(folder.path), before);
});

Deno.test("hark check has a store that is in use for a right one", async () => {
  await using folder = new TemporaryFolder();
  const { store, kept } = Store.open(`${folder.path}/log.db`, "normal");
  store.add([order({ drafts: [DRAFT] }, kept.position, 0)]);
  assertEquals((await run("check", ["--store", `${folder.path}/log.db`])).code, 0);
  store.close();
});

/** Resolves to the log of a server that starts and stops in this process, or why it cannot start. */
async function tryStart(args: readonly string[]): Promise<readonly LogEntry[] | Error> {
  const parsed = parseConfig(args, {});
  if (parsed.kind !== "run") throw new TypeError("expected options");
  try {
    const server = await startServer(parsed.config);
    await server.stop();
    return server.log.takeAll();
  } catch (error) {
    return error as Error;
  }
}

/** Errors of which the program says the message and no stack. */
const TOLD = ["ConfigError", "ListenError", "RedisError", "StoreError"];

Deno.test("a server starts with the options that hark check accepts, and with no others", async () => {
  await using folder = new TemporaryFolder();
  await prepare(folder.path);
  for (const [given, problem] of TRIED) {
    const args = given.replaceAll("FOLDER", folder.path).split(" ");
    const address = given.includes("--listen") ? [] : ["--port", "0"];
    const started = await tryStart([...args, ...address]);
    if (started instanceof Error) {
      assert(problem !== undefined, `${given}: ${started.message}`);
      assert(TOLD.includes(started.name), `${given}: ${started.stack}`);
      assert(!/^ +at /m.test(started.message), started.message);
    } else {
      assertEquals(problem, undefined, given);
      // A server runs without the keys of an issuer, and may have found already that they are not to be had.
      const bad = started.filter(({ level }) => level === "warn" || level === "error")
        .filter((entry) => !JSON.stringify(entry).includes("issuer.invalid"));
      assertEquals(bad, [], given);
    }
  }
});

Deno.test("hark check lists every reason why a server would not start", async () => {
  await using folder = new TemporaryFolder();
  const none = `${folder.path}/none`;
  const args = [
    "--tls-cert",
    none,
    "--tls-key",
    none,
    "--token-jwks",
    none,
    "--store",
    `${none}/x`,
  ];
  const { code, said } = await run("check", args);
  assertEquals([code, said.join().match(/^Cannot .*$/gm)?.length], [2, 3]);
});
