import { assert, assertEquals } from "@std/assert";
import {
  BROADCAST,
  checkChannel,
  checkSubscription,
  covers,
  isChannel,
  isPattern,
  isSubscription,
  subscriptionsOf,
} from "../../lib/core/channel.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { formatPosition, isPosition, parsePosition } from "../../lib/core/publication.ts";
import { readLimit } from "../../lib/api/pages.ts";
import { decodeSegment, type Match, type Route, Router } from "../../lib/http/router.ts";
import { parseSince } from "../../lib/core/since.ts";
import { readSubscription } from "../../lib/http/subscription.ts";
import { CORS } from "../../lib/http/cors.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { someChannel, somePosition, someSubscription, someText } from "./grammar.ts";
import { mutateText } from "./mutator.ts";
import { attempt } from "./properties.ts";

/** Channels, patterns and places in the log. */
const namesFuzzer: Fuzzer = {
  name: "names",
  rounds: 1000,
  round(dice, show) {
    const donors = [someChannel(dice), someSubscription(dice), somePosition(dice)];
    const names = donors.map((text) => dice.chance(0.4) ? text : mutateText(dice, text, donors));
    const [name = "", other = "", position = ""] = names;
    const part = name.slice(0, dice.upTo(name.length));
    const subscription = dice.chance(0.5) ? other : part + dice.pick(["*", ".*", ":*"]);
    show([...names, subscription]);
    assertEquals("value" in attempt(() => checkChannel(name), [TypeError]), isChannel(name));
    assertEquals(isChannel(name), /^[\w.:@=,;#-]{1,200}$/.test(name) && !name.endsWith("\n"));
    const isTaken = "value" in attempt(() => checkSubscription(subscription), [TypeError]);
    assertEquals(isTaken, isSubscription(subscription));
    assert(!isTaken || isPattern(subscription) !== isChannel(subscription));
    if (isChannel(name) && isTaken) {
      assertEquals(subscriptionsOf(name).includes(subscription), covers(subscription, name));
    }
    const parsed = attempt(() => parsePosition(position), [SyntaxError]);
    if (!("value" in parsed)) return;
    assert(Number.isSafeInteger(parsed.value.offset));
    assertEquals(parsePosition(formatPosition(parsed.value)), parsed.value);
  },
};

const NOW_MS = Date.UTC(2026, 0, 31);
const TIMES = ["all", "10m", "99999d", "2026-01-30T23:59:60.5+01:00", "2026-01-30t23:59:59z"];

/** What a client asks for in its query. */
const queryFuzzer: Fuzzer = {
  name: "query",
  rounds: 500,
  round(dice, show) {
    const pairs = [
      ...[["channel", someSubscription(dice)], ["channel", someSubscription(dice)]],
      ...[
        ["since", dice.pick([somePosition(dice), ...TIMES])],
        ["lastEventId", somePosition(dice)],
        ["presence", "1"],
        [
          "limit",
          String(dice.upTo(1200)),
        ],
      ],
    ];
    const query = new URLSearchParams(dice.some(pairs, 0.7)).toString();
    const mutated = dice.chance(0.3) ? query : mutateText(dice, query, [query]);
    const lastEventId = dice.pick([null, "", somePosition(dice), someText(dice)]);
    show({ mutated, lastEventId });
    const read = new URLSearchParams(mutated);
    const subscription = attempt(() => readSubscription(read, NOW_MS, lastEventId), [Refusal]);
    if ("value" in subscription) {
      const { channels, since } = subscription.value;
      assertEquals(channels, [...new Set([BROADCAST, ...read.getAll("channel")])]);
      assert(channels.every(isSubscription));
      const names = ["lastEventId", "lastEventID", "last-event-id", "Last-Event-ID"];
      const added = [lastEventId, ...names.map((name) => read.get(name))].find((text) => text);
      const given = added || read.get("since");
      if (!given) assertEquals(since, undefined);
      else if (added && !isPosition(added)) assertEquals(since, { epoch: "foreign", offset: 0 });
      else assertEquals(since, parseSince(given, NOW_MS));
    }
    const limit = attempt(() => readLimit(read), [Refusal]);
    if ("value" in limit) assert(limit.value >= 1 && limit.value <= 1000);
  },
};

const PATHS = ["/a/:b", "/a", "/a/:b/c", "/", "/:x/:y/z", "/a/b"];
const ROUTER = new Router(PATHS.map((path): Route => ({ path, methods: {}, cors: CORS.allowed })));

/** Paths and what stands in them, percent-encoded. */
const routerFuzzer: Fuzzer = {
  name: "router",
  rounds: 1000,
  round(dice, show) {
    const text = someText(dice, 8);
    assertEquals(decodeSegment(encodeURIComponent(text)), text);
    const path = dice.pick(PATHS).replace(/:\w/g, () => encodeURIComponent(text) || "x");
    const mutated = dice.chance(0.3) ? path : mutateText(dice, path, PATHS).toWellFormed();
    show(mutated);
    const match = ROUTER.find(mutated);
    assertEquals(match?.route.path, PATHS.find((pattern) => matches(pattern, mutated)));
    if (match !== undefined) checkMatch(match, mutated);
  },
};

export const NAMES_FUZZERS: readonly Fuzzer[] = [namesFuzzer, queryFuzzer, routerFuzzer];

/** Whether a path is one of a pattern's, said in another way. */
function matches(pattern: string, path: string): boolean {
  return new RegExp(`^${pattern.replace(/:\w/g, "[^/]+")}$`, "s").test(path);
}

/** Put in their places, the parameters make up the path again. */
function checkMatch({ route, params }: Match, path: string): void {
  assertEquals(route.path.replace(/:(\w)/g, (_, name) => params[name]!), path);
  for (const text of Object.values(params)) {
    const decoded = attempt(() => decodeSegment(text), [Refusal]);
    if ("value" in decoded) {
      assert(decoded.value.length <= text.length);
      assertEquals(decodeSegment(encodeURIComponent(decoded.value)), decoded.value);
    }
  }
}
