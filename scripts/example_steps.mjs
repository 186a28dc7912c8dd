// Classifies one sequence step by step with vowels-step.onnx: see docs/using.md.
import * as ort from "onnxruntime-web";

const classNames = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
const session = await ort.InferenceSession.create("vowels-step.onnx");
const feeds = {};
for (const { name, type, shape } of session.inputMetadata.slice(1)) {
  const zeros = type === "float64" ? new Float64Array(shape[1]) : new Float32Array(shape[1]);
  feeds[name] = new ort.Tensor(type, zeros, [1, shape[1]]);
}
const states = Object.keys(feeds);
for (let step = 1; step <= 20; step++) {
  feeds.x = new ort.Tensor("float32", new Float32Array(12).fill(0.5), [1, 12]);
  const results = await session.run(feeds);
  for (const name of states) feeds[name] = results[`new_${name}`];
  const row = results.probabilities.data;
  const best = row.indexOf(Math.max(...row));
  console.log(classNames[best], row[best].toFixed(3));
}
