// Text in lines that fit a terminal: broken between words only.

const LEAST_COLUMNS = 40;
const DEFAULT_COLUMNS = 80;

/** Columns of what reads stdout: the terminal's, else what COLUMNS says, else 80. */
export function columnsOf(stream: { readonly columns?: number | undefined }, environment = process.env): number {
  const columns = stream.columns || Number(environment["COLUMNS"]) || DEFAULT_COLUMNS;
  return Math.max(LEAST_COLUMNS, Math.floor(columns));
}

/** Columns of a terminal, or what COLUMNS says; undefined where neither tells: lines may then be of any length. */
export function terminalColumns(stream: { readonly columns?: number | undefined }): number | undefined {
  return stream.columns || Number(process.env["COLUMNS"]) || undefined;
}

/**
 * Paragraphs in lines of at most so many columns. Lines of a paragraph flow together; an empty line divides paragraphs, and a line that
 * is indented begins anew. What does not fit of such a line goes below its second column, or further in where it has none. A word that
 * is too long for any line stays whole.
 */
export function wrapped(text: string, columns: number): string[] {
  const blocks: { first: string; hang: number; words: string[] }[] = [];
  for (const line of text.split("\n")) {
    const words = line.trim().split(/\s+/);
    const last = blocks.at(-1);
    if (line.startsWith(" ")) {
      const first = /^ +(?:\S+ {2,})?/.exec(line)![0];
      const hang = first.trim() === "" ? first.length + 2 : first.length;
      blocks.push({ first, hang, words: line.slice(first.length).split(/ (?=\S)/) });
    } else if (last !== undefined && last.first === "" && last.words[0] !== "" && words[0] !== "") {
      last.words.push(...words);
    } else blocks.push({ first: "", hang: 0, words });
  }
  return blocks.flatMap(({ first, hang, words }) => {
    const lines = filled(words, columns - Math.max(hang, first.length));
    return lines.map((line, i) => (i === 0 ? first : " ".repeat(hang)) + line);
  });
}

/** Words in lines. */
function filled(words: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of words) {
    if (line === undefined) line = word;
    else if (line.length + 1 + word.length <= columns) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line ?? ""];
}
