// How a model is divided among wasm32 memories: its layers in order, each shard as full as it goes. What is read before the layers lies
// with the first of them. What is read after them lies with the last, or wherever there is room.
//
//   shard 0   embedding, layers 0 .. i - 1
//   shard 1   layers i .. j - 1
//   shard 2   layers j .. n - 1, output matrix
//
// Layers that share keys and values lie in one shard. A tied embedding, which is read at both ends, takes what is read after the layers along.

import { MemoryError } from "../../errors.js";
import type { Hyperparameters } from "../hyperparameters.js";
import { aligned } from "./scratch.js";
import type { Weight } from "./weights.js";

/** Which shard has what. */
export interface Division {
  /** The shard of each weight. */
  readonly weights: readonly number[];
  readonly shards: readonly DividedShard[];
  /** The shard of what is read after the layers. */
  readonly output: number;
}

interface DividedShard {
  /** It has layers `firstLayer` .. `endLayer` - 1. */
  readonly firstLayer: number;
  readonly endLayer: number;
}

/** What must lie in one memory: a layer, or what is read before or after the layers. */
interface Unit {
  readonly name: string;
  readonly weights: readonly Weight[];
  /** The numbers of its layers. */
  readonly layers: readonly number[];
}

/** Bytes of what is kept of texts, for some layers of one shard. */
type CacheBytes = (layers: readonly number[]) => { readonly kvCache: number; readonly recurrentState: number };

/** What the plan gives. */
interface Rooms {
  /** The model's layers, in order: those of a group must lie in one memory. */
  readonly groups: readonly (readonly number[])[];
  /** Pages of the KV cache. */
  readonly pages: number;
  /** Bytes that every shard has besides weights, KV cache and recurrent state. */
  readonly commonBytes: number;
  /** The most bytes of a shard. */
  readonly shardBytes: number;
}

/** @throws MemoryError MEMORY_PLAN when a unit is larger than a memory */
export function divide(weights: readonly Weight[], cacheBytes: CacheBytes, rooms: Rooms): Division {
  const { input, layers, output } = unitsOf(weights, rooms.groups);
  const room = rooms.shardBytes - rooms.commonBytes;
  const bytesOf = (units: readonly Unit[]) => {
    const matrices = units.flatMap((unit) => unit.weights).reduce((sum, { bytes }) => sum + aligned(bytes), 0);
    const { kvCache, recurrentState } = cacheBytes(units.flatMap((unit) => unit.layers));
    return matrices + aligned(kvCache) + recurrentState;
  };
  const shards: Unit[][] = [[]];
  const append = (unit: Unit) => {
    if (bytesOf([unit]) > room) throw tooLarge(unit, cacheBytes(unit.layers), bytesOf([unit]), rooms);
    const last = shards.at(-1)!;
    if (bytesOf([...last, unit]) <= room) last.push(unit);
    else shards.push([unit]);
    return shards.length - 1;
  };
  let end = append(input);
  for (const layer of layers) end = append(layer);
  if (output !== undefined) {
    const free = shards.findLastIndex((units) => bytesOf([...units, output]) <= room);
    if (free >= 0) shards[free]!.push(output);
    end = free >= 0 ? free : append(output);
  } else if (isTied(input)) end = 0;

  const shardOf = new Map(shards.flatMap((units, i) => units.flatMap((unit) => unit.weights.map((one) => [one, i]))));
  let firstLayer = 0;
  return {
    weights: weights.map((weight) => shardOf.get(weight)!),
    shards: shards.map((units) => {
      const endLayer = firstLayer + units.reduce((sum, { layers }) => sum + layers.length, 0);
      const shard = { firstLayer, endLayer };
      firstLayer = endLayer;
      return shard;
    }),
    output: end,
  };
}

/** The layers in groups, in order: a layer that reads another's keys and values lies with that one, and with all between them. */
export function layerGroups({ attention }: Hyperparameters): readonly (readonly number[])[] {
  const groups: (readonly number[])[] = [];
  for (const [layer, { keysOf = layer }] of attention.entries()) {
    let group: readonly number[] = [layer];
    while (keysOf < group[0]!) group = [...groups.pop()!, ...group];
    groups.push(group);
  }
  return groups;
}

function unitsOf(
  weights: readonly Weight[],
  groups: Rooms["groups"],
): { input: Unit; layers: Unit[]; output: Unit | undefined } {
  const first = weights.findIndex(({ layer }) => layer !== undefined);
  const before = { name: "what is read before the layers", weights: weights.slice(0, first), layers: [] };
  const after = weights.slice(first).filter(({ layer }) => layer === undefined);
  const units = groups.map((layers) => ({
    name:
      layers.length === 1
        ? `layer ${layers[0]}`
        : `layers ${layers[0]} .. ${layers.at(-1)}, which share keys and values`,
    weights: weights.filter(({ layer }) => layer !== undefined && layers.includes(layer)),
    layers,
  }));
  if (isTied(before)) {
    return { input: { ...before, weights: [...before.weights, ...after] }, layers: units, output: undefined };
  }
  const output = { name: "what is read after the layers", weights: after, layers: [] };
  return { input: before, layers: units, output: after.length > 0 ? output : undefined };
}

/** Whether the embedding is the output matrix too. */
function isTied(input: Unit): boolean {
  return input.weights.some(({ name, role }) => name === "token_embd.weight" && role === "matrix");
}

function tooLarge(
  { name, weights }: Unit,
  { kvCache, recurrentState }: ReturnType<CacheBytes>,
  bytes: number,
  rooms: Rooms,
): MemoryError {
  const room = rooms.shardBytes - rooms.commonBytes;
  const holds =
    `one WebAssembly memory holds ${megabytes(rooms.shardBytes)}, ` +
    `of which activations and scratch take ${megabytes(rooms.commonBytes)}`;
  const wide = weights.find((weight) => weight.bytes > room);
  if (wide !== undefined) {
    return new MemoryError("MEMORY_PLAN", `tensor "${wide.name}" takes ${megabytes(wide.bytes)}; ${holds}`);
  }
  const state = recurrentState > 0 ? ` + recurrent state ${megabytes(recurrentState)}` : "";
  return new MemoryError(
    "MEMORY_PLAN",
    `${name} takes ${megabytes(bytes)}: weights ${megabytes(bytes - aligned(kvCache) - recurrentState)} + ` +
      `KV cache ${megabytes(kvCache)} (${rooms.pages} pages of 64 positions)${state}; ${holds}`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
