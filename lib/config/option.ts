/** The kinds of options. */

type Kind = "string" | "integer" | "boolean" | "list" | "choice";

/** One row of the table. */
export interface Option<T> {
  readonly type: Kind;
  readonly default: T;
  /** Stands for the value in the help; empty for a switch. */
  readonly metavar: string;
  readonly help: string;
  /** The right values, for the sentence "expected …". */
  readonly expected: string;
  /** Returns the value of `text`, or `undefined` if it is wrong. */
  readonly parse: (text: string) => T | undefined;
  /** The variable's name, where it does not follow from the flag's. */
  readonly env?: string;
  /** A secret is never shown, neither in an error nor in the help. */
  readonly secret?: boolean;
  /** It may be a URL that holds a secret: only the rest of it is shown. */
  readonly mayHoldSecret?: boolean;
}

/** An option whose value is the text itself. */
export function text(
  value: string,
  metavar: string,
  help: string,
  expected = "text",
  isRight = (_text: string) => true,
): Option<string> {
  const parse = (text: string) => isRight(text) ? text : undefined;
  return { type: "string", default: value, metavar, help, expected, parse };
}

/** An option of an integer from `min` to `max`. */
export function integer(value: number, min: number, max: number, help: string): Option<number> {
  const parse = (text: string) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    return number >= min && number <= max ? number : undefined;
  };
  const expected = `an integer from ${min} to ${max}`;
  return { type: "integer", default: value, metavar: "N", help, expected, parse };
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);

/** A switch. */
export function boolean(value: boolean, help: string): Option<boolean> {
  const parse = (text: string) => BOOLEANS.get(text);
  return { type: "boolean", default: value, metavar: "", help, expected: "true or false", parse };
}

/** An option with a few values. */
export function choice<const T extends string>(
  value: NoInfer<T>,
  choices: readonly T[],
  metavar: string,
  help: string,
): Option<T> {
  const expected = choices.join(", ").replace(/, (?=[^,]*$)/, " or ");
  const parse = (text: string) => choices.find((choice) => choice === text);
  return { type: "choice", default: value, metavar, help: `${help}: ${expected}`, expected, parse };
}

/** An option with several values, separated by commas; given again, it adds to them. */
export function list(
  metavar: string,
  help: string,
  expected: string,
  isRight: (item: string) => boolean,
): Option<readonly string[]> {
  const parse = (text: string) => {
    const items = text.split(",").map((item) => item.trim());
    return items.every(isRight) ? items : undefined;
  };
  return { type: "list", default: [], metavar, help, expected, parse };
}
