import { Cluster } from "../support/cluster.ts";
import { fenced, readDoc } from "../support/docs.ts";
import { freePort } from "../support/free_port.ts";
import { isInstalled } from "../support/redis.ts";
import { type Drill, drillAt, EVERYBODY } from "./drill.ts";
import { pause } from "./publishers.ts";

/** Nodes are restarted in turn behind nginx, as cluster.md says. */
export const behindNginx: Drill = {
  name: "rolling-nginx",
  what: "nodes behind nginx are restarted in turn",
  isMissing: !isInstalled("nginx"),
  async run(size) {
    await using cluster = await Cluster.start({ nodes: 2, args: ["--trust-proxy", "1"] });
    const port = freePort();
    await using _nginx = startNginx(port, cluster.ports);
    return await drillAt({ ports: [port] }, {
      followers: EVERYBODY,
      isWhole: true,
      async meanwhile() {
        await pause(300);
        for (let round = 0; round < (size === "full" ? 3 : 1); round++) {
          for (const at of cluster.nodes.keys()) {
            await cluster.restart(at);
            await pause(300);
          }
        }
      },
    });
  },
};

const [[UPSTREAM = ""], [SERVER = ""]] = [
  fenced(await readDoc("cluster"), "nginx"),
  fenced(await readDoc("operate"), "nginx"),
] as const;

/** nginx with the recipes of cluster.md and operate.md, but for addresses and TLS. */
function startNginx(port: number, ports: readonly number[]): AsyncDisposable {
  const folder = Deno.makeTempDirSync({ prefix: "hark-nginx-" });
  // All clients here have one address, and are to come to all nodes.
  const upstream = ports.reduce(
    (text, port, at) => text.replace(`:${3000 + at}`, `:${port}`),
    UPSTREAM.replace("ip_hash;", ""),
  );
  const server = SERVER.replace(/listen [^;]*;/, `listen 127.0.0.1:${port};`)
    .replace(/ssl_\w+ [^;]*;/g, "")
    .replace(/access_log [^;]*;/, "access_log off;")
    .replaceAll("http://127.0.0.1:3000", "http://hark");
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  Deno.writeTextFileSync(
    `${folder}/nginx.conf`,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 1024; }
     http { ${paths} ${upstream} ${server} }`,
  );
  const process = new Deno.Command("nginx", {
    args: ["-p", folder, "-c", `${folder}/nginx.conf`],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
