import { assert, assertEquals } from "@std/assert";
import { random, randomInteger } from "../support/random.ts";
import { readAfter } from "../broker/helpers.ts";
import { assertCannotOpen, folder, LOCKED, newFile, open } from "../broker/store_file.ts";

function spawnChild(name: string, file: string): Deno.ChildProcess {
  const script = new URL(name, import.meta.url).href;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "-A", script, file],
    stdout: "piped",
    cwd: folder,
  }).spawn();
}

/** Lets a child publish until it has reported `linesMin` lines, and kills it. */
async function crashChild(file: string, linesMin: number): Promise<string[]> {
  const child = spawnChild("./crash_child.ts", file);
  let text = "";
  let lines = 0;
  let killed = false;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    lines += chunk.split("\n").length - 1;
    if (lines < linesMin || killed) continue;
    killed = true;
    await assertCannotOpen(file, LOCKED);
    child.kill("SIGKILL");
  }
  await child.status;
  return text.split("\n").slice(0, -1);
}

Deno.test("SqliteJournal loses and doubles nothing when it is killed again and again", async () => {
  const file = newFile();
  const next = random(1);
  const reported = new Set<string>();
  for (let round = 0; round < 20; round++) {
    for (const line of await crashChild(file, 1 + randomInteger(next, 1500))) reported.add(line);
  }
  const broker = await open(file, {
    historyCount: 1_000_000,
    historyAgeS: 31_536_000,
    historyBytesMax: 1e9,
    historyTotalBytesMax: 1e9,
  });
  const page = await readAfter(broker, undefined, ["*"], { limit: 10_000_000 });
  const kept = page.publications.map(({ id, data }) => `${id} ${data}`);
  await broker.close();
  const keptOnce = new Set(kept);
  assertEquals(keptOnce.size, kept.length);
  assertEquals([...reported].filter((line) => !keptOnce.has(line)), []);
  assertEquals(new Set(page.publications.map(({ id }) => id)).size, kept.length);
  assertEquals(new Set(page.publications.map(({ data }) => data)).size, kept.length);
  // What was committed and not yet reported when the kill came may be there too: a turn's worth.
  assert(kept.length - reported.size <= 20 * 64 * 3);
});

Deno.test("SqliteJournal takes a relative name for a file, whatever it means to SQLite", async () => {
  for (const name of [":memory:", "file:memory?mode=memory"]) {
    const child = spawnChild("./crash_child.ts", name);
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
    const broker = await open(`${folder}/${name}`);
    assert(broker.stats().publications > 0);
    await broker.close();
  }
});

Deno.test({
  name: "SqliteJournal refuses what the disk has no room for, and works again with room",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const child = spawnChild("./full_disk_child.ts", newFile());
    const { stdout } = await child.output();
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)), {
      before: [1],
      tooBig: [2, "unavailable", 3],
      full: ["unavailable", "unavailable"],
      kept: [1, 2, 3],
      after: [4, 5],
      delivered: [1, 2, 3, 4, 5],
      health: ["reset to 0 after 0", "down", "up", "down", "up"],
    });
  },
});
