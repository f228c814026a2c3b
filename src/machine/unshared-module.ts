// The kernels for hosts whose threads share no memory. They are the same code: atomic operations are valid on a memory of one thread too,
// and what may not be done there, to wait, is not done in a team of one. Only the import of the memory says that it is shared.

const IMPORTS = 2;
const MEMORY = 2;
/** Of a memory's limits: it has a maximum; it is shared. */
const HAS_MAXIMUM = 1;
const SHARED = 2;

/**
 * A copy of a module that imports a memory of one thread.
 *
 *     header 8 | sections: id 1, bytes, ...
 *     imports: 2, bytes, count, then for each: module name, field name, kind 1, what it is
 *     a memory: kind 2, flags 1 (HAS_MAXIMUM, SHARED), initial, maximum
 *
 * Numbers and lengths are LEB128. @throws Error for a module whose first import is not a shared memory
 */
export function unsharedModule(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = copy[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  };
  const skip = () => {
    const length = number();
    at += length;
  };
  while (at < copy.length) {
    const id = copy[at++];
    if (id !== IMPORTS) {
      skip();
      continue;
    }
    number(); // bytes of the section
    number(); // imports
    skip(); // the module's name
    skip(); // the field's name
    if (copy[at] !== MEMORY || copy[at + 1] !== (HAS_MAXIMUM | SHARED)) break;
    copy[at + 1] = HAS_MAXIMUM;
    return copy;
  }
  throw new Error("the kernels do not begin with the import of a shared memory");
}
