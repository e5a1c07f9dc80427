/** Where a page of the documentation is: `docUrl("operate")`. */
export function docUrl(name: string): URL {
  return new URL(`../../static/docs/${name}.md`, import.meta.url);
}

/** The text of a page of the documentation. */
export async function readDoc(name: string): Promise<string> {
  return await Deno.readTextFile(docUrl(name));
}

/** The blocks of code in that language. */
export function fenced(text: string, language: string): string[] {
  const blocks = text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "gs"));
  return Array.from(blocks, ([, block = ""]) => block);
}
