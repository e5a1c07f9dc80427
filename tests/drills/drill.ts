import { assertEquals } from "@std/assert";
import { Cluster, type ClusterOptions } from "../support/cluster.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { type Follower, type Kind, RESUMING } from "./follower.ts";
import { makeFollower } from "./followers.ts";
import { Ledger, readId } from "./ledger.ts";
import { Flood, pause } from "./publishers.ts";

/** Where publishers and followers of a drill find its nodes. */
export interface Place {
  readonly ports: readonly number[];
  /** What publishers show, where not everybody may publish. */
  readonly key?: string;
}

/** What a drill came to, by name. */
export type Figures = Readonly<Record<string, number>>;

/** How large a drill is: `short` for the tests, `full` for figures. */
export type Size = "short" | "full";

/** One row of the table of drills. */
export interface Drill {
  readonly name: string;
  readonly what: string;
  /** What it needs is not installed. */
  readonly isMissing?: boolean;
  run(size: Size): Promise<Figures>;
}

/** Who is in a drill, and what happens to them. */
export interface CrowdOptions {
  /** How many of each kind there are. */
  readonly followers: Partial<Record<Kind, number>>;
  readonly publishers?: number;
  readonly pauseMs?: number;
  readonly answerMs?: number;
  /** Publications that a follower may be behind before publishers wait: all of them share one core. */
  readonly behindMax?: number;
  /** What happens while all of them publish. */
  readonly meanwhile: (crowd: Crowd) => Promise<void>;
  /** Nothing is disturbed: nobody may lose anything, whoever they are. */
  readonly isCalm?: boolean;
  /** The log loses nothing: nobody may be told that it has. */
  readonly isWhole?: boolean;
}

/** A drill on a cluster. */
export interface DrillOptions extends Omit<CrowdOptions, "meanwhile"> {
  readonly cluster: ClusterOptions;
  readonly meanwhile: (scene: Scene) => Promise<void>;
}

/** What a drill can disturb. */
export interface Scene extends Crowd {
  readonly cluster: Cluster;
}

/** Who is in a drill. */
export interface Crowd {
  readonly flood: Flood;
  readonly ledger: Ledger;
  readonly followers: readonly Follower[];
}

/** Some of every kind that is tried. */
export const EVERYBODY: CrowdOptions["followers"] = {
  hark: 3,
  sse: 3,
  recovering: 3,
  plain: 1,
  socketio4: 1,
  socketio2: 1,
};

/** Nobody is late where nothing is disturbed, on a busy machine either. */
const ANSWER_MS = 60_000;
const END_MIN_MS = 100;
const END_MAX_MS = 5000;
/** If followers that are behind get nothing more for so long, they never will. */
const STUCK_MS = 60_000;

/** Runs a drill. Throws unless everybody got everything once and in one order, or was told of a gap. */
export async function drill(options: DrillOptions): Promise<Figures> {
  await using cluster = await Cluster.start(options.cluster);
  return await drillAt(cluster, {
    ...options,
    meanwhile: (crowd) => options.meanwhile({ ...crowd, cluster }),
  });
}

/** Runs a drill as `drill()` does, at a place that is there. */
export async function drillAt(place: Place, options: CrowdOptions): Promise<Figures> {
  const ledger = new Ledger();
  const ports = () => place.ports;
  const followers = Object.entries(options.followers).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, at) => makeFollower(kind as Kind, ledger, ports, at))
  );
  await deadline(Promise.all(followers.map((follower) => follower.start())), 60_000);
  const startedAt = performance.now();
  const { publishers = 8, pauseMs = 10, answerMs = ANSWER_MS, behindMax = Infinity } = options;
  const isAhead = () => followers.some(({ got }) => ledger.accepted.size - got.length > behindMax);
  const { key } = place;
  const flood = new Flood({ ledger, ports, key, publishers, pauseMs, answerMs, isAhead });
  try {
    await options.meanwhile({ flood, ledger, followers });
    await flood.stop();
    await untilAllHave(followers, flood);
  } finally {
    await flood.stop();
    await Promise.all(followers.map((follower) => follower.stop()));
  }
  return {
    ...check(ledger, followers, options),
    seconds: Math.round((performance.now() - startedAt) / 1000),
  };
}

/** Publishes until each follower has got something of the end, and so all that came before it. */
async function untilAllHave(followers: readonly Follower[], flood: Flood): Promise<void> {
  const ends = new Set<string>();
  let got = 0;
  let gotMoreAt = performance.now();
  // A crowd that is behind gets few ends to do besides.
  for (let pauseMs = END_MIN_MS;; pauseMs = Math.min(2 * pauseMs, END_MAX_MS)) {
    const text = `end:${ends.size}`;
    ends.add(text);
    await flood.insist(text);
    await pause(pauseMs);
    const late = followers.filter((follower) => !follower.isAt(ends));
    if (late.length === 0) return;
    const now = performance.now();
    const gotNow = late.reduce((sum, follower) => sum + follower.got.length, 0);
    if (gotNow !== got) gotMoreAt = now;
    got = gotNow;
    if (now - gotMoreAt < STUCK_MS) continue;
    const counts = late.map(({ kind, got }) => `${kind} ${got.length}`);
    throw new Error(`Not all have got to the end: ${counts.join(", ")}`);
  }
}

function check(
  ledger: Ledger,
  followers: readonly Follower[],
  { isCalm = false, isWhole = false }: CrowdOptions,
): Figures {
  for (const { got } of followers) {
    for (const { text, id } of got) if (id !== "") ledger.know(text, id);
  }
  let deliveries = 0;
  let notices = 0;
  let returns = 0;
  let unrecovered = 0;
  for (const follower of followers) {
    checkOrder(follower, ledger);
    if (isCalm || RESUMING.includes(follower.kind)) {
      assertEquals(lostBy(follower, ledger), [], `lost by ${follower.kind}`);
    }
    deliveries += follower.got.length;
    notices += follower.notices.length;
    returns += follower.returns;
    unrecovered += follower.unrecovered;
  }
  if (isWhole) assertEquals(notices, 0, "false notices");
  if (isCalm) assertEquals([notices, returns, ledger.refused, ledger.unanswered], [0, 0, 0, 0]);
  const { accepted, refused, unanswered, slowestMs } = ledger;
  return {
    accepted: accepted.size,
    refused,
    unanswered,
    slowestMs: Math.round(slowestMs),
    deliveries,
    returns,
    unrecovered,
    notices,
    lost: 0,
    doubled: 0,
  };
}

/** Each once, and all in the order of the log. */
function checkOrder({ kind, got }: Follower, ledger: Ledger): void {
  let last = { epoch: "", offset: 0 };
  for (const { text, id } of got) {
    const known = id === "" ? ledger.idOf(text) : id;
    if (known === undefined) continue; // Nobody that gets ids got it, and its publisher no answer.
    const next = readId(known);
    if (next.epoch === last.epoch && next.offset <= last.offset) {
      throw new Error(`${kind} got ${text} at ${next.offset}, behind ${last.offset}`);
    }
    last = next;
  }
}

/**
 * What was acknowledged and did not come, though no notice says so. A notice may be about what came before
 * the position that it was given for, as another node may have seen more of what a jump has lost: but about
 * the end of that alone.
 */
function lostBy({ got, notices }: Follower, ledger: Ledger): string[] {
  const had = new Set(got.map(({ text }) => text));
  // A slow one has come to an end that is not the last, and is not waited for any longer.
  const offsets = got.flatMap(({ text }) => ledger.accepted.get(text) ?? []);
  const reached = offsets.reduce((highest, offset) => Math.max(highest, offset), 0);
  const jumps = ledger.jumps();
  const partOf = (offset: number) => jumps.filter((end) => end <= offset).length;
  const parts = Map.groupBy(offsets, partOf);
  const last = new Map(Array.from(parts, ([part, of]) => [part, of.at(-1)!]));
  return [...ledger.accepted].filter(([text, offset]) =>
    offset <= reached && !had.has(text) &&
    !notices.some(({ since, until }) =>
      offset <= until && (since < offset || offset > (last.get(partOf(offset)) ?? 0))
    )
  ).map(([text, offset]) => `${text} at ${offset}`);
}

/** Resolves once publishing works again on all nodes that are there. */
export async function untilUp(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    await eventually(
      async () => {
        const response = await fetch(`http://127.0.0.1:${port}/channels/probe`, {
          method: "POST",
          body: "up",
        });
        await response.body?.cancel();
        return response.status;
      },
      (status) => status === 200,
    );
  }
}
