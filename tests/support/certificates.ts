import type { Credentials } from "../../lib/net/tls.ts";

/** A certificate for localhost that is its own root, in files and out of them. */
export interface TestCertificate extends Credentials {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes a certificate as `<name>.crt` and `<name>.key` in `folder`. */
export async function makeCertificate(folder: string, name: string): Promise<TestCertificate> {
  const certFile = `${folder}/${name}.crt`;
  const keyFile = `${folder}/${name}.key`;
  const { code, stderr } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", keyFile, "-out", certFile, "-days", "2", "-subj", `/CN=${name}`],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ],
    stdin: "null",
  }).output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  const [cert, key] = await Promise.all([certFile, keyFile].map((file) => Deno.readTextFile(file)));
  return { certFile, keyFile, cert: cert!, key: key! };
}

/** What connects to a server that shows one of these certificates, and to no other. */
export function trusting(...certificates: readonly TestCertificate[]): Deno.HttpClient {
  return Deno.createHttpClient({ caCerts: certificates.map(({ cert }) => cert) });
}

/** Connects by TLS, and tells whether the server shows this certificate. */
export async function shows(port: number, { cert }: TestCertificate): Promise<boolean> {
  const options = { hostname: "localhost", port, caCerts: [cert] };
  try {
    using connection = await Deno.connectTls(options);
    await connection.handshake();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.InvalidData) return false;
    throw error;
  }
}

/** A folder that is gone when it is disposed of. */
export class TemporaryFolder implements AsyncDisposable {
  readonly path: string;

  constructor() {
    this.path = Deno.makeTempDirSync({ prefix: "hark-" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
