import { assertEquals } from "@std/assert";
import { makeCertificate, shows, TemporaryFolder } from "../support/certificates.ts";
import { eventually } from "../support/deadline.ts";
import { startWorkers } from "../support/workers.ts";

const CONNECTIONS = 12;

Deno.test("workers share a port with TLS, and all of them renew its certificate", async () => {
  await using folder = new TemporaryFolder();
  const old = await makeCertificate(folder.path, "a");
  const renewed = await makeCertificate(folder.path, "b");
  const args = ["--tls-cert", old.certFile, "--tls-key", old.keyFile];
  await using server = await startWorkers(3, args);
  const showing = async (certificate: typeof old) => {
    const attempts = Array.from({ length: CONNECTIONS }, () => shows(server.port, certificate));
    return (await Promise.all(attempts)).filter(Boolean).length;
  };
  assertEquals([await showing(old), await showing(renewed)], [CONNECTIONS, 0]);
  await Deno.copyFile(renewed.certFile, old.certFile);
  await Deno.copyFile(renewed.keyFile, old.keyFile);
  server.kill("SIGHUP");
  await eventually(() => showing(renewed), (count) => count === CONNECTIONS);
});
