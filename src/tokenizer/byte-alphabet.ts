// The alphabet in which byte-level vocabularies (GPT-2) write bytes: printable Latin-1 stands for itself, the other 68 bytes
// are U+0100 and up, in order; so a space is "Ġ" and a newline "Ċ".

const PRINTABLE: readonly (readonly [number, number])[] = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
];

function isPrintable(byte: number): boolean {
  return PRINTABLE.some(([first, last]) => byte >= first && byte <= last);
}

/** The code point that stands for each byte; all are below U+0800, so one or two bytes of UTF-8. */
export const CODE_POINT_OF_BYTE: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => byte);
{
  let free = 0x100;
  for (let byte = 0; byte < 256; byte++) if (!isPrintable(byte)) CODE_POINT_OF_BYTE[byte] = free++;
}

const BYTE_OF_CODE_POINT = new Map(Array.from(CODE_POINT_OF_BYTE, (codePoint, byte) => [codePoint, byte]));

/** Writes bytes in the alphabet, as UTF-8, to `target`; returns how many bytes it wrote, at most twice as many. */
export function toByteAlphabet(source: Uint8Array, length: number, target: Uint8Array): number {
  let at = 0;
  for (let i = 0; i < length; i++) {
    const codePoint = CODE_POINT_OF_BYTE[source[i]];
    if (codePoint < 0x80) {
      target[at++] = codePoint;
    } else {
      target[at++] = 0xc0 | (codePoint >> 6);
      target[at++] = 0x80 | (codePoint & 0x3f);
    }
  }
  return at;
}

const encoder = new TextEncoder();

/** The bytes that a text in the alphabet stands for; a character outside of the alphabet stands for itself. */
export function fromByteAlphabet(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = BYTE_OF_CODE_POINT.get(character.codePointAt(0)!);
    if (byte === undefined) bytes.push(...encoder.encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
