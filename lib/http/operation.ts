/** A JSON Schema (draft 2020-12). The document defines one with a `title` once, under that name. */
export type Schema = Readonly<Record<string, unknown>>;

/** A parameter of a request. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly schema: Schema;
  readonly example?: unknown;
}

/** The schema of a body for each media type. */
export type Content = Readonly<Record<string, Schema>>;

/** The answer with one status. */
export interface AnswerDoc {
  readonly description: string;
  /** Undefined for an answer without a body. */
  readonly content?: Content;
}

/** The permission that an operation needs, on servers where not everybody has it. */
export type Need = "receive" | "publish" | "manage" | "measure";

/** Which callers need a credential. */
export type Askers = "nobody" | "some" | "all";

/** The description of an operation in `/openapi.json`. */
export interface OperationDoc {
  /** Its name in code that is generated from the document. */
  readonly id: string;
  /** One sentence. */
  readonly summary: string;
  readonly need?: Need;
  readonly parameters?: readonly Parameter[];
  /** Of the request; undefined for none. */
  readonly body?: Content;
  /** By status, without those of problems. */
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  /** Statuses of the problems that not every operation has. */
  readonly problems?: readonly number[];
}
