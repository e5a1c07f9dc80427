import { assertEquals } from "@std/assert";
import { workersOf } from "../../lib/workers/parent.ts";
import { TemporaryFolder } from "../support/certificates.ts";

const MODULE = new URL("../../lib/workers/parent.ts", import.meta.url).href;
const COUNT = `
  const { workersOf } = await import(${JSON.stringify(MODULE)});
  console.log(workersOf({ workers: "auto" }));`;
/** Makes a folder the cgroups of this machine, and one of them the own: this process is as in a container. */
const IN_CGROUP = `
  mount --bind "$1" /sys/fs/cgroup && mount --bind "$1/own" /proc/$$/cgroup || exit 1
  shift; exec "$@"`;

async function run(...[name = "", ...args]: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(name, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const canMount = await run("unshare", "-m", "mount", "--bind", "/tmp", "/mnt") !== undefined;
const canPin = await run("taskset", "-c", "0", "true") !== undefined;

Deno.test("--workers N starts N workers, and auto one for each core", () => {
  assertEquals(workersOf({ workers: "7" }), 7);
  assertEquals(workersOf({ workers: "auto" }), navigator.hardwareConcurrency);
});

Deno.test({
  name: "auto respects the whole cores in the quota of a container, and is at least one" +
    (canMount ? "" : " (skipped: this user may not mount)"),
  ignore: !canMount,
  async fn() {
    await using folder = new TemporaryFolder();
    await Deno.mkdir(`${folder.path}/box`);
    await Deno.writeTextFile(`${folder.path}/own`, "0::/box\n");
    await Deno.writeTextFile(`${folder.path}/box/cgroup.controllers`, "cpu\n");
    const counted = async (cpuMax: string) => {
      await Deno.writeTextFile(`${folder.path}/box/cpu.max`, `${cpuMax}\n`);
      const inCgroup = ["-m", "sh", "-c", IN_CGROUP, "sh", folder.path];
      return Number(await run("unshare", ...inCgroup, Deno.execPath(), "eval", COUNT));
    };
    const cores = navigator.hardwareConcurrency;
    assertEquals(await counted("max 100000"), cores);
    assertEquals(await counted("50000 100000"), 1);
    assertEquals(await counted("100000 100000"), 1);
    assertEquals(await counted("150000 100000"), 1);
    assertEquals(await counted("200000 100000"), Math.min(2, cores));
    assertEquals(await counted("6400000 100000"), cores);
  },
});

Deno.test({
  name: "auto is one process on one core" + (canPin ? "" : " (skipped: no taskset)"),
  ignore: !canPin,
  async fn() {
    assertEquals(await run("taskset", "-c", "0", Deno.execPath(), "eval", COUNT), "1");
  },
});
