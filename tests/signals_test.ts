import { assertEquals, assertMatch } from "@std/assert";
import { signToken } from "../lib/auth/jwt.ts";
import { makeCertificate, TemporaryFolder } from "./support/certificates.ts";
import { deadline } from "./support/deadline.ts";
import { type ChildServer, startChild } from "./support/child.ts";
import { makeKeys } from "./support/tokens.ts";

const KEYS = await Promise.all(["a", "b"].map((id) => makeKeys("ES256", id)));

/** Reports for each key whether the server accepts a token that it signed. */
async function taken(server: ChildServer): Promise<boolean[]> {
  const statuses = KEYS.map(async ({ signing }) => {
    const claims = { exp: Date.now() / 1000 + 60, hark: { subscribe: ["news"] } };
    const headers = { authorization: `Bearer ${await signToken(claims, signing)}` };
    return (await server.fetch("/channels/news", { headers })).status === 200;
  });
  return await Promise.all(statuses);
}

/** Writes a JWKS with some of the keys. */
async function writeKeys(file: string, ...at: readonly number[]): Promise<void> {
  await Deno.writeTextFile(file, JSON.stringify({ keys: at.map((at) => KEYS[at]!.jwk) }));
}

Deno.test("SIGHUP ends no server: one without files to read again logs that", async () => {
  await using folder = new TemporaryFolder();
  const variants = [
    [],
    ["--token-jwks", "https://issuer.invalid/keys.json", "--log-level", "info"],
    ["--store", `${folder.path}/log.db`],
  ];
  for (const args of variants) {
    await using server = await startChild(args);
    for (let count = 0; count < 2; count++) {
      server.kill("SIGHUP");
      assertMatch(
        await server.stdout.find((line) => line.includes("nothing")),
        / info {2}nothing to read again: there is no certificate, and no file of token keys$/,
      );
    }
    assertEquals((await server.fetch("/readyz")).status, 200);
  }
});

Deno.test("SIGHUP reads the file of token keys again, and keeps the old ones if it is wrong", async () => {
  await using folder = new TemporaryFolder();
  const file = `${folder.path}/keys.json`;
  await writeKeys(file, 0);
  await using server = await startChild(["--token-jwks", file]);
  assertEquals(await taken(server), [true, false]);

  await writeKeys(file, 1);
  server.kill("SIGHUP");
  assertMatch(
    await server.stdout.find((line) => line.includes("keys")),
    /info {2}token keys renewed$/,
  );
  assertEquals(await taken(server), [false, true]);

  await Deno.writeTextFile(file, "broken");
  server.kill("SIGHUP");
  const line = await server.stderr.find((line) => line.includes("not renewed"));
  assertMatch(
    line,
    / error token keys not renewed why="Cannot read the keys of .*: expected JSON"$/,
  );
  assertEquals(await taken(server), [false, true]);
});

Deno.test("SIGHUP reads token keys again, even if the certificate cannot be read", async () => {
  await using folder = new TemporaryFolder();
  const { certFile, keyFile } = await makeCertificate(folder.path, "a");
  const file = `${folder.path}/keys.json`;
  await writeKeys(file, 0);
  const args = ["--tls-cert", certFile, "--tls-key", keyFile, "--token-jwks", file];
  await using server = await startChild(args);
  await Deno.remove(keyFile);
  server.kill("SIGHUP");
  await server.stderr.find((line) => line.includes("certificate not renewed"));
  await server.stdout.find((line) => line.includes("token keys renewed"));
});

/** Runs its arguments in a terminal, closes the terminal once the server listens, and prints the exit. */
const HANG_UP = `
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"listening on" not in seen:
    seen += os.read(terminal, 1024)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
`;

Deno.test("a server whose terminal is closed stops", async () => {
  const main = new URL("../main.ts", import.meta.url).pathname;
  const args = ["run", "--quiet", "--allow-net", "--allow-env", "--allow-read", main];
  const { stdout, stderr } = await deadline(
    new Deno.Command("python3", {
      args: ["-c", HANG_UP, Deno.execPath(), ...args, "--port", "0", "--drain-s", "0"],
      stdin: "null",
    }).output(),
  );
  const decoder = new TextDecoder();
  assertEquals([decoder.decode(stdout), decoder.decode(stderr)], ["0\n", ""]);
});
