import { assertEquals } from "@std/assert";
import {
  makeCertificate,
  TemporaryFolder,
  type TestCertificate,
  trusting,
} from "../../support/certificates.ts";
import { Client } from "../../support/socket.ts";
import { portsConnectedTo, statusFrom } from "../../support/tcp.ts";
import type { Attack } from "../attack.ts";
import { repeat, tally } from "../attackers.ts";
import { Target } from "../target.ts";

const MESSAGES = 200;
const CLIENTS = 20;
const FOR_OTHERS = 0o077;

/** Another user of the machine, who looks at the store from its first moment on. */
function readStore(): Attack {
  let folder: TemporaryFolder;
  return {
    name: "a local user who reads the store while it is made and written",
    growthMiBMax: 60,
    setUp: () => {
      folder = new TemporaryFolder();
      const args = ["--store", `${folder.path}/hark.db`];
      return Promise.resolve({
        args,
        umask: "000",
        [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
      });
    },
    async run(target) {
      await repeat(MESSAGES, 10, (index) => target.broadcast(`secret ${index}`));
      const modes = Array.from(Deno.readDirSync(folder.path), ({ name }) => {
        return [name, Deno.statSync(`${folder.path}/${name}`).mode! & FOR_OTHERS];
      });
      assertEquals(Object.fromEntries(modes), { "hark.db": 0, "hark.db-wal": 0 });
    },
  };
}

/** Another user of the machine, who goes round the TLS with the ports of those who use it. */
const takePorts: Attack = {
  name: "a local user who takes the ports of TLS clients on 127.0.0.2",
  growthMiBMax: 60,
  async run() {
    await using folder = new TemporaryFolder();
    const certificate = await makeCertificate(folder.path, "a");
    const { certFile, keyFile } = certificate;
    await using tls = await Target.start({ args: ["--tls-cert", certFile, "--tls-key", keyFile] });
    assertEquals(await takenPorts(tls, certificate), { 421: CLIENTS });
  },
};

/** How the plain server behind the TLS answers whoever comes from the port of each of many clients. */
async function takenPorts(
  tls: Target,
  certificate: TestCertificate,
): Promise<Record<string, number>> {
  using client = trusting(certificate);
  const url = `wss://localhost:${tls.port}/ws`;
  const sockets = await repeat(CLIENTS, 5, () => Client.open(url, { client }));
  const [inner] = (await tls.listeningPorts()).filter((port) => port !== tls.port);
  const statuses = await Promise.all((await portsConnectedTo(inner!)).map((port) => {
    return statusFrom("127.0.0.2", port, `http://127.0.0.1:${inner}/broadcast/forged`);
  }));
  for (const socket of sockets) await socket[Symbol.asyncDispose]();
  return tally(statuses);
}

export const LOCAL_ATTACKS: readonly Attack[] = [readStore(), takePorts];
