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

/** The byte for which each code point stands; -1: none. */
const BYTE_OF_CODE_POINT = new Int16Array(0x800).fill(-1);
CODE_POINT_OF_BYTE.forEach((codePoint, byte) => {
  BYTE_OF_CODE_POINT[codePoint] = byte;
});

/** Writes bytes in the alphabet, as UTF-8, to `target`; returns how many bytes it wrote, at most twice as many. */
export function toByteAlphabet(source: Uint8Array, length: number, target: Uint8Array): number {
  let at = 0;
  for (let i = 0; i < length; i++) {
    const codePoint = CODE_POINT_OF_BYTE[source[i]!]!;
    if (codePoint < 0x80) {
      target[at++] = codePoint;
    } else {
      target[at++] = 0xc0 | (codePoint >> 6);
      target[at++] = 0x80 | (codePoint & 0x3f);
    }
  }
  return at;
}

/** The bytes for which UTF-8 in the alphabet stands; a character outside of the alphabet stands for itself. */
export function fromByteAlphabet(source: Uint8Array): Uint8Array {
  const target = new Uint8Array(source.length);
  let length = 0;
  for (let i = 0; i < source.length; ) {
    const size = source[i]! < 0x80 ? 1 : (source[i]! & 0xe0) === 0xc0 ? 2 : 3;
    const codePoint = size === 1 ? source[i]! : ((source[i]! & 0x1f) << 6) | (source[i + 1]! & 0x3f);
    const byte = size <= 2 ? BYTE_OF_CODE_POINT[codePoint]! : -1;
    if (byte >= 0) {
      target[length++] = byte;
      i += size;
    } else {
      do target[length++] = source[i++]!;
      while (i < source.length && (source[i]! & 0xc0) === 0x80);
    }
  }
  return target.subarray(0, length);
}
