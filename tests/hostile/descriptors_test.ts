import { makeCertificate, TemporaryFolder, trusting } from "../support/certificates.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { Target } from "./target.ts";

const DESCRIPTORS_MAX = 128;

/** Connects until the server has no descriptor left, lets go, and makes sure that it serves again. */
async function exhaust(
  target: Target,
  connect: () => Promise<Deno.Conn>,
  get: () => Promise<Response>,
): Promise<void> {
  const connections: Deno.Conn[] = [];
  for (let count = 0; count < 2 * DESCRIPTORS_MAX; count++) {
    await connect().then((connection) => connections.push(connection), () => {});
  }
  await target.stderr.find((line) => line.includes("cannot listen for a moment"));
  for (const connection of connections) connection.close();
  await eventually(
    () => deadline(get()).then((response) => response.text(), () => ""),
    (body) => body === '{"count":0}',
  );
}

Deno.test("a server on a Unix socket serves again after it ran out of descriptors", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/hark.sock`;
  await using target = await Target.start({
    args: ["--listen", `unix:${path}`],
    descriptorsMax: DESCRIPTORS_MAX,
  });
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
  const connect = () => Deno.connect({ transport: "unix", path });
  await exhaust(target, connect, () => fetch("http://localhost/count", { client }));
});

Deno.test("a server with TLS serves again after it ran out of descriptors", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "localhost");
  await using target = await Target.start({
    args: ["--tls-cert", certificate.certFile, "--tls-key", certificate.keyFile],
    descriptorsMax: DESCRIPTORS_MAX,
  });
  using client = trusting(certificate);
  const { port } = target;
  const connect = () =>
    Deno.connectTls({ hostname: "localhost", port, caCerts: [certificate.cert] });
  await exhaust(target, connect, () => fetch(`https://localhost:${port}/count`, { client }));
});
