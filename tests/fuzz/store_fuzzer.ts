import { assert, assertEquals } from "@std/assert";
import { Refusal, StoreError } from "../../lib/core/errors.ts";
import type { Broker } from "../../lib/broker/broker.ts";
import { type KeptKey, type Logged, order, type Ordered } from "../../lib/broker/journal.ts";
import { randomEpoch } from "../../lib/core/random.ts";
import { SqliteJournal } from "../../lib/broker/sqlite/journal.ts";
import { Removal, Store } from "../../lib/broker/sqlite/store.ts";
import { brokerOn, Deliveries } from "../broker/helpers.ts";
import { TemporaryFolder } from "../support/certificates.ts";
import type { Dice } from "../support/dice.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Fuzzer, Show } from "./fuzzer.ts";
import { someBytes, someChannel, someJson } from "./grammar.ts";
import { attemptAsync } from "./properties.ts";

const DRAFT = { channel: "a", event: "message", data: "1" };

/** A store gives back what was put in; one that was damaged is refused, or still of use. */
class StoreFuzzer implements Fuzzer {
  readonly name = "store";
  readonly rounds = 60;
  #folder: TemporaryFolder | undefined;

  async round(dice: Dice, show: Show): Promise<void> {
    const { path } = this.#folder ??= new TemporaryFolder();
    const file = `${path}/${randomEpoch()}.db`;
    try {
      const batches = fill(dice, file);
      const { store, kept } = Store.open(file, "normal");
      store.close();
      const entries = batches.flatMap(({ entries }) => entries);
      assertEquals(kept.publications.map(rowOf), entries.map(rowOf));
      assertEquals(kept.keys, batches.flatMap(keyOf));
      damage(dice, show, file);
      const opened = await attemptAsync(() => open(file), [StoreError]);
      if ("value" in opened) await use(opened.value);
    } finally {
      for (const suffix of ["", "-wal", "-journal"]) {
        await Deno.remove(file + suffix).catch(() => {}); // There may be none.
      }
    }
  }

  async close(): Promise<void> {
    await this.#folder?.[Symbol.asyncDispose]();
    this.#folder = undefined;
  }
}

export const storeFuzzer: Fuzzer = new StoreFuzzer();

async function open(file: string): Promise<Broker> {
  const clock = new FakeClock();
  const broker = brokerOn(new SqliteJournal(file, clock, "normal"), clock);
  await broker.start(new Deliveries());
  return broker;
}

/** Makes a store with some batches in it. */
function fill(dice: Dice, file: string): Ordered[] {
  const { store, kept } = Store.open(file, "normal");
  let { position } = kept;
  const batches = Array.from({ length: 1 + dice.upTo(20) }, (_, at): Ordered => {
    const caller = dice.chance(0.5) ? someChannel(dice) : undefined;
    const drafts = Array.from({ length: 1 + dice.upTo(2) }, () => {
      const data = dice.chance(0.3) ? someBytes(dice, 200) : someJson(dice);
      return { channel: someChannel(dice), event: "message", data };
    });
    const beganBy = drafts.map(() => dice.chance(0.3) ? someChannel(dice) : undefined);
    const once = dice.chance(0.3)
      ? { caller: caller ?? "", key: String(at), fingerprint: "f" }
      : undefined;
    const batch = { drafts, caller, beganBy, once };
    const ordered = order(batch, position, dice.upTo(2 ** 41));
    position = { ...position, offset: position.offset + drafts.length };
    return ordered;
  });
  store.add(batches);
  const removal = new Removal();
  if (dice.chance(0.5)) removal.lostOffsets.set("a", 1);
  store.remove(removal);
  store.close();
  return batches;
}

function rowOf({ publication, caller, beganBy }: Logged): unknown {
  const { offset, channel, event, data, time } = publication;
  return { offset, channel, event, data, time, caller, beganBy };
}

function keyOf({ once, receipt }: Ordered): KeptKey[] {
  return once === undefined ? [] : [{ request: once, receipt }];
}

/** Changes bytes of the file, or cuts it. */
function damage(dice: Dice, show: Show, file: string): void {
  const bytes = Deno.readFileSync(file);
  if (dice.chance(0.1)) {
    const length = dice.upTo(bytes.length);
    show({ length });
    return Deno.writeFileSync(file, bytes.subarray(0, length));
  }
  const changes = Array.from({ length: 1 + dice.upTo(8) }, () => {
    const at = dice.upTo((dice.chance(0.3) ? 200 : bytes.length) - 1);
    return [at, dice.pick([0, 1, 0x7f, 0x80, 0xff, dice.upTo(255)])] as const;
  });
  show({ bytes: bytes.length, changes });
  for (const [at, byte] of changes) bytes[at] = byte;
  Deno.writeFileSync(file, bytes);
}

async function use(broker: Broker): Promise<void> {
  const page = await broker.history({ channels: ["a"], since: undefined, limit: 1000 });
  for (const { offset, data } of page.publications) {
    assert(
      Number.isSafeInteger(offset) && (typeof data === "string" || data instanceof Uint8Array),
    );
  }
  await broker.channels("", 1000);
  const publishing = attemptAsync(() => broker.publish({ drafts: [DRAFT] }), [Refusal]);
  await attemptAsync(() => broker.close(), [Error]);
  await publishing;
}
