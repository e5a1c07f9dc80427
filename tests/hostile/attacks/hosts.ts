import { assertEquals } from "@std/assert";
import { TemporaryFolder } from "../../support/certificates.ts";
import { deadline } from "../../support/deadline.ts";
import type { Attack } from "../attack.ts";
import { repeat, tally } from "../attackers.ts";
import { exchange, latin1 } from "../raw_http.ts";
import { Target } from "../target.ts";

const KEY = "a-key-of-the-test-0123456789";
const ROUNDS = 100;
const AT_ONCE = 20;
const PUBLISH = "/broadcast/pwned?channel=pwned";

/** What a request's own lines say of whom it is for. */
interface Request {
  readonly target: string;
  readonly host: string;
}

function headOf({ target, host }: Request): string {
  const lines = [`GET ${target} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${KEY}`];
  return [...lines, "Connection: close", "", ""].join("\r\n");
}

/** How often each status is the answer to these requests, each sent many times. */
async function send(
  requests: readonly Request[],
  ask: (head: string) => Promise<number>,
): Promise<Record<string, number>> {
  const statuses = await repeat(requests.length * ROUNDS, AT_ONCE, (index) => {
    return ask(headOf(requests[index % requests.length]!));
  });
  return tally(statuses);
}

/** What was published with `PUBLISH`. */
async function published(target: Target): Promise<unknown[]> {
  const headers = { authorization: `Bearer ${KEY}` };
  const { body } = await target.fetch("/channels/pwned", { headers });
  return JSON.parse(body).publications;
}

/** By which names a browser reaches the server for a page, and says nothing of the page. */
const otherSite: Attack = {
  name: "a page of another site that publishes by 0.0.0.0 and mapped addresses",
  growthMiBMax: 60,
  async run(target) {
    const names = ["0.0.0.0", "[::]", "[::ffff:0:0]", "[::ffff:7f00:1]", "rebound.evil.example"];
    const requests = names.map((name) => ({ target: PUBLISH, host: `${name}:${target.port}` }));
    const statuses = await send(requests, async (head) => {
      return (await exchange(target.port, head)).status;
    });
    assertEquals(statuses, { 421: ROUNDS * requests.length });
    assertEquals(await published(target), []);
  },
};

/** What a proxy hands on to a Unix socket, from a page whose name leads to the proxy. */
const throughSocket: Attack = {
  name: "a page of another site that publishes through a proxy and a Unix socket",
  growthMiBMax: 60,
  async run() {
    await using folder = new TemporaryFolder();
    const path = `${folder.path}/hark.sock`;
    await using _socket = await Target.start({ args: ["--listen", `unix:${path}`] });
    const names = ["evil.test", "0.0.0.0", "192.0.2.1", "localhost.evil.test", "hark"];
    const requests = names.map((host) => ({ target: PUBLISH, host }));
    const statuses = await send(requests, async (head) => statusOf(await overUnix(path, head)));
    assertEquals(statuses, { 421: ROUNDS * requests.length });
    const history = await overUnix(path, headOf({ target: "/channels/pwned", host: "localhost" }));
    assertEquals(JSON.parse(history.split("\r\n\r\n")[1]!).publications, []);
  },
};

async function overUnix(path: string, head: string): Promise<string> {
  using connection = await Deno.connect({ transport: "unix", path });
  await connection.write(latin1(head));
  return await deadline(new Response(connection.readable).text());
}

function statusOf(answer: string): number {
  return Number(answer.split(" ")[1]);
}

/** A client may say whom its request is for, but not what it asks. */
const hiddenPath: Attack = {
  name: "a path in Host, or in the authority of the target",
  target: { args: ["--publish-key", KEY] },
  key: KEY,
  growthMiBMax: 60,
  async run(target) {
    const hosts = [
      `localhost${PUBLISH}&`,
      `localhost${PUBLISH}#`,
      "localhost\\broadcast",
      "a@b",
      "",
    ];
    const authorities = [`localhost?x${PUBLISH}`, `localhost#x${PUBLISH}`, `a@localhost${PUBLISH}`];
    const requests = [
      ...hosts.map((host) => ({ target: "/count", host })),
      ...authorities.map((rest) => ({ target: `http://${rest}`, host: "localhost" })),
    ];
    const statuses = await send(requests, async (head) => {
      return (await exchange(target.port, head)).status;
    });
    assertEquals(statuses, { 400: ROUNDS * requests.length });
    assertEquals(await published(target), []);
  },
};

export const HOST_ATTACKS: readonly Attack[] = [otherSite, throughSocket, hiddenPath];
