import { assertEquals, assertMatch } from "@std/assert";
import { makeCertificate, TemporaryFolder } from "../support/certificates.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type ServerOptions, startServer } from "../support/server.ts";
import { CommandRun, run } from "../support/shell.ts";

/** Publishes while `tail` follows, both with these flags, and checks both. */
async function publishAndTail(
  options: ServerOptions,
  flags: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  await using server = await startServer(options);
  const withPort = flags.map((flag) => flag.replace("PORT", String(server.port)));
  const tail = new CommandRun("tail", [...withPort, "ci"], { env });
  await server.log.find(({ message }) => message === "new connection");
  const publish = () => run("publish", [...withPort, "--channel", "ci", "done"], { env });
  assertEquals(await publish(), { code: 0, out: [], said: [] });
  assertMatch(await tail.out.next(), / ci message \{"message":"done"\}$/);
  tail.stopReading();
  assertEquals((await publish()).code, 0);
  assertEquals([await tail.code(), tail.said.takeAll()], [0, []]);
}

/** Resolves to the last message of a `publish` that reaches nobody. */
async function failure(flags: readonly string[]): Promise<string> {
  const { code, said } = await run("publish", [...flags, "x"], { clock: new FakeClock() });
  assertEquals(code, 1);
  return said.at(-1)!;
}

Deno.test("publish and tail reach a server by its Unix socket, named by flag or variable", async () => {
  await using folder = new TemporaryFolder();
  const listen = `unix:${folder.path}/hark.sock`;
  await publishAndTail({ listen }, ["--url", listen]);
  await publishAndTail({ listen }, [], { HARK_URL: listen });
});

Deno.test("publish and tail trust a server with a certificate of a CA that is named, and no other", async () => {
  await using folder = new TemporaryFolder();
  const { certFile: tlsCert, keyFile: tlsKey } = await makeCertificate(folder.path, "a");
  const other = await makeCertificate(folder.path, "other");
  await publishAndTail(
    { tlsCert, tlsKey },
    ["--url", "https://localhost:PORT", "--ca", tlsCert],
  );
  await using server = await startServer({ tlsCert, tlsKey });
  const url = `https://localhost:${server.port}`;
  for (const flags of [[], ["--ca", other.certFile]]) {
    assertMatch(await failure(["--url", url, ...flags]), /^Cannot reach https:.*UnknownIssuer/);
  }
});

Deno.test("publish names a Unix socket without a server", async () => {
  await using folder = new TemporaryFolder();
  const url = `unix:${folder.path}/none.sock`;
  assertEquals((await failure(["--url", url])).startsWith(`Cannot reach ${url}: `), true);
});

Deno.test("--ca is refused where it says nothing, or is of no use", async () => {
  await using folder = new TemporaryFolder();
  const [missing, text] = [`${folder.path}/none.pem`, `${folder.path}/text.pem`];
  await Deno.writeTextFile(text, "no certificate");
  const wrong: readonly (readonly [string[], string])[] = [
    [["--url", "http://localhost:1", "--ca", text], "--ca is of use for an https URL alone"],
    [["--url", "unix:/run/hark.sock", "--ca", text], "--ca is of use for an https URL alone"],
    [
      ["--url", "https://localhost:1", "--ca", text],
      `--ca: cannot use ${text}: it has no certificate in PEM`,
    ],
    [["--url", "https://localhost:1", "--ca", missing], `--ca: cannot use ${missing}: `],
  ];
  for (const [args, message] of wrong) {
    for (const command of ["publish", "tail"]) {
      const { code, out, said } = await run(command, [...args, "x"]);
      assertEquals([code, out, said.length], [2, [], 1]);
      assertEquals(said[0]!.slice(0, message.length), message);
    }
  }
});
