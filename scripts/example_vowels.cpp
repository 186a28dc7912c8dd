// Classifies two sequences with vowels.onnx: see docs/using.md.
#include <onnxruntime_cxx_api.h>
#include <algorithm>
#include <cstdio>
#include <vector>

int main() {
  Ort::Env env;
  Ort::Session session(env, ORT_TSTR("vowels.onnx"), Ort::SessionOptions());
  std::vector<float> x(2 * 20 * 12, 0.5f);
  std::vector<int64_t> lengths{9, 20}, x_shape{2, 20, 12}, lengths_shape{2};
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  Ort::Value inputs[] = {
      Ort::Value::CreateTensor(memory, x.data(), x.size(), x_shape.data(), 3),
      Ort::Value::CreateTensor(memory, lengths.data(), 2, lengths_shape.data(), 1)};
  const char *input_names[] = {"x", "lengths"}, *output_names[] = {"probabilities"};
  auto outputs = session.Run(Ort::RunOptions(), input_names, inputs, 2, output_names, 1);
  auto names = session.GetModelMetadata().LookupCustomMetadataMapAllocated(
      "class_names", Ort::AllocatorWithDefaultOptions());
  std::printf("%s\n", names.get());
  const float* row = outputs[0].GetTensorData<float>();
  for (int sequence = 0; sequence < 2; ++sequence, row += 9) {
    const float* best = std::max_element(row, row + 9);
    std::printf("%d %.3f\n", int(best - row), *best);
  }
}
