import { assertEquals } from "@std/assert";
import { isGap } from "../../lib/broker/journal.ts";
import { SqliteJournal } from "../../lib/broker/sqlite/journal.ts";
import { eventually } from "../support/deadline.ts";
import { FaultyJournal } from "./faulty_journal.ts";
import { brokerOn, Deliveries, publishOn, TurningClock } from "./helpers.ts";
import { newFile } from "./store_file.ts";

Deno.test("a tap gets what the feed brings, and not what is read when it was lost", async () => {
  const clock = new TurningClock();
  const journal = new FaultyJournal(new SqliteJournal(newFile(), clock, "normal"));
  const events: string[] = [];
  const broker = brokerOn(journal, clock, {
    tap: {
      onEntries: (entries) => {
        for (const entry of entries) {
          events.push(isGap(entry) ? "gap" : String(entry.publication.offset));
        }
      },
      onHealth: (isUp) => void events.push(isUp ? "up" : "down"),
      onLost: (why) => void events.push(`lost: ${why}`),
    },
  });
  const deliveries = new Deliveries();
  await broker.start(deliveries);
  await publishOn(broker, "a");
  journal.isSilent = true;
  const silent = publishOn(broker, "b");
  await eventually(() => journal.swallowed, (count) => count === 1);
  journal.isSilent = false;
  assertEquals(await publishOn(broker, "c"), [3]);
  assertEquals(await silent, [2]);
  journal.report(false);
  assertEquals(await publishOn(broker, "d"), [4]);
  assertEquals(await deliveries.offsets(4), [1, 2, 3, 4]);
  const lost = "lost: the feed left out what comes after 1";
  assertEquals(events, ["1", lost, "down", "4"]);
  await broker.close();
});
