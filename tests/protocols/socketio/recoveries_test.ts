import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { newPid, Recoveries } from "../../../lib/protocols/socketio/recoveries.ts";
import type { RecoveryRecord } from "../../../lib/protocols/socketio/records.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const SINCE = { epoch: "abcdefgh", offset: 5 };
const pids = ["one", "two", "three"].map((name) => `${name}~abcdefgh-5`) as [
  string,
  string,
  string,
];

function recoveriesOf(subscriptionsMax: number): Recoveries {
  return new Recoveries({ clock: new FakeClock(), subscriptionsMax, copies: [] });
}

function client(pid: string, ...names: string[]) {
  return {
    pid,
    id: "sid",
    user: undefined,
    subscriptions: new Map(names.map((name) => [name, 0])),
  };
}

function recordOf(pid: string, channels: string[], comebacks = 0): RecoveryRecord {
  return { pid, id: "sid", user: undefined, channels, comebacks };
}

function channelsOf(recoveries: Recoveries): (readonly string[] | undefined)[] {
  return pids.map((pid) => recoveries.read({ pid }, undefined)?.record?.channels);
}

Deno.test("Recoveries remembers all that a client was subscribed to when it left", () => {
  const recoveries = recoveriesOf(10);
  const own = client(pids[0], "a");
  const auth = { pid: own.pid };
  recoveries.remember(own);
  own.subscriptions.set("b", 0);
  const expected = { since: SINCE, record: recordOf(own.pid, ["a", "b"]) };
  assertEquals(recoveries.read(auth, undefined), expected);
  recoveries.left(own.pid, own.subscriptions);
  assertEquals(recoveries.read(auth, undefined), expected);
  const later = recoveries.read({ ...auth, offset: "abcdefgh-9" }, undefined);
  assertEquals(later?.since, { ...SINCE, offset: 9 });
});

Deno.test("Recoveries returns a record only to its user", () => {
  const recoveries = recoveriesOf(10);
  const auth = { pid: pids[0] };
  recoveries.remember({ ...client(pids[0], "a"), user: "ann" });
  const channelsFor = (user: string | undefined) => {
    return recoveries.read(auth, user)?.record?.channels;
  };
  assertEquals(["ann", "bob", undefined].map(channelsFor), [["a"], undefined, undefined]);
});

Deno.test("Recoveries evicts the clients that left first once it holds too many subscriptions", () => {
  const recoveries = recoveriesOf(4);
  const clients = [client(pids[0], "a", "b"), client(pids[1], "c"), client(pids[2], "d", "e")];
  for (const each of clients) recoveries.remember(each);
  const leave = (at: number) => recoveries.left(pids[at]!, clients[at]!.subscriptions);
  // Connected clients take no room.
  assertEquals(channelsOf(recoveries), [["a", "b"], ["c"], ["d", "e"]]);
  leave(1);
  leave(0);
  assertEquals(channelsOf(recoveries), [["a", "b"], ["c"], ["d", "e"]]);
  leave(2);
  assertEquals(channelsOf(recoveries), [["a", "b"], undefined, ["d", "e"]]);
  // A client that comes back frees its room.
  recoveries.remember(client(pids[0], "x"));
  const two = client(pids[1], "f", "g");
  recoveries.remember(two);
  recoveries.left(two.pid, two.subscriptions);
  assertEquals(channelsOf(recoveries), [["x"], ["f", "g"], ["d", "e"]]);
});

Deno.test("Recoveries remembers nothing of a client that alone had more than it holds", () => {
  const recoveries = recoveriesOf(1);
  const own = client(pids[0], "a", "b");
  recoveries.remember(own);
  recoveries.left(own.pid, own.subscriptions);
  assertEquals(channelsOf(recoveries), [undefined, undefined, undefined]);
});

Deno.test("Recoveries counts a client without subscriptions as one", () => {
  const recoveries = recoveriesOf(2);
  const clients = pids.map((pid) => client(pid));
  for (const each of clients) recoveries.remember(each);
  for (const { pid, subscriptions } of clients) recoveries.left(pid, subscriptions);
  assertEquals(channelsOf(recoveries), [undefined, [], []]);
  // A client that comes back frees its room.
  recoveries.remember(clients[1]!);
  recoveries.remember(clients[0]!);
  recoveries.left(pids[0], clients[0]!.subscriptions);
  assertEquals(channelsOf(recoveries), [[], [], []]);
});

Deno.test("Recoveries keeps a client that is back when its old session ends", () => {
  const recoveries = recoveriesOf(10);
  const before = client(pids[0], "a");
  const after = client(pids[0], "a", "b");
  recoveries.remember(before);
  recoveries.remember(after);
  recoveries.left(pids[0], before.subscriptions);
  after.subscriptions.set("c", 0);
  assertEquals(channelsOf(recoveries)[0], ["a", "b", "c"]);
  recoveries.left(pids[0], after.subscriptions);
  recoveries.left(pids[0], after.subscriptions);
  assertEquals(channelsOf(recoveries)[0], ["a", "b", "c"]);
});

Deno.test("Recoveries copies changed and evicted records at the end of the turn", async () => {
  const clock = new FakeClock();
  const put: RecoveryRecord[][] = [];
  const forgotten: (readonly string[])[] = [];
  const copies = [{
    isNeeded: true,
    update(records: readonly RecoveryRecord[], pids: readonly string[]) {
      put.push([...records]);
      forgotten.push(pids);
    },
  }];
  const recoveries = new Recoveries({ clock, subscriptionsMax: 1, copies });
  const [one, two] = [client(pids[0], "a"), client(pids[1], "b")];
  recoveries.remember(one);
  recoveries.remember(two);
  one.subscriptions.set("c", 0);
  recoveries.changed(one.pid);
  recoveries.changed("unknown");
  assertEquals(put, []);
  clock.turn();
  assertEquals(put, [[recordOf(one.pid, ["a", "c"]), recordOf(two.pid, ["b"])]]);
  recoveries.left(one.pid, one.subscriptions);
  recoveries.left(two.pid, two.subscriptions);
  clock.turn();
  assertEquals([put[1], forgotten], [[], [[], [one.pid]]]);
  copies[0]!.isNeeded = false;
  recoveries.remember(client(two.pid, "b"));
  assertEquals(recoveries.changed(two.pid), undefined);
  copies[0]!.isNeeded = true;
  const copied = recoveries.changed(two.pid);
  clock.turn();
  await copied;
  assertEquals(put.slice(2), [[recordOf(two.pid, ["b"], 1)]]);
});

Deno.test("Recoveries takes records of other nodes, unless it knows newer ones", () => {
  const recoveries = recoveriesOf(3);
  const [pid] = pids;
  const own = client(pid, "own");
  recoveries.take(recordOf(pid, ["a"]));
  assertEquals(channelsOf(recoveries)[0], ["a"]);
  recoveries.take(recordOf(pid, ["a", "b"]));
  assertEquals([channelsOf(recoveries)[0], [...recoveries.records()]], [["a", "b"], []]);
  recoveries.remember(own);
  assertEquals([...recoveries.records()], [recordOf(pid, ["own"], 1)]);
  // An older record of the other node, from before the client came here.
  recoveries.take(recordOf(pid, ["late"]));
  assertEquals(channelsOf(recoveries)[0], ["own"]);
  // Its client has moved on: only its old session ends here.
  recoveries.take(recordOf(pid, ["moved"], 2));
  recoveries.left(pid, own.subscriptions);
  assertEquals([channelsOf(recoveries)[0], [...recoveries.records()]], [["moved"], []]);
  // Those of other nodes are bounded too.
  recoveries.take(recordOf(pids[1], ["a", "b"]));
  recoveries.take(recordOf(pids[2], ["c"]));
  assertEquals(channelsOf(recoveries), [undefined, ["a", "b"], ["c"]]);
});

Deno.test("newPid() differs each time, and ends in the position", () => {
  assertMatch(newPid("abcdefgh-5"), /^[\w-]{22}~abcdefgh-5$/);
  assertNotEquals(newPid("abcdefgh-5"), newPid("abcdefgh-5"));
});
