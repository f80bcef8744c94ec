// What benchmarks need of a CUDA device beside the library: times by its own clock, its limits, and
// cuBLAS to compare with. Where there is no CUDA in the build, nothing here is called.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace scf_bench {

// Times what is enqueued on the default stream by events. Before each start the L2 cache is
// overwritten, so that nothing is found there that an earlier iteration left.
class DeviceTimer {
 public:
  DeviceTimer();
  ~DeviceTimer();
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  void start();
  // Waits. Seconds since start().
  [[nodiscard]] double stop();
  // Waits. Seconds since the last lap, or start().
  [[nodiscard]] double lap();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Per second, of the device that benchmarks run on. Exponentials and multiply-adds are products of
// multiprocessors, clock (the highest that it claims) and what a multiprocessor does in a clock: 16
// ex2, and dense multiply-adds of half precision on tensor cores by architecture (0: not known).
struct DeviceLimits {
  std::string name;
  double exponentials = 0;
  double multiply_adds = 0;
  double copied_bytes = 0;  // measured: read and written by a copy within device memory
};
[[nodiscard]] const DeviceLimits& device_limits();

// Log-density and score of a KDE in single precision as libraries of matrix products make them:
// G = X Y', exponents and their softmax by a row of G a block, P Y. As many rows at a time as fit
// 1 GiB. Data and queries lie on the device, rows d apart.
class MatrixKde {
 public:
  enum class Product {
    kCublas,          // in single precision
    kCublasTf32,      // of operands rounded to 11 bits, on tensor cores
    kWithoutLibrary,  // by a plain kernel, to try the rest where there is no cuBLAS
  };
  MatrixKde(const float* data, std::int64_t n, std::int64_t d, double bandwidth);
  ~MatrixKde();
  MatrixKde(const MatrixKde&) = delete;
  MatrixKde& operator=(const MatrixKde&) = delete;

  // Empty where cuBLAS can be used, else why it cannot.
  [[nodiscard]] static const std::string& cublas_is_missing();
  void evaluate(Product product, const float* queries, std::int64_t m, float* log_density,
                float* score);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scf_bench
