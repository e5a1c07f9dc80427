/** The first word of a worker's command line; only the parent uses it. */
export const WORKER = "worker";

/** Workers cannot be started. */
export class WorkersError extends Error {
  override readonly name = "WorkersError";
}

/** What the parent passes to a worker. */
export interface WorkerSetup {
  /** 1 or more. */
  readonly index: number;
  /** The folder of the sockets by which the processes reach each other. */
  readonly folder: string;
  /** The port that all workers listen on. */
  readonly port: number;
  /** Where nodes of other machines reach the workers; empty for nowhere. */
  readonly advertise: string;
  /** What the names of the workers begin with; empty on a machine that is alone. */
  readonly machine: string;
}

/** Reads what the parent has passed. Throws a `SyntaxError` on anything else. */
export function readSetup(text = ""): WorkerSetup {
  const setup = JSON.parse(text) as WorkerSetup;
  if (Number.isInteger(setup?.index) && typeof setup.folder === "string") return setup;
  throw new SyntaxError("Cannot read a worker's setup: expected index, folder and port");
}

/** How to start the program once more. */
export interface Program {
  /** The main module, for a program that is not compiled. */
  readonly main: string;
  /** The server's own options. */
  readonly args: readonly string[];
}

/** Permissions of a worker, in full: a program cannot find out how one of its own was narrowed. */
const PERMISSIONS = ["net", "env", "read", "write"] as const;
/** The same as in the tasks of deno.json. */
const FLAGS = [
  "run",
  "--quiet",
  "--no-prompt",
  "--v8-flags=--max-semi-space-size=4",
  ...PERMISSIONS.map((name) => `--allow-${name}`),
];

/** The parent's socket, by which workers follow the log. */
export function logSocket({ folder }: Pick<WorkerSetup, "folder">): string {
  return `${folder}/log.sock`;
}

/** The socket by which a worker gets requests that came to another one. */
export function workerSocket({ folder }: Pick<WorkerSetup, "folder">, index: number): string {
  return `${folder}/${index}.sock`;
}

/** The command that starts a worker: this executable, with the same options. */
export function workerCommand(setup: WorkerSetup, program: Program): Deno.Command {
  const own = [WORKER, JSON.stringify(setup), ...program.args];
  const args = Deno.build.standalone ? own : [...FLAGS, program.main, ...own];
  return new Deno.Command(Deno.execPath(), { args, stdin: "piped" });
}

/** Throws a `WorkersError` that names the permissions that this process lacks to start workers. */
export function checkPermissions(): void {
  const missing: string[] = PERMISSIONS.filter((name) => !isGranted({ name }));
  if (!isGranted({ name: "run", command: Deno.execPath() })) missing.push("run");
  if (missing.length === 0) return;
  const flags = missing.map((name) => `--allow-${name}`).join(", ");
  throw new WorkersError(`Cannot start workers without ${flags} in full: give it, or --workers 1`);
}

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
