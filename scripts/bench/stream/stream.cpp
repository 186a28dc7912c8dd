// ./stream T B F FILE-step.onnx...: reads x.bin (T, B, F) step by step in ONNX Runtime, and writes the
// probabilities of each step.
#include <onnxruntime_cxx_api.h>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

int main(int count, char** arguments) {
  const int64_t steps = std::atoi(arguments[1]), batch = std::atoi(arguments[2]);
  const int64_t channels = std::atoi(arguments[3]);
  std::vector<float> x(steps * batch * channels);
  std::ifstream("x.bin", std::ios::binary).read(reinterpret_cast<char*>(x.data()), x.size() * 4);
  Ort::Env env;
  Ort::AllocatorWithDefaultOptions allocator;
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  for (int index = 4; index < count; ++index) {
    std::string file = arguments[index];
    Ort::Session session(env, file.c_str(), Ort::SessionOptions());
    std::vector<std::string> names{"x"}, results{"probabilities"};
    std::vector<Ort::Value> feeds;
    feeds.emplace_back(nullptr);  // x, which is set at each step
    for (size_t state = 1; state < session.GetInputCount(); ++state) {
      names.push_back(session.GetInputNameAllocated(state, allocator).get());
      results.push_back("new_" + names.back());
      auto info = session.GetInputTypeInfo(state);
      auto described = info.GetTensorTypeAndShapeInfo();
      const int64_t shape[] = {batch, described.GetShape()[1]};
      auto type = described.GetElementType();
      feeds.push_back(Ort::Value::CreateTensor(allocator, shape, 2, type));
      const size_t bytes = type == ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE ? 8 : 4;
      std::fill_n(feeds.back().GetTensorMutableData<char>(), shape[0] * shape[1] * bytes, 0);
    }
    std::vector<const char*> inputs, outputs;
    for (auto& name : names) inputs.push_back(name.c_str());
    for (auto& name : results) outputs.push_back(name.c_str());
    std::ofstream written(file.replace(file.find("-step.onnx"), 10, ".cpp.bin"), std::ios::binary);
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t shape[] = {batch, channels}, size = batch * channels;
      feeds[0] = Ort::Value::CreateTensor(memory, x.data() + step * size, size, shape, 2);
      auto next = session.Run(Ort::RunOptions(), inputs.data(), feeds.data(), feeds.size(),
                              outputs.data(), outputs.size());
      const size_t numbers = next[0].GetTensorTypeAndShapeInfo().GetElementCount();
      written.write(reinterpret_cast<const char*>(next[0].GetTensorData<float>()), numbers * 4);
      feeds = std::move(next);  // the new states follow the probabilities as the states follow x
    }
  }
}
