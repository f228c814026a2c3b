// Opens a GGUF model: one source, or the parts of a split model, as one set of metadata and tensors.

import { GgufError, printable } from "../errors.js";
import { checkInteger, namesOf, optionsOf } from "../options.js";
import { type Header, readHeader } from "./header.js";
import type { GgufMetadata } from "./metadata.js";
import { type GgufSource, openSource, type Source } from "./source.js";
import { checkParts, partCount, partPath, splitError } from "./split.js";
import type { TensorTypeName } from "./tensor-types.js";
import { DEFAULT_WINDOW_BYTES } from "./window.js";

/** Where one tensor is, and what it is. */
export interface GgufTensor {
  readonly name: string;
  readonly type: TensorTypeName;
  /** In GGUF's order: ne0, the row length, first. A scalar has none. */
  readonly shape: readonly number[];
  /** Byte offset in its part's file. */
  readonly offset: number;
  readonly bytes: number;
  /** Index into `Gguf.parts`. */
  readonly part: number;
}

/** One file of a model; most models have one. */
export interface GgufPart {
  /** The file's name, or "Blob" or "Uint8Array". */
  readonly name: string;
  /** The file's path as given; undefined for a Blob or a Uint8Array. */
  readonly path: string | undefined;
  /** Bytes of the file. */
  readonly size: number;
  /** When the file was last modified, in ms since 1970; undefined for a Blob or a Uint8Array. */
  readonly modified: number | undefined;
  /** Which file it is, and in which state: device, inode, size and time of modification. undefined for a Blob or a Uint8Array. */
  readonly identity: string | undefined;
  /** Byte offset at which its tensor data begins. */
  readonly dataOffset: number;
}

/** An open GGUF model. Everything except tensor data is in memory; `close` it when the tensors have been read. */
export interface Gguf {
  /** The format's version: 2 or 3. */
  readonly version: number;
  /** The key-value pairs (a split model's are those of part 1). */
  readonly metadata: GgufMetadata;
  /** All tensors, in file order, part after part. */
  readonly tensors: readonly GgufTensor[];
  /** Bytes that tensor data is aligned to. */
  readonly alignment: number;
  readonly parts: readonly GgufPart[];
  /** False for a header by itself: a file that ends where its tensor data would begin. Then no tensor can be read. */
  readonly hasData: boolean;
  /** The tensor of this name. */
  tensor(name: string): GgufTensor | undefined;
  /**
   * The tensor's bytes, as they are in the file, or `bytes` of them from the tensor's byte `from` on. Throws GgufError where the file
   * has changed or is closed, CriaError INVALID_OPTION where the tensor does not have that many bytes.
   */
  readTensor(tensor: GgufTensor, from?: number, bytes?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Closes the file. What was read of it stays. */
  close(): Promise<void>;
}

/** How to open a file. */
export interface OpenGgufOptions {
  /** Bytes of the header to read at a time; 256 KiB by default. */
  readonly windowBytes?: number;
}

const optionNames = namesOf<OpenGgufOptions>({ windowBytes: true });

/**
 * Opens a GGUF file of version 2 or 3 and reads its header. The source is a path, a `file:` URL, a Blob or a Uint8Array (not
 * copied: do not change it). Of a split model, pass part 1's path: the others are looked for beside it; or an array of all
 * parts in order, of any kind.
 *
 * A header with tensors but without a single byte of data is accepted with `hasData` false.
 *
 * @throws GgufError for whatever is wrong, with `code`, `offset` and `subject`; nothing stays open then.
 */
export async function openGguf(
  source: GgufSource | readonly GgufSource[],
  options: OpenGgufOptions = {},
): Promise<Gguf> {
  const { windowBytes = DEFAULT_WINDOW_BYTES } = optionsOf("openGguf", options, optionNames);
  checkInteger("windowBytes", windowBytes, 1, Number.MAX_SAFE_INTEGER);
  const given: readonly GgufSource[] = Array.isArray(source) ? source : [source as GgufSource];
  if (given.length === 0) throw new GgufError("GGUF_SOURCE", "the list of parts must not be empty");
  const rest = (first: Source, count: number): readonly GgufSource[] => {
    if (given.length === 1) return Array.from({ length: count - 1 }, (_, i) => siblingPath(first, i + 1, count));
    if (given.length === count) return given.slice(1);
    throw splitError(first, "split.count", `the model has ${count} parts, ${given.length} were given`);
  };
  return openParts(
    () => openSource(given[0]!),
    (first, count) => rest(first, count).map((part) => () => openSource(part)),
    windowBytes,
  );
}

type Opener = () => Promise<Source>;

/**
 * Opens a model whose bytes come from anywhere: its first part, then the others, once the first has said how many there are.
 *
 * @throws GgufError, and what the sources throw; nothing stays open then
 */
export async function openParts(
  first: Opener,
  rest: (first: Source, count: number) => readonly Opener[],
  windowBytes = DEFAULT_WINDOW_BYTES,
): Promise<Gguf> {
  const sources: Source[] = [];
  const headers: Header[] = [];
  const add = async (open: Opener) => {
    const opened = await open();
    sources.push(opened);
    headers.push(await readHeader(opened, windowBytes));
  };
  try {
    await add(first);
    const count = partCount(sources[0]!, headers[0]!);
    for (const open of rest(sources[0]!, count)) await add(open);
    if (count > 1) checkParts(sources, headers);
    return new OpenGguf(sources, headers);
  } catch (error) {
    await Promise.all(sources.map((opened) => opened.close()));
    throw error;
  }
}

function siblingPath(first: Source, index: number, count: number): string {
  const message = `this is part 1 of ${count} of a split model`;
  if (first.path === undefined) throw splitError(first, "split.count", `${message}: pass an array of all parts`);
  const path = partPath(first.path, index, count);
  if (path !== undefined) return path;
  const ending = `-00001-of-${String(count).padStart(5, "0")}.gguf`;
  throw splitError(
    first,
    "split.count",
    `${message}, but its name does not end in ${ending}, so the others have no name`,
  );
}

class OpenGguf implements Gguf {
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly GgufTensor[];
  readonly alignment: number;
  readonly parts: readonly GgufPart[];
  readonly hasData: boolean;
  readonly #sources: readonly Source[];
  readonly #byName: ReadonlyMap<string, GgufTensor>;
  #closed = false;

  constructor(sources: readonly Source[], headers: readonly Header[]) {
    this.#sources = sources;
    this.version = headers[0]!.version;
    this.metadata = headers[0]!.metadata;
    this.alignment = headers[0]!.alignment;
    this.hasData = headers.every((header) => header.hasData);
    this.tensors = headers.flatMap((header, part) => header.tensors.map((tensor) => ({ ...tensor, part })));
    this.parts = sources.map(({ name, path, size, modified, identity }, part) => {
      return { name, path, size, modified, identity, dataOffset: headers[part]!.dataOffset };
    });
    this.#byName = new Map(this.tensors.map((tensor) => [tensor.name, tensor]));
  }

  tensor(name: string): GgufTensor | undefined {
    return this.#byName.get(name);
  }

  async readTensor(tensor: GgufTensor, from = 0, bytes = tensor.bytes - from): Promise<Uint8Array<ArrayBuffer>> {
    const subject = printable(tensor.name);
    if (this.#byName.get(tensor.name) !== tensor) {
      throw new GgufError("GGUF_TENSOR_NAME", "this tensor is from another model", { subject });
    }
    checkInteger("from", from, 0, tensor.bytes);
    checkInteger("bytes", bytes, 0, tensor.bytes - from);
    const offset = tensor.offset + from;
    if (this.#closed) throw new GgufError("GGUF_CLOSED", "the model has been closed", { subject, offset });
    if (!this.hasData) {
      throw new GgufError("GGUF_TRUNCATED", "the file is a header only: the tensor data is missing", {
        subject,
        offset,
      });
    }
    const source = this.#sources[tensor.part]!;
    await source.verifyUnchanged();
    const target = new Uint8Array(bytes);
    await source.read(offset, target);
    return target;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#sources.map((source) => source.close()));
  }
}
