/** A JSON Schema of the draft 2020-12. One with a `title` gets a name of its own in the document. */
export type Schema = Readonly<Record<string, unknown>>;

/** What a request may say beside its body. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly schema: Schema;
  readonly example?: unknown;
}

/** What a body may be, by its media type. */
export type Content = Readonly<Record<string, Schema>>;

/** What is answered with one status. */
export interface AnswerDoc {
  readonly description: string;
  /** Undefined for an answer without a body. */
  readonly content?: Content;
}

/** What an operation needs a credential for, on servers where not everybody may do it. */
export type Need = "receive" | "publish" | "manage" | "measure";

/** Who has to show a credential. */
export type Askers = "nobody" | "some" | "all";

/** What the document says of an operation. */
export interface OperationDoc {
  /** The name of it in code that is made of the document. */
  readonly id: string;
  /** One sentence. */
  readonly summary: string;
  readonly need?: Need;
  readonly parameters?: readonly Parameter[];
  /** Of the request; undefined for none. */
  readonly body?: Content;
  /** By status, but for problems. */
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  /** The statuses of problems that not every operation has. */
  readonly problems?: readonly number[];
}
