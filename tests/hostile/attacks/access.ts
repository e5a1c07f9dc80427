import { assert, assertEquals } from "@std/assert";
import { issue, SECRET } from "../../support/tokens.ts";
import type { Attack } from "../attack.ts";
import { repeat, tally } from "../attackers.ts";

const KEY = "a-key-of-the-test-0123456789";
const PER_SECOND_MAX = 100;
const REQUESTS = 1000;

const forwarding: Attack = {
  name: "a client that names another address in a header of its own, each time",
  target: { args: ["--trust-proxy", "1", "--publish-per-second-max", String(PER_SECOND_MAX)] },
  growthMiBMax: 40,
  async run(target) {
    const startedAt = performance.now();
    const statuses = await repeat(REQUESTS, 25, async (index) => {
      const address = `198.51.${index >> 8}.${index & 0xff}`;
      const own = [`for=${address}`, "for=unknown", '"', ""][index % 4]!;
      const headers = { "x-forwarded-for": "192.0.2.1", "x-real-ip": address, forwarded: own };
      const { status } = await target.fetch("/channels/a", { method: "POST", body: "x", headers });
      return status;
    });
    const accepted = tally(statuses)[200]!;
    const seconds = (performance.now() - startedAt) / 1000;
    assertEquals(tally(statuses), { 200: accepted, 429: REQUESTS - accepted });
    assert(accepted <= PER_SECOND_MAX * (seconds + 1), `${accepted} in ${seconds} s`);
    // Nor does it look after the sessions of others.
    for (const method of ["GET", "DELETE"]) {
      const { status } = await target.fetch("/sessions?user=a", { method });
      assertEquals(status, 403, method);
    }
  },
};

const credentials: Attack = {
  name: "tokens that have expired, and passwords that are guessed",
  key: KEY,
  target: { args: ["--token-secret", SECRET, "--publish-key", KEY, "--public", "*"] },
  growthMiBMax: 40,
  async run(target) {
    const hark = { subscribe: ["*"], publish: ["*"] };
    const token = await issue({ exp: Date.now() / 1000 - 3, hark });
    const basic = (password: string) => `Basic ${btoa(`hark:${password}`)}`;
    const statuses = await repeat(REQUESTS, 25, async (index) => {
      const guess = `${KEY.slice(0, -4)}${index}`;
      const authorization = [`Bearer ${token}`, `Bearer ${guess}`, basic(guess)][index % 3]!;
      const init = { method: "POST", body: "x", headers: { authorization } };
      return (await target.fetch("/channels/a", init)).status;
    });
    assertEquals(tally(statuses), { 401: REQUESTS });
    const page = { authorization: basic(KEY), origin: "https://evil.example" };
    const init = { method: "POST", body: "x", headers: page };
    assertEquals((await target.fetch("/channels/a", init)).status, 401);
    const { body } = await target.fetch("/channels/broadcast/presence");
    assertEquals(JSON.parse(body).entries, []);
  },
};

const forms: Attack = {
  name: "forms of as many fields as fit",
  growthMiBMax: 100,
  async run(target) {
    const bytes = 65_536;
    const bodies = [
      "a&".repeat(bytes / 2),
      "&".repeat(3 * bytes),
      "a=%00&".repeat(bytes / 2),
      Array.from({ length: 1000 }, (_, index) => `${index}=${"x".repeat(50)}`).join("&"),
      Array.from({ length: 10_000 }, (_, index) => `k${index}=1`).join("&"),
      "__proto__=1&".repeat(1000),
      `a=${"%".repeat(3 * bytes - 2)}`,
    ];
    for (const as of ["form", "form&field=a", "form&field=__proto__"]) {
      const statuses = await repeat(10 * bodies.length, 10, async (index) => {
        const init = { method: "POST", body: bodies[index % bodies.length]! };
        return (await target.fetch(`/channels/a?as=${as}`, init)).status;
      });
      assertEquals(statuses.filter((status) => ![200, 400, 413].includes(status)), []);
    }
  },
};

/** Attacks of whoever wants to be taken for somebody else, or to send more than is read cheaply. */
export const ACCESS_ATTACKS: readonly Attack[] = [forwarding, credentials, forms];
