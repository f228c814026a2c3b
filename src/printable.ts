// Names from a file, made fit for one line of an error message: whoever wrote the file chose them.

/** `text` with control, format and unpaired surrogate characters escaped as \u{hex}, cut to `longest` characters. */
export function printable(text: string, longest = 96): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}...` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}
