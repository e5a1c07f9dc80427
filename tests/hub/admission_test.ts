import { assertEquals } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import type { ConnectionLimits } from "../../lib/core/quota.ts";
import { Admission } from "../../lib/hub/admission.ts";
import { FakeClock } from "../support/fake_clock.ts";

const DEFAULTS = { connectionsMax: 20_000, connectionsPerAddressMax: 200, trustProxy: 0 };

function setUp(limits: Partial<ConnectionLimits> = {}) {
  const clock = new FakeClock();
  const { admit } = new Admission(clock, { ...DEFAULTS, ...limits });
  /** Connects until an address is refused. Returns the number admitted, and which rate is too high. */
  const takeAll = (address: string): [number, string] => {
    for (let count = 0;; count++) {
      try {
        admit(address)();
      } catch (error) {
        if (!(error instanceof Refusal && error.type === "connect-rate")) throw error;
        return [count, error.message.includes("your address") ? "owner" : "all"];
      }
    }
  };
  return { clock, takeAll };
}

Deno.test("Admission lets an address connect twice for each of its slots, then a tenth of them a second", () => {
  const { clock, takeAll } = setUp();
  assertEquals(takeAll("192.0.2.1"), [400, "owner"]);
  assertEquals(takeAll("192.0.2.2"), [400, "owner"]);
  clock.advance(1000);
  assertEquals(takeAll("192.0.2.1"), [20, "owner"]);
  clock.advance(3_600_000);
  assertEquals(takeAll("192.0.2.1"), [400, "owner"]);
});

Deno.test("Admission counts an IPv6 network as one, and this machine's addresses only with all", () => {
  const { clock, takeAll } = setUp({ connectionsMax: 1000 });
  assertEquals(takeAll("2001:db8::1"), [400, "owner"]);
  assertEquals(takeAll("2001:db8::2"), [0, "owner"]);
  assertEquals(takeAll("127.0.0.1"), [1600, "all"]);
  const others = ["::1", "unix", "192.0.2.1"].map((address) => takeAll(address));
  assertEquals(others, [[0, "all"], [0, "all"], [0, "all"]]);
  clock.advance(1000);
  assertEquals(takeAll("127.0.0.1"), [100, "all"]);
});

Deno.test("Admission holds an address that a proxy calls this machine to the rate of one address", () => {
  assertEquals(setUp({ trustProxy: 1 }).takeAll("127.0.0.1"), [400, "owner"]);
});

Deno.test("Admission leaves room to return where an address has few slots", () => {
  const { clock, takeAll } = setUp({ connectionsPerAddressMax: 1 });
  assertEquals(takeAll("192.0.2.1"), [100, "owner"]);
  clock.advance(1000);
  assertEquals(takeAll("192.0.2.1"), [5, "owner"]);
});
