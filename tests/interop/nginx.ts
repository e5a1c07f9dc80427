import type { TestCertificate } from "../support/certificates.ts";
import { deadline } from "../support/deadline.ts";
import { readDoc } from "../support/docs.ts";
import { freePort } from "../support/free_port.ts";

/** operate.md's recipe, which belongs into nginx's `http` block. */
const RECIPE = /```nginx\n(.*?)```/s.exec(await readDoc("operate"))![1]!;

/** Where a real nginx is, if it is installed. */
export function findNginx(): string | undefined {
  return ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}

/** What nginx is started with. */
export interface NginxOptions {
  /** Where its files go. */
  readonly folder: string;
  readonly certificate: TestCertificate;
  /** Hark's port. */
  readonly target: number;
}

/** nginx in front of a server, as operate.md has it but for ports, files and shorter time-outs. */
export class Nginx implements AsyncDisposable {
  readonly port: number;
  /** The same without TLS, for clients that do not know the certificate. */
  readonly plainPort: number;
  /** The file of the recipe's access log. */
  readonly accessLog: string;
  readonly #process: Deno.ChildProcess;

  static async start(path: string, options: NginxOptions): Promise<Nginx> {
    const [port, plainPort] = [freePort(), freePort()];
    const file = `${options.folder}/nginx.conf`;
    await Deno.writeTextFile(file, configure(options, port, plainPort));
    const process = new Deno.Command(path, {
      args: ["-p", options.folder, "-c", file],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const nginx = new Nginx(process, port, plainPort, `${options.folder}/access.log`);
    await deadline(nginx.#listening());
    return nginx;
  }

  private constructor(
    process: Deno.ChildProcess,
    port: number,
    plainPort: number,
    accessLog: string,
  ) {
    this.accessLog = accessLog;
    this.#process = process;
    this.port = port;
    this.plainPort = plainPort;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    await deadline(this.#process.status);
  }

  async #listening(): Promise<void> {
    const ended = this.#process.status.then(({ code }) => {
      throw new Error(`nginx has ended with ${code}`);
    });
    ended.catch(() => {}); // What ends it later is the test.
    while (!await Promise.race([ended, this.#isListening()]));
  }

  async #isListening(): Promise<boolean> {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port: this.port })).close();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return false;
      throw error;
    }
  }
}

function configure(
  { folder, certificate, target }: NginxOptions,
  port: number,
  plainPort: number,
): string {
  const changes: readonly [string, string][] = [
    ["listen 443 ssl;", `listen 127.0.0.1:${port} ssl; listen 127.0.0.1:${plainPort};`],
    ["/etc/letsencrypt/live/push.example.com/fullchain.pem", certificate.certFile],
    ["/etc/letsencrypt/live/push.example.com/privkey.pem", certificate.keyFile],
    ["/var/log/nginx/hark.log", `${folder}/access.log`],
    ["http://127.0.0.1:3000", `http://127.0.0.1:${target}`],
    ["client_header_timeout 10s", "client_header_timeout 1s"],
    ["send_timeout          30s", "send_timeout 1s"],
  ];
  let recipe = RECIPE;
  for (const [from, to] of changes) {
    if (!recipe.includes(from)) throw new Error(`operate.md's recipe has no ${from}`);
    recipe = recipe.replaceAll(from, to);
  }
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`).join("\n");
  return `${Deno.uid() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
access_log off;
${temporary}
${recipe}
}
`;
}
