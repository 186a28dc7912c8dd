// Computes the outputs of each case in cases.json with ONNX Runtime for the web, in Node.js.
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const arrays = { float32: Float32Array, float64: Float64Array };

function tensor(type, path, shape) {
  const bytes = readFileSync(path);
  const Kind = arrays[type];
  return new ort.Tensor(type, new Kind(bytes.buffer, bytes.byteOffset, bytes.length / Kind.BYTES_PER_ELEMENT), shape);
}

const results = [];
for (const { model, type, path, shape, lengths } of JSON.parse(readFileSync("cases.json", "utf-8"))) {
  const session = await ort.InferenceSession.create(model);
  const inputs = {
    x: tensor(type, path, shape),
    lengths: new ort.Tensor("int64", lengths.map(BigInt), [lengths.length]),
  };
  const { logits, probabilities } = await session.run(inputs);
  results.push([logits, probabilities].map((output) => ({ shape: output.dims, values: [...output.data] })));
}
writeFileSync("results.json", JSON.stringify(results));
