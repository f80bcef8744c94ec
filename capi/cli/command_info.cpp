// `scorefield info`: what this build and this machine offer.
#include <scorefield/scorefield.h>

#include <string>
#include <vector>

#include "commands.h"
#include "device.h"
#include "errors.h"

namespace scf::cli {

namespace {

std::vector<scf_device_info> devices_of(std::int32_t backend) {
  std::int32_t count = 0;
  check_status(scf_device_count(backend, &count));
  std::vector<scf_device_info> devices(static_cast<std::size_t>(count));
  for (std::int32_t i = 0; i < count; ++i) {
    check_status(scf_device_info_init(&devices[i], sizeof(scf_device_info)));
    check_status(scf_device_describe(backend, i, &devices[i]));
  }
  return devices;
}

// Why there is no CUDA device here, in the library's words.
std::string cuda_absence() {
  scf_device_info info;
  check_status(scf_device_info_init(&info, sizeof info));
  return scf_device_describe(SCF_BACKEND_CUDA, 0, &info) == SCF_SUCCESS ? "" : scf_last_error();
}

JsonReport to_json(const scf_device_info& device) {
  JsonReport json;
  json["backend"] = device.backend == SCF_BACKEND_CUDA ? "cuda" : "cpu";
  json["device"] = device.device;
  json["name"] = device.name;
  json["compute_capability"] = device.compute_capability;
  json["cores"] = device.cores;
  json["memory_bytes"] = device.memory_bytes;
  return json;
}

std::string to_line(const scf_device_info& device) {
  const double gib = static_cast<double>(device.memory_bytes) / (1 << 30);
  if (device.backend == SCF_BACKEND_CPU) {
    return format("cpu      %s, %s, %.1f GiB\n", device.name,
                  counted(device.cores, "hardware thread").c_str(), gib);
  }
  return format("cuda:%-3d %s, sm_%d, %d multiprocessors, %.1f GiB\n", device.device, device.name,
                device.compute_capability, device.cores, gib);
}

}  // namespace

void run_info(const InfoOptions& options) {
  const Context context(SCF_BACKEND_CPU);
  std::vector<scf_device_info> devices = devices_of(SCF_BACKEND_CPU);
  const std::vector<scf_device_info> cuda = devices_of(SCF_BACKEND_CUDA);
  devices.insert(devices.end(), cuda.begin(), cuda.end());
  const std::string absence = cuda.empty() ? cuda_absence() : "";
  const char* const target = scf_context_cpu_target(context.get());
  if (options.json) {
    JsonReport json;
    json["version"] = scf_version_string();
    std::vector<std::string> backends = {"cpu"};
    if (!cuda.empty()) backends.emplace_back("cuda");
    json["backends"] = backends;
    json["simd_target"] = target;
    json["threads"] = context.threads();
    std::vector<JsonReport> described;
    described.reserve(devices.size());
    for (const scf_device_info& device : devices) described.push_back(to_json(device));
    json["devices"] = described;
    print(json.text());
    return;
  }
  std::string text = format("scorefield %s\n", scf_version_string());
  text += format("backends cpu%s\n", cuda.empty() ? "" : ", cuda");
  text += format("SIMD     %s\n", target);
  text += format("threads  %d\n", context.threads());
  for (const scf_device_info& device : devices) text += to_line(device);
  if (cuda.empty()) text += "cuda     none: " + absence + "\n";
  print(text);
}

}  // namespace scf::cli
