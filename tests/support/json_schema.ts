/** A JSON Schema, of the draft 2020-12. */
export type Schema = Readonly<Record<string, unknown>>;

type Check = (value: unknown, given: unknown, of: Context) => string[];

interface Context {
  readonly schema: Schema;
  /** What the references are of. */
  readonly root: unknown;
  /** Where the value is. */
  readonly at: string;
}

/**
 * What is wrong with a value by a schema, a sentence each. As much of the keywords as Hark's document has;
 * throws on any other. An object that has `properties` may have no others.
 */
export function faultsOf(value: unknown, schema: Schema, root: unknown, at = "body"): string[] {
  return Object.entries(schema).flatMap(([keyword, given]) => {
    const check = CHECKS[keyword];
    if (check === undefined) throw new TypeError(`Cannot check ${keyword}`);
    return check(value, given, { schema, root, at });
  });
}

const NOTHING: Check = () => [];
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const failIf = (failed: boolean, at: string, why: string) => failed ? [`${at}: ${why}`] : [];

const CHECKS: Readonly<Record<string, Check>> = {
  description: NOTHING,
  format: NOTHING,
  $ref: (value, given, { root, at }) => faultsOf(value, resolve(String(given), root), root, at),
  type(value, given, { at }) {
    const types = [given].flat() as string[];
    return failIf(!types.includes(typeOf(value)), at, `expected ${types}, got ${typeOf(value)}`);
  },
  properties(value, given, { root, at }) {
    if (!isObject(value)) return [];
    const schemas = given as Record<string, Schema>;
    return Object.entries(value).flatMap(([name, member]) => {
      const schema = schemas[name];
      if (schema === undefined) return [`${at}: unknown member ${name}`];
      return faultsOf(member, schema, root, `${at}.${name}`);
    });
  },
  additionalProperties(value, given, { root, at }) {
    if (!isObject(value)) return [];
    return Object.entries(value).flatMap(([name, member]) => {
      return faultsOf(member, given as Schema, root, `${at}.${name}`);
    });
  },
  required(value, given, { at }) {
    if (!isObject(value)) return [];
    return (given as string[]).filter((name) => !(name in value))
      .map((name) => `${at}: no member ${name}`);
  },
  items(value, given, { root, at }) {
    if (!Array.isArray(value)) return [];
    return value.flatMap((item, index) => faultsOf(item, given as Schema, root, `${at}[${index}]`));
  },
  anyOf(value, given, { root, at }) {
    const faults = (given as Schema[]).map((schema) => faultsOf(value, schema, root, at));
    return faults.some(({ length }) => length === 0) ? [] : faults.flat();
  },
  not: (value, given, { root, at }) =>
    failIf(faultsOf(value, given as Schema, root).length === 0, at, "is what it may not be"),
  enum: (value, given, { at }) =>
    failIf(!(given as unknown[]).includes(value), at, `expected one of ${given}`),
  const: (value, given, { at }) => failIf(value !== given, at, `expected ${given}`),
  minimum: (value, given, { at }) => failIf(Number(value) < Number(given), at, `under ${given}`),
  pattern: (value, given, { at }) =>
    failIf(
      typeof value === "string" && !new RegExp(String(given), "u").test(value),
      at,
      `${JSON.stringify(value)} does not match ${given}`,
    ),
};

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** What a reference such as `#/components/schemas/Problem` means. */
export function resolve(reference: string, root: unknown): Schema {
  const names = reference.split("/").slice(1);
  // deno-lint-ignore no-explicit-any -- a document of whatever shape
  return names.reduce((value: any, name) => value[name], root);
}
