import { fromFileUrl } from "@std/path";
import { markdownTable } from "./readme.ts";

// The tables of client.md, made of the types of the client as `deno doc` reads them.

/** A type, as much of it as client.d.ts has. */
interface Type {
  readonly kind: string;
  readonly repr?: string;
  // deno-lint-ignore no-explicit-any -- what it is depends on the kind
  readonly value?: any;
}

interface Property {
  readonly name: string;
  readonly optional?: boolean;
  readonly tsType: Type;
  readonly jsDoc?: { readonly doc: string };
}

interface Method {
  readonly name: string;
  readonly kind: "getter" | "method";
  readonly jsDoc?: { readonly doc: string };
  readonly functionDef: { readonly params: readonly Property[]; readonly returnType: Type };
}

interface Definition {
  readonly properties: readonly Property[];
  readonly methods: readonly Method[];
}

/** The parts of client.md, by the name in their `<!-- name -->` marks. */
export async function clientParts(): Promise<ReadonlyMap<string, string>> {
  const definitions = await readDefinitions();
  const { properties, methods } = definitions.get("Hark")!;
  return new Map([
    ["options", table("Option", definitions.get("Options")!.properties.map(rowOfProperty))],
    ["members", table("Member", [...methods.map(rowOfMethod), ...properties.map(rowOfProperty)])],
    ["events", table("Event", definitions.get("Events")!.properties.map(rowOfProperty))],
  ]);
}

async function readDefinitions(): Promise<Map<string, Definition>> {
  const file = fromFileUrl(new URL("../../static/client.d.ts", import.meta.url));
  const command = new Deno.Command(Deno.execPath(), { args: ["doc", "--json", file] });
  const { stdout } = await command.output();
  const [module] = Object.values(JSON.parse(new TextDecoder().decode(stdout)).nodes);
  const { symbols } = module as {
    symbols: { name: string; declarations: { def: Definition }[] }[];
  };
  return new Map(symbols.map(({ name, declarations: [first] }) => [name, first!.def]));
}

type Row = readonly [name: string, type: string, meaning: string | undefined];

function rowOfProperty({ name, tsType, jsDoc }: Property): Row {
  return [name, typeText(tsType), jsDoc?.doc];
}

function rowOfMethod({ name, kind, functionDef: { params, returnType }, jsDoc }: Method): Row {
  const shown = params.map(({ name, optional }) => optional ? `${name}?` : name).join(", ");
  return [kind === "getter" ? name : `${name}(${shown})`, typeText(returnType), jsDoc?.doc];
}

function table(title: string, rows: readonly Row[]): string {
  const cells = rows.map(([name, type, meaning]) => {
    if (meaning === undefined) throw new Error(`client.d.ts does not say what ${name} is`);
    return [`\`${name}\``, `\`${type}\``, meaning.replaceAll("\n", " ").trim()]
      .map((cell) => cell.replaceAll("|", "\\|"));
  });
  return markdownTable([[title, "Type", "Meaning"], ...cells]);
}

/** A type as it stands in the file, but for line breaks. */
function typeText({ kind, repr = "", value }: Type): string {
  const list = (types: readonly Type[], separator: string) => types.map(typeText).join(separator);
  switch (kind) {
    case "typeRef":
      return value.typeParams === undefined ? repr : `${repr}<${list(value.typeParams, ", ")}>`;
    case "literal":
      return JSON.stringify(value.string);
    case "union":
      return list(value, " | ");
    case "array":
      return `${typeText(value)}[]`;
    case "parenthesized":
      return `(${typeText(value)})`;
    case "fnOrConstructor":
      return `(${namesAndTypes(value.params, ", ")}) => ${typeText(value.tsType)}`;
    case "typeLiteral":
      return `{ ${namesAndTypes(value.properties, "; ")} }`;
    case "keyword":
      return repr;
    default:
      throw new Error(`Cannot write a type of the kind ${kind}`);
  }
}

function namesAndTypes(properties: readonly Property[], separator: string): string {
  return properties.map(({ name, optional, tsType }) => {
    return `${name}${optional ? "?" : ""}: ${typeText(tsType)}`;
  }).join(separator);
}
