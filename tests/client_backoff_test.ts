import { mock } from "node:test";
import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { connect } from "../static/client.js";
import { ScriptedSocket, withStandIns } from "./fuzz/scripted.ts";

/** How one connection ends: `ready` is how far it gets before it is closed with `code`. */
interface End {
  readonly ready: "not" | "welcome" | "resumed";
  readonly code: number;
}

const FAILED: End = { ready: "not", code: 1006 };
const LOST: End = { ready: "resumed", code: 1006 };
const AWAY: End = { ready: "resumed", code: 1001 };

/** A WebSocket that answers each command. */
class Socket extends ScriptedSocket {
  static last: Socket | undefined;
  readonly #isResumed: boolean;

  constructor(url: URL) {
    super();
    Socket.last = this;
    this.#isResumed = url.searchParams.has("since");
  }

  /** Gets the answers that `ready` names, and is closed. */
  async meet({ ready, code }: End): Promise<void> {
    const recovered = this.#isResumed ? { recovered: true } : {};
    if (ready !== "not") this.#receive({ type: "welcome", position: "e-1", ...recovered });
    if (ready === "resumed") {
      for (const ref of this.#refs) this.#receive({ type: "ok", ref });
      await settle();
    }
    this.onclose?.({ code, reason: "" });
  }

  readonly #refs: number[] = [];

  override send(data: string): void {
    this.#refs.push(JSON.parse(data).ref);
  }

  #receive(event: object): void {
    this.onmessage?.({ data: JSON.stringify([event]) });
  }
}

/** Lets every promise go on that can. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The longest that the client waits after each of these ends. */
async function waits(...ends: End[]): Promise<number[]> {
  const found: number[] = [];
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    await withStandIns({ WebSocket: Socket, random: () => 1 }, async () => {
      const client = connect({ url: "http://localhost/" });
      for (const end of ends) {
        await settle();
        await Socket.last!.meet(end);
        const waitMs = client.retryAtMs! - Date.now();
        found.push(waitMs);
        mock.timers.tick(waitMs);
      }
      client.close();
    });
  } finally {
    mock.timers.reset();
  }
  return found;
}

Deno.test("the client's back-off begins anew once a resume is complete", async () => {
  const welcomed: End = { ready: "welcome", code: 1006 };
  const lost = await waits(LOST, FAILED, FAILED, FAILED, LOST, LOST, welcomed, welcomed, LOST);
  assertEquals(lost, [500, 1000, 2000, 4000, 500, 500, 1000, 2000, 500]);
});

Deno.test("after 1001 the client's first retries come within 2 s, and then back off", async () => {
  const expected = [...Array(9).fill(2000), 4000, 8000, 16_000, 20_000, 20_000];
  assertEquals(await waits(AWAY, ...Array(13).fill(FAILED)), expected);
  const sentAway = Array(13).fill({ ready: "welcome", code: 1001 });
  assertEquals(await waits(AWAY, ...sentAway), expected);
  const failures = Array(6).fill(FAILED);
  const late = await waits(LOST, ...failures, { ready: "welcome", code: 1001 }, FAILED, AWAY, LOST);
  assertEquals(late.slice(7), [2000, 2000, 2000, 500]);
});
