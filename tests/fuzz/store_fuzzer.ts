import { assert, assertEquals } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import { Publication, randomEpoch } from "../../lib/core/publication.ts";
import { SqliteBroker } from "../../lib/broker/sqlite/sqlite.ts";
import { Store, StoreError } from "../../lib/broker/sqlite/store.ts";
import { ROOMY } from "../broker/helpers.ts";
import { TemporaryFolder } from "../support/certificates.ts";
import type { Dice } from "../support/dice.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Fuzzer, Show } from "./fuzzer.ts";
import { someBytes, someChannel, someJson } from "./grammar.ts";
import { attempt, attemptAsync } from "./properties.ts";

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
      const publications = fill(dice, file);
      const { store, kept } = Store.open(file, "normal");
      store.close();
      assertEquals(kept.publications.map(rowOf), publications.map(rowOf));
      damage(dice, show, file);
      const opened = attempt(() => open(file), [StoreError]);
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

function open(file: string): SqliteBroker {
  return SqliteBroker.open(file, { clock: new FakeClock(), limits: ROOMY, sync: "normal" });
}

/** Makes a store with some publications in it. */
function fill(dice: Dice, file: string): Publication[] {
  const { store, kept } = Store.open(file, "normal");
  const publications = Array.from({ length: 1 + dice.upTo(30) }, (_, at) => {
    const data = dice.chance(0.3) ? someBytes(dice, 200) : someJson(dice);
    const draft = { channel: someChannel(dice), event: "message", data };
    return new Publication({ epoch: kept.epoch, offset: at + 1 }, draft, dice.upTo(2 ** 41));
  });
  store.add(publications);
  const lostOffsets = dice.chance(0.5) ? [["a", 1] as const] : [];
  store.remove({ offsets: [], lostOffsets, forgottenOffset: 0 });
  store.close();
  return publications;
}

function rowOf({ offset, channel, event, data, time }: Publication): unknown {
  return { offset, channel, event, data, time };
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

async function use(broker: SqliteBroker): Promise<void> {
  await broker.start(() => {});
  const page = await broker.history({ channels: ["a"], since: undefined, limit: 1000 });
  for (const { offset, data } of page.publications) {
    assert(
      Number.isSafeInteger(offset) && (typeof data === "string" || data instanceof Uint8Array),
    );
  }
  await broker.channels("", 1000);
  const publishing = attemptAsync(() => broker.publish([DRAFT]), [Refusal]);
  await attemptAsync(() => broker.close(), [Error]);
  await publishing;
}
