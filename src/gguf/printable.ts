// Names from a file, made fit for one line of an error message: whoever wrote the file chose them.

const LONGEST = 96;

/** `text` with control, format and unpaired surrogate characters escaped as \u{hex}, cut to 96 characters. */
export function printable(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}
