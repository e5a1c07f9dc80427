/** One event, or a block that raises none. */
export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/**
 * The events of a whole stream, as WHATWG HTML, section 9.2.6 reads them. Stricter than a browser: a
 * field that is unknown, given twice (but for data) or with no space behind its colon is an error.
 */
export function parseEvents(text: string): SseEvent[] {
  const blocks = text.split(/\r\n|\r|\n/).reduce<string[][]>((blocks, line) => {
    if (line === "") blocks.push([]);
    else blocks.at(-1)!.push(line);
    return blocks;
  }, [[]]);
  if (blocks.pop()!.length > 0) throw new SyntaxError("the last block has no end");
  return blocks.map(parseBlock).filter((event) => event !== undefined);
}

function parseBlock(lines: readonly string[]): SseEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of lines.filter((line) => !line.startsWith(":"))) {
    const [, name, value] = /^(id|event|data|retry): ([^]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new SyntaxError(`no field: ${JSON.stringify(line)}`);
    }
    const before = fields.get(name);
    if (before !== undefined && name !== "data") throw new SyntaxError(`${name} is there twice`);
    fields.set(name, before === undefined ? value : `${before}\n${value}`);
  }
  const [id = "", event = "", data] = ["id", "event", "data"].map((name) => fields.get(name));
  return data === undefined ? undefined : { id, event, data };
}
