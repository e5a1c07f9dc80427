import { assert, assertEquals } from "@std/assert";
import { OPCODES } from "../../support/raw.ts";
import type { Attack } from "../attack.ts";
import { Crowd, HARK_HEADERS, openPolling, POLLING, repeat } from "../attackers.ts";
import type { Target } from "../target.ts";

const KIB = 1024;
const ROOMS = 20_000;
/** Commands under way at a time. */
const PUBLISHED_AT_ONCE = 500;

const cutOut: Attack = {
  name: "tiny messages in bodies of a megabyte, 200 times",
  growthMiBMax: 200,
  async run(target) {
    const padding = "\n".repeat(1000 * KIB);
    const headers = { "content-type": "application/x-ndjson" };
    const statuses = await repeat(200, 4, async (index) => {
      const init = { method: "POST", headers, body: `"message number ${index}"${padding}` };
      return (await target.fetch(`/channels/cut.${index % 4}`, init)).status;
    });
    assertEquals(new Set(statuses), new Set([200]));
    // What is counted of them, as little as it is, is all that they hold.
    assert(await target.metric("hark_history_bytes") < 100 * KIB);
  },
};

/** Posts on a session of its own, and returns the status. */
async function post(target: Target, version: 3 | 4, body: string): Promise<number> {
  const path = POLLING.replace("EIO=4", `EIO=${version}`);
  const { body: opened } = await target.fetch(path);
  const [, sid] = /"sid":"([\w-]+)"/.exec(opened)!;
  return (await target.fetch(`${path}&sid=${sid}`, { method: "POST", body })).status;
}

const largestPosts: Attack = {
  name: "posts of 500,000 packets, or of 330,000 arrays",
  target: { args: ["--heartbeat-s", "2"], bounds: { pingTimeoutMs: 2000 } },
  growthMiBMax: 250,
  async run(target) {
    const arrays = `[${"[],".repeat(330_000)}[]]`;
    for (let round = 0; round < 3; round++) {
      assertEquals(await post(target, 3, "2:4é".repeat(166_000)), 400);
      assertEquals(await post(target, 3, "1:6".repeat(330_000)), 400);
      assertEquals(await post(target, 4, Array(499_000).fill("6").join("\x1e")), 400);
      assertEquals(await post(target, 4, `40\x1e42["x",${arrays}]`), 200);
      const place = '{"_placeholder":true,"num":0}';
      assertEquals(await post(target, 4, `40\x1e451-["x",${place},${arrays}]\x1ebAQID`), 200);
    }
  },
};

const leftEmpty: Attack = {
  name: "30,000 sessions that left with nothing to remember",
  target: { args: ["--channels-max", "100", "--inbound-per-second-max", "1000"] },
  growthMiBMax: 100,
  leftMiBMax: 3,
  async run(target) {
    const names = Array.from({ length: 15 }, (_, at) => `n${at}`);
    const packets = (write: (name: string) => string) => names.map(write).join("\x1e");
    const join = packets((name) => `40/${name},\x1e42/${name},["unsubscribe","${name}"]`);
    const leave = packets((name) => `41/${name},`);
    await repeat(100, 10, async () => {
      const path = await openPolling(target);
      // Unsubscribing takes a turn of its own: only then it leaves.
      for (let round = 0; round < 20; round++) {
        for (const body of [join, leave]) {
          assertEquals((await target.fetch(path, { method: "POST", body })).status, 200);
        }
      }
      await target.fetch(path, { method: "POST", body: "1" });
    });
  },
};

/** Publishes to every room twice, so that each has lost something. */
async function fillRooms(crowd: Crowd): Promise<void> {
  const connection = await crowd.open("/ws", HARK_HEADERS);
  await connection.text();
  let replies = 0;
  for (let sent = 0; sent < 2 * ROOMS;) {
    for (let more = 0; more < PUBLISHED_AT_ONCE; more++, sent++) {
      const fields = { type: "publish", channel: `room.${sent % ROOMS}`, data: 1, ref: 1 };
      await connection.send(OPCODES.text, JSON.stringify(fields));
    }
    while (replies < sent) {
      replies += (await connection.text()).split('{"type":"ok"').length - 1;
    }
  }
}

const patternReplays: Attack = {
  name: `replays of 127 patterns on ${ROOMS.toLocaleString("en")} channels`,
  target: {
    args: [
      ...["--history-count", "1", "--publish-per-second-max", "1000000"],
      ...["--inbound-per-second-max", "100000"],
    ],
  },
  growthMiBMax: 150,
  // The rooms and what is in them.
  leftMiBMax: 60,
  async run(target) {
    using crowd = new Crowd(target);
    await fillRooms(crowd);
    const { next } = JSON.parse((await target.fetch("/channels/room.1")).body);
    const patterns = Array.from({ length: 127 }, (_, at) => `channel=room.none${at}.*`).join("&");
    const since = `${next.split("-")[0]}-0`;
    for (let round = 0; round < 50; round++) {
      await crowd.listen(`/events?${patterns}&since=${since}`);
    }
  },
};

/** Little that makes much work, or keeps much. */
export const WORK_ATTACKS: readonly Attack[] = [cutOut, largestPosts, leftEmpty, patternReplays];
