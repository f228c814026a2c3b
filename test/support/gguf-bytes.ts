// Builds GGUF bytes by hand, right or wrong: tests of the reader must not depend on the writer being right.

/** One field of a file: its little-endian bytes. */
export type Field = readonly number[] | Uint8Array;

function integer(value: bigint | number, bytes: number): number[] {
  const bits = BigInt.asUintN(bytes * 8, BigInt(value));
  return Array.from({ length: bytes }, (_, index) => Number((bits >> BigInt(8 * index)) & 0xffn));
}

export const u32 = (value: number): Field => integer(value, 4);
export const u64 = (value: bigint | number): Field => integer(value, 8);

export function text(value: string | Uint8Array): Field {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return [...u64(bytes.length), ...bytes];
}

/** A key, a value type's number, and the value's bytes. */
export function pair(key: string | Uint8Array, type: number, ...value: readonly Field[]): Field {
  return [...text(key), ...u32(type), ...value.flatMap((field) => [...field])];
}

export interface TensorFields {
  readonly name?: string | Uint8Array;
  readonly dimensions?: number;
  readonly shape?: readonly (number | bigint)[];
  readonly type?: number;
  readonly offset?: number | bigint;
}

/** A tensor's record; by default "w", F32, (8), at 0. */
export function tensor({
  name = "w",
  shape = [8],
  dimensions = shape.length,
  type = 0,
  offset = 0,
}: TensorFields = {}) {
  return [...text(name), ...u32(dimensions), ...shape.flatMap((n) => [...u64(n)]), ...u32(type), ...u64(offset)];
}

export interface FileFields {
  readonly version?: number;
  readonly tensorCount?: number | bigint;
  readonly pairCount?: number | bigint;
  readonly pairs?: readonly Field[];
  readonly tensors?: readonly Field[];
  readonly alignment?: number;
  /** Bytes of tensor data. */
  readonly data?: number;
}

/** A whole file; padding and data follow only where there are tensors. */
export function file(fields: FileFields = {}): Uint8Array {
  const { version = 3, pairs = [], tensors = [], alignment = 32, data = 0 } = fields;
  const header = [
    [0x47, 0x47, 0x55, 0x46],
    u32(version),
    u64(fields.tensorCount ?? tensors.length),
    u64(fields.pairCount ?? pairs.length),
    ...pairs,
    ...tensors,
  ].flatMap((field) => [...field]);
  if (tensors.length === 0) return Uint8Array.from(header);
  const bytes = new Uint8Array(Math.ceil(header.length / alignment) * alignment + data);
  bytes.set(header);
  return bytes;
}
