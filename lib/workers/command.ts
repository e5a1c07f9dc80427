/** The name that the command line of a worker begins with; nobody else is to use it. */
export const WORKER = "worker";

/** Workers cannot be had as the program was started. */
export class WorkersError extends Error {
  override readonly name = "WorkersError";
}

/** What a worker is told by the process that starts it. */
export interface WorkerSetup {
  /** 1 or more. */
  readonly index: number;
  /** Where the sockets are by which the processes reach each other. */
  readonly folder: string;
  /** The port that all workers listen on. */
  readonly port: number;
  /** Where the nodes of other machines reach all workers; empty for nowhere. */
  readonly advertise: string;
  /** What the names of the workers begin with; empty on a machine that is alone. */
  readonly machine: string;
}

/** Reads what a worker is told. Throws a `SyntaxError` if nobody but a user has written it. */
export function readSetup(text = ""): WorkerSetup {
  const setup = JSON.parse(text) as WorkerSetup;
  if (Number.isInteger(setup?.index) && typeof setup.folder === "string") return setup;
  throw new SyntaxError("Cannot read a worker's setup: expected index, folder and port");
}

/** How the program is started once more. */
export interface Program {
  /** The module that is run, if the program is not compiled. */
  readonly main: string;
  /** The server's own options. */
  readonly args: readonly string[];
}

/** What a worker needs; how far one of them was narrowed cannot be found out, nor passed on. */
const PERMISSIONS = ["net", "env", "read", "write"] as const;
/** As the tasks of deno.json have them. */
const ALLOWED = PERMISSIONS.map((name) => `--allow-${name}`);
const FLAGS = ["run", "--quiet", "--no-prompt", "--v8-flags=--max-semi-space-size=4"];

/** The socket on which the log is kept. */
export function logSocket({ folder }: Pick<WorkerSetup, "folder">): string {
  return `${folder}/log.sock`;
}

/** The socket on which a worker takes what came to another. */
export function workerSocket({ folder }: Pick<WorkerSetup, "folder">, index: number): string {
  return `${folder}/${index}.sock`;
}

/**
 * The command that starts a worker: this executable, with the same options. Throws a `WorkersError` that
 * says which permission is missing.
 */
export function workerCommand(setup: WorkerSetup, program: Program): Deno.Command {
  const own = [WORKER, JSON.stringify(setup), ...program.args];
  const args = Deno.build.standalone ? own : [...FLAGS, ...ALLOWED, program.main, ...own];
  return new Deno.Command(Deno.execPath(), { args, stdin: "piped" });
}

/** Throws a `WorkersError` if this process may not start another with the permissions it needs. */
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
