import { assertEquals } from "@std/assert";
import { draft, publish, publishOn } from "./helpers.ts";
import {
  assertCannotOpen,
  folder,
  inFile,
  LOCKED,
  newFile,
  open,
  PAGE_BYTES,
} from "./store_file.ts";

const DAMAGED = "it is damaged; move it away to begin a new one, or put back a copy";
const OTHER = "it is a database of another program; name another file";
const UNREACHABLE = "its folder must exist, and this user must have the right to write there";

Deno.test("Store.open() refuses a file that it cannot reach", async () => {
  await assertCannotOpen(`${folder}/missing/a.db`, UNREACHABLE);
  await assertCannotOpen(`${folder}/database is locked/a.db`, UNREACHABLE);
  await assertCannotOpen(folder, UNREACHABLE);
});

Deno.test("Store.open() refuses a file that is no SQLite database", async () => {
  const file = newFile();
  for (const text of ["short", "long enough to have a page of its own\n".repeat(1000)]) {
    await Deno.writeTextFile(file, text);
    await assertCannotOpen(file, "it is not an SQLite database; name another file");
    assertEquals(await Deno.readTextFile(file), text);
  }
});

Deno.test("Store.open() refuses and leaves alone another program's database", async () => {
  const file = newFile();
  inFile(file, (db) => db.exec("CREATE TABLE log (epoch TEXT)"));
  const before = await Deno.readFile(file);
  await assertCannotOpen(file, OTHER);
  assertEquals(await Deno.readFile(file), before);
  inFile(file, (db) => db.exec("DROP TABLE log; PRAGMA application_id = 7"));
  await assertCannotOpen(file, OTHER);
});

Deno.test("Store.open() refuses a store of another version", async () => {
  const file = newFile();
  await (await open(file)).close();
  inFile(file, (db) => db.exec("PRAGMA user_version = 2"));
  await assertCannotOpen(file, "expected a store of version 1, got 2; use the Hark that made it");
});

Deno.test("Store.open() refuses a damaged store", async () => {
  const file = newFile();
  const broker = await open(file);
  for (let count = 0; count < 50; count++) {
    await publish(broker, [draft("a", new Uint8Array(3000))]);
  }
  await broker.close();
  const sound = await Deno.readFile(file);
  await Deno.writeFile(file, sound.subarray(0, 10 * PAGE_BYTES));
  await assertCannotOpen(file, DAMAGED);
  for (let page = 0; page < sound.length / PAGE_BYTES; page += 9) {
    const damaged = sound.slice();
    damaged.fill(0xa5, page * PAGE_BYTES + 100, (page + 1) * PAGE_BYTES);
    await Deno.writeFile(file, damaged);
    await assertCannotOpen(file, DAMAGED);
  }
  await Deno.writeFile(file, sound);
  inFile(file, (db) => db.exec("DELETE FROM log"));
  await assertCannotOpen(file, DAMAGED);
});

Deno.test("Store.open() refuses a store with a damaged schema, and shows none of it", async () => {
  const file = newFile();
  await (await open(file)).close();
  const sound = await Deno.readFile(file);
  const text = new TextDecoder("latin1").decode(sound);
  const placeOf = (word: string) => text.indexOf(word);
  const formatAt = 47; // the number of the schema's format, the last byte of it
  for (const at of [placeOf("CREATE TABLE log"), placeOf("start_offset"), formatAt]) {
    const damaged = sound.slice();
    damaged[at] = 0x09;
    await Deno.writeFile(file, damaged);
    await assertCannotOpen(file, DAMAGED);
  }
});

Deno.test("Store.open() makes a store of an empty file", async () => {
  const file = newFile();
  await Deno.writeFile(file, new Uint8Array(0));
  const broker = await open(file);
  assertEquals(await publishOn(broker, "a"), [1]);
  await broker.close();
});

Deno.test(
  "Store.open() says so when Deno may not write",
  { permissions: { read: true, write: false } },
  async () => {
    const right = "Deno was not given the right; start it with --allow-read and --allow-write";
    await assertCannotOpen(`${folder}/forbidden.db`, right);
  },
);

Deno.test("Store.open() refuses a store that is open in the same process", async () => {
  const file = newFile();
  const broker = await open(file);
  await assertCannotOpen(file, LOCKED);
  assertEquals(await publishOn(broker, "a"), [1]);
  await broker.close();
});

/** The modes of a store's files, with whatever else begins with its name. */
function modes(file: string): Record<string, string> {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => `${folder}/${name}`)
    .filter((name) => name.startsWith(file)).toSorted();
  return Object.fromEntries(names.map((name) => {
    return [name.slice(file.length), (Deno.statSync(name).mode! & 0o777).toString(8)];
  }));
}

Deno.test("Store.open() makes files that no other user can read", async () => {
  const file = newFile();
  const broker = await open(file);
  await publishOn(broker, "a");
  assertEquals(modes(file), { "": "600", "-wal": "600" });
  await broker.close();
  assertEquals(modes(file), { "": "600" });
});

Deno.test("Store.open() makes no file where a link points, as others might read it", async () => {
  const [file, link] = [newFile(), newFile()];
  await Deno.symlink(file, link);
  await assertCannotOpen(link, UNREACHABLE);
  assertEquals(modes(file), {});
});

Deno.test("Store.open() leaves the mode of an existing file", async () => {
  const file = newFile();
  await Deno.writeFile(file, new Uint8Array(0), { mode: 0o640 });
  const broker = await open(file);
  assertEquals(modes(file), { "": "640", "-wal": "640" });
  await broker.close();
});
