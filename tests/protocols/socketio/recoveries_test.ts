import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { newPid, Recoveries } from "../../../lib/protocols/socketio/recoveries.ts";

function subscriptions(...names: string[]): Map<string, number> {
  return new Map(names.map((name) => [name, 0]));
}

const SINCE = { epoch: "abcdefgh", offset: 5 };
const pids = ["one", "two", "three"].map((name) => `${name}~abcdefgh-5~sid`) as [
  string,
  string,
  string,
];

function channelsOf(recoveries: Recoveries): (readonly string[] | undefined)[] {
  return pids.map((pid) => recoveries.read({ auth: { pid } })?.channels);
}

Deno.test("Recoveries remembers what a client has subscribed to up to the moment it left", () => {
  const recoveries = new Recoveries(10);
  const [pid] = pids;
  const own = subscriptions("a");
  recoveries.remember(pid, own);
  own.set("b", 0);
  assertEquals(recoveries.read({ auth: { pid } }), {
    pid,
    id: "sid",
    since: SINCE,
    channels: ["a", "b"],
  });
  recoveries.left(pid, own);
  assertEquals(recoveries.read({ auth: { pid } }), {
    pid,
    id: "sid",
    since: SINCE,
    channels: ["a", "b"],
  });
  const offset = "abcdefgh-9";
  assertEquals(recoveries.read({ auth: { pid, offset } })?.since, { ...SINCE, offset: 9 });
});

Deno.test("Recoveries forgets those who left the longest ago once it holds too many subscriptions", () => {
  const recoveries = new Recoveries(4);
  const maps = [subscriptions("a", "b"), subscriptions("c"), subscriptions("d", "e")] as const;
  pids.forEach((pid, at) => recoveries.remember(pid, maps[at]!));
  // Those who are connected take no room.
  assertEquals(channelsOf(recoveries), [["a", "b"], ["c"], ["d", "e"]]);
  recoveries.left(pids[1], maps[1]);
  recoveries.left(pids[0], maps[0]);
  assertEquals(channelsOf(recoveries), [["a", "b"], ["c"], ["d", "e"]]);
  recoveries.left(pids[2], maps[2]);
  assertEquals(channelsOf(recoveries), [["a", "b"], undefined, ["d", "e"]]);
  // One who comes back gives the room back.
  recoveries.remember(pids[0], subscriptions("x"));
  const two = subscriptions("f", "g");
  recoveries.remember(pids[1], two);
  recoveries.left(pids[1], two);
  assertEquals(channelsOf(recoveries), [["x"], ["f", "g"], ["d", "e"]]);
});

Deno.test("Recoveries remembers nothing of one who alone had more than it holds", () => {
  const recoveries = new Recoveries(1);
  const own = subscriptions("a", "b");
  recoveries.remember(pids[0], own);
  recoveries.left(pids[0], own);
  assertEquals(channelsOf(recoveries), [undefined, undefined, undefined]);
});

Deno.test("Recoveries counts a client that had no subscription as one", () => {
  const recoveries = new Recoveries(2);
  const empty = pids.map(() => subscriptions());
  pids.forEach((pid, at) => recoveries.remember(pid, empty[at]!));
  pids.forEach((pid, at) => recoveries.left(pid, empty[at]!));
  assertEquals(channelsOf(recoveries), [undefined, [], []]);
  // One that comes back gives its room back.
  recoveries.remember(pids[1], empty[1]!);
  recoveries.remember(pids[0], empty[0]!);
  recoveries.left(pids[0], empty[0]!);
  assertEquals(channelsOf(recoveries), [[], [], []]);
});

Deno.test("Recoveries leaves a client that is back already alone when its old session ends", () => {
  const recoveries = new Recoveries(10);
  const before = subscriptions("a");
  const after = subscriptions("a", "b");
  recoveries.remember(pids[0], before);
  recoveries.remember(pids[0], after);
  recoveries.left(pids[0], before);
  after.set("c", 0);
  assertEquals(channelsOf(recoveries)[0], ["a", "b", "c"]);
  recoveries.left(pids[0], after);
  recoveries.left(pids[0], after);
  assertEquals(channelsOf(recoveries)[0], ["a", "b", "c"]);
});

Deno.test("newPid() is another each time, and ends in position and id", () => {
  assertMatch(newPid("abcdefgh-5", "sid"), /^[\w-]{22}~abcdefgh-5~sid$/);
  assertNotEquals(newPid("abcdefgh-5", "sid"), newPid("abcdefgh-5", "sid"));
});
