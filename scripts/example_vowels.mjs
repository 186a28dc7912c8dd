// Classifies two sequences with vowels.onnx: see docs/using.md.
import * as ort from "onnxruntime-web";

const classNames = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
const session = await ort.InferenceSession.create("vowels.onnx");
const x = new ort.Tensor("float32", new Float32Array(2 * 20 * 12).fill(0.5), [2, 20, 12]);
const lengths = new ort.Tensor("int64", [9n, 20n], [2]);
const { probabilities } = await session.run({ x, lengths });
for (let start = 0; start < probabilities.size; start += classNames.length) {
  const row = probabilities.data.slice(start, start + classNames.length);
  const best = row.indexOf(Math.max(...row));
  console.log(classNames[best], row[best].toFixed(3));
}
