// A worker's entry: encodes the pieces that it is sent, in their order.

import { workerStart } from "../worker-handle.js";
import { Encoder, type Piece } from "./encoder.js";

const { data, port } = await workerStart();
const encoder = new Encoder(data as WebAssembly.Module);

port.onMessage((message) => {
  const answer = encoder.encode(message as Piece);
  port.postMessage(answer, "bytes" in answer ? [answer.bytes.buffer] : []);
});
