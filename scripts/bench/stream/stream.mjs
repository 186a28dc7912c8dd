// node stream.mjs T B F FILE-step.onnx...: reads x.bin (T, B, F) step by step in ONNX Runtime for
// the web, and each prefix by FILE.onnx; writes the probabilities of each step, and prints how many
// microseconds of the CPU a step of one stream takes.
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const [steps, batch, channels] = process.argv.slice(2, 5).map(Number);
const x = new Float32Array(readFileSync("x.bin").buffer.slice(0));

/** Returns the states before the first step: zeros. */
function firstStates(session, count) {
  const states = {};
  for (const { name, type, shape } of session.inputMetadata.slice(1)) {
    const numbers = type === "float64" ? Float64Array : Float32Array;
    states[name] = new ort.Tensor(type, new numbers(count * shape[1]), [count, shape[1]]);
  }
  return states;
}

/** Returns the probabilities after a step, and the next states. */
async function run(session, values, count, states) {
  const x = new ort.Tensor("float32", values, [count, channels]);
  const results = await session.run({ x, ...states });
  const names = Object.keys(states);
  const next = Object.fromEntries(names.map((name) => [name, results[`new_${name}`]]));
  return [results.probabilities.data, next];
}

/** Returns x (T, B, F) as sequences (B, T, F). */
function sequences() {
  const values = new Float32Array(x.length);
  for (let step = 0; step < steps; step++)
    for (let row = 0; row < batch; row++) {
      const start = (step * batch + row) * channels;
      values.set(x.subarray(start, start + channels), (row * steps + step) * channels);
    }
  return new ort.Tensor("float32", values, [batch, steps, channels]);
}

const bytes = (numbers) => Buffer.from(numbers.slice().buffer);

for (const file of process.argv.slice(5)) {
  const session = await ort.InferenceSession.create(file);
  const whole = await ort.InferenceSession.create(file.replace("-step", ""));
  const written = [[], []];
  let states = firstStates(session, batch);
  for (let step = 0; step < steps; step++) {
    const values = x.slice(step * batch * channels, (step + 1) * batch * channels);
    const [probabilities, next] = await run(session, values, batch, states);
    written[0].push(bytes(probabilities));
    const lengths = new ort.Tensor("int64", Array(batch).fill(BigInt(step + 1)), [batch]);
    written[1].push(bytes((await whole.run({ x: sequences(), lengths })).probabilities.data));
    states = next;
  }
  writeFileSync(file.replace("-step.onnx", ".node.bin"), Buffer.concat(written[0]));
  writeFileSync(file.replace("-step.onnx", ".whole.bin"), Buffer.concat(written[1]));
  states = firstStates(session, 1);
  const start = process.cpuUsage();
  for (let step = 0; step < 10000; step++) {
    [, states] = await run(session, x.slice(0, channels), 1, states);
  }
  const { user, system } = process.cpuUsage(start);
  console.log(file.replace("-step.onnx", ""), ((user + system) / 10000).toFixed(0));
}
