import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ListenError } from "../../lib/net/listener.ts";
import { type ListenAddress, listenOnAll } from "../../lib/net/loopback.ts";
import { makeCertificate, TemporaryFolder, trusting } from "../support/certificates.ts";
import { startServer } from "../support/server.ts";

const LOCALHOST = { hostname: "localhost", port: 0 };

/** Pretends to listen on addresses, some of which cannot be used. */
class Network {
  readonly open: string[] = [];
  readonly missing: string[] = [];
  #next = 5000;
  readonly #failures: Readonly<Record<string, Error>>;

  constructor(failures: Readonly<Record<string, Error>> = {}) {
    this.#failures = failures;
  }

  async listen(address: ListenAddress): Promise<number[]> {
    const listening = await listenOnAll(
      address,
      (address) => this.#listen(address),
      (address, why) => this.missing.push(`${address}: ${why}`),
    );
    return listening.map(({ port }) => port);
  }

  #listen({ hostname, port }: ListenAddress) {
    const taken = port === 0 ? this.#next++ : port;
    const name = `${hostname} ${taken}`;
    const failure = this.#failures[name];
    if (failure !== undefined) throw failure;
    this.open.push(name);
    return { port: taken, close: () => void this.open.splice(this.open.indexOf(name), 1) };
  }
}

const inUse = new Deno.errors.AddrInUse("taken");

Deno.test("listenOnAll() listens on both addresses of localhost, at the same port", async () => {
  for (const hostname of ["localhost", "localhost."]) {
    const network = new Network();
    assertEquals(await network.listen({ hostname, port: 3000 }), [3000, 3000]);
    assertEquals(network.open, ["127.0.0.1 3000", "::1 3000"]);
  }
  const network = new Network();
  assertEquals(await network.listen({ hostname: "192.0.2.1", port: 3000 }), [3000]);
  assertEquals([network.open, network.missing], [["192.0.2.1 3000"], []]);
});

Deno.test("listenOnAll() listens on neither address if the port is in use on one", async () => {
  for (const address of ["127.0.0.1", "::1"]) {
    const network = new Network({ [`${address} 3000`]: inUse });
    const message = `taken, on ${address}`;
    await assertRejects(() => network.listen({ ...LOCALHOST, port: 3000 }), Error, message);
    assertEquals([network.open, network.missing], [[], []]);
  }
});

Deno.test("listenOnAll() tries another free port if the first is in use on ::1", async () => {
  const network = new Network({ "::1 5000": inUse, "::1 5001": inUse });
  assertEquals(await network.listen(LOCALHOST), [5002, 5002]);
  assertEquals(network.open, ["127.0.0.1 5002", "::1 5002"]);

  const failures = Array.from({ length: 100 }, (_, at) => [`::1 ${5000 + at}`, inUse] as const);
  const full = new Network(Object.fromEntries(failures));
  await assertRejects(() => full.listen(LOCALHOST), Error, "taken, on ::1");
  assertEquals(full.open, []);
});

Deno.test("listenOnAll() does without ::1 if there is none, and reports it", async () => {
  const network = new Network({ "::1 5000": new Deno.errors.AddrNotAvailable("no such address") });
  assertEquals(await network.listen(LOCALHOST), [5000]);
  assertEquals(network.open, ["127.0.0.1 5000"]);
  assertEquals(network.missing, ["::1: no such address"]);
});

Deno.test("a server is reached by 127.0.0.1 and ::1, by TLS too, until it stops", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  const { certFile: tlsCert, keyFile: tlsKey } = certificate;
  using client = trusting(certificate);
  for (const options of [{}, { tlsCert, tlsKey }]) {
    await using server = await startServer(options);
    const scheme = "tlsCert" in options ? "https" : "http";
    for (const host of ["127.0.0.1", "localhost"]) {
      const answer = await fetch(`${scheme}://${host}:${server.port}/count`, { client });
      assertEquals(await answer.text(), '{"count":0}', host);
    }
    (await Deno.connect({ hostname: "::1", port: server.port })).close();
    await server.stop();
    await assertRejects(() => Deno.connect({ hostname: "::1", port: server.port }));
  }
  await using server = await startServer();
  const answer = await fetch(`http://[::1]:${server.port}/broadcast/hello`);
  assertEquals(await answer.text(), '{"message":"hello"}');
});

Deno.test("a server refuses to start if another program has its port on ::1", async () => {
  using other = Deno.listen({ hostname: "::1", port: 0 });
  const { port } = other.addr;
  const { message } = await assertRejects(() => startServer({ port }), ListenError);
  assertMatch(message, new RegExp(`^Cannot listen on localhost, port ${port}: .*, on ::1$`));
  using _free = Deno.listen({ hostname: "127.0.0.1", port });
});
