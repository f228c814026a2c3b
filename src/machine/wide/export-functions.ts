// A WebAssembly module whose functions are all exported. Of the binary format only this much is read, of modules that are known to be
// valid (WebAssembly Core Specification, 5.5):
//
//   module     8 bytes of magic and version | sections
//   section    number (1 byte) | size of the rest (LEB128) | the rest
//   3          functions that the module defines: their count (LEB128) | ...
//   7          exports: their count (LEB128) | for each: length of its name (LEB128) | name | kind (1 byte; 0: function) | index (LEB128)
//
// Modules that import functions, whose indices come before those of the others, are not among those that are known.

const FUNCTIONS = 3;
const EXPORTS = 7;

/** The module, and the names under which it exports its functions besides those that it had. */
export function exportFunctions(bytes: Uint8Array): { bytes: Uint8Array<ArrayBuffer>; names: readonly string[] } {
  let names: readonly string[] = [];
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  for (let at = 8; at < bytes.length; ) {
    const begin = at;
    const number = bytes[at]!;
    const size = readNumber(bytes, at + 1);
    const end = size.end + size.value;
    const count = readNumber(bytes, size.end);
    if (number === FUNCTIONS) names = Array.from({ length: count.value }, (_, index) => `function ${index}`);
    if (number === EXPORTS) {
      const more = names.flatMap((name, index) => {
        return [...numberBytes(name.length), ...new TextEncoder().encode(name), 0, ...numberBytes(index)];
      });
      const all = [...numberBytes(count.value + names.length), ...bytes.subarray(count.end, end), ...more];
      parts.push(Uint8Array.from([EXPORTS, ...numberBytes(all.length), ...all]));
    } else {
      parts.push(bytes.subarray(begin, end));
    }
    at = end;
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return { bytes: whole, names };
}

/** A number in LEB128, below 2^28: 7 bits a byte, the lowest first. */
function readNumber(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let shift = 0; ; shift += 7, at++) {
    value |= (bytes[at]! & 127) << shift;
    if (bytes[at]! < 128) return { value, end: at + 1 };
  }
}

function numberBytes(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...numberBytes(value >> 7)];
}
