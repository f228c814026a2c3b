// Split files: one model in several GGUF files, named NAME-00001-of-0000N.gguf, each with its own header and data.
//
//   part 1   all metadata, split.no = 0, split.count = N, split.tensors.count = tensors of all parts
//   part i   split.no = i - 1, and the same two counts

import { GgufError, printable } from "../errors.js";
import type { Header } from "./header.js";
import type { Source } from "./source.js";

const PART_NAME = /-(\d{5})-of-(\d{5})\.gguf$/i;

/** What a part's name says of it; undefined for a file that is not named as one. */
export function splitPartName(path: string) {
  const match = PART_NAME.exec(path);
  if (match === null) return undefined;
  const digits = (n: number) => String(n).padStart(5, "0");
  return {
    /** From 1. */
    part: Number(match[1]),
    parts: Number(match[2]),
    /** The path of another part. */
    nameOf: (part: number) => `${path.slice(0, match.index)}-${digits(part)}-of-${match[2]}.gguf`,
  };
}

/** The path of part `index` (from 0) of `count`, given part 1's; undefined where part 1 is not named as one. */
export function partPath(firstPath: string, index: number, count: number): string | undefined {
  const name = splitPartName(firstPath);
  return name?.part === 1 && name.parts === count ? name.nameOf(index + 1) : undefined;
}

/** How many parts the model has, as part 1 says: 1 for a file that is not split. Throws where this is another part. */
export function partCount(source: Source, header: Header): number {
  const count = header.metadata.getNumber("split.count") ?? 1;
  if (!Number.isInteger(count) || count < 1 || count > 65535) {
    throw splitError(source, "split.count", `${count} parts are not possible`);
  }
  const number = header.metadata.getNumber("split.no") ?? 0;
  if (number === 0) return count;
  const [, , of] = PART_NAME.exec(source.name) ?? [];
  const first = of === undefined ? "part 1" : source.name.replace(PART_NAME, `-00001-of-${of}.gguf`);
  throw splitError(source, "split.no", `this is part ${number + 1} of ${count} of a split model: open ${first}`);
}

/** Holds the parts of a split model against each other. Throws GgufError (GGUF_SPLIT). */
export function checkParts(sources: readonly Source[], headers: readonly Header[]): void {
  const tensors = headers.reduce((sum, header) => sum + header.tensors.length, 0);
  const owners = new Map<string, number>();
  headers.forEach((header, index) => {
    const source = sources[index]!;
    const expect = (key: string, expected: number) => {
      const actual = header.metadata.getNumber(key);
      if (actual !== expected) throw splitError(source, key, `expected ${expected}, the file has ${actual ?? "none"}`);
    };
    expect("split.no", index);
    expect("split.count", headers.length);
    expect("split.tensors.count", headers[0]!.metadata.getNumber("split.tensors.count") ?? tensors);
    for (const { name } of header.tensors) {
      const owner = owners.get(name);
      if (owner !== undefined) {
        throw splitError(source, name, `this tensor is also in part ${owner + 1}, ${sources[owner]!.name}`);
      }
      owners.set(name, index);
    }
    if (!header.hasData) throw new GgufError("GGUF_TRUNCATED", `${source.name}: the tensor data is missing`);
  });
  const declared = headers[0]!.metadata.getNumber("split.tensors.count");
  if (declared !== tensors) {
    throw splitError(sources[0]!, "split.tensors.count", `${declared} tensors expected, the parts have ${tensors}`);
  }
}

/** An error about a split model. */
export function splitError(source: Source, subject: string, message: string, cause?: unknown): GgufError {
  return new GgufError("GGUF_SPLIT", `${source.name}: ${message}`, { subject: printable(subject), cause });
}
