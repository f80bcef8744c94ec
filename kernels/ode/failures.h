// Which samples have failed in any of several solves of one batch.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "ode/ode.h"
#include "sampler/block.h"

namespace scf::ode {

template <class T>
class Failures {
 public:
  Failures(const OdeBackend<T>& backend, std::int64_t m)
      : backend_(backend),
        of_(static_cast<std::size_t>(m), 0),
        place_(backend.base(), sizeof(std::uint32_t) * of_.size()) {}

  // Where a solve writes its statuses; take() adds them.
  [[nodiscard]] std::uint32_t* place() const { return static_cast<std::uint32_t*>(place_.data()); }
  void take() {
    std::vector<std::uint32_t> read(of_.size());
    backend_.base().read(read.data(), place(), sizeof(std::uint32_t) * read.size());
    for (std::size_t i = 0; i < of_.size(); ++i) {
      of_[i] |= read[i];
    }
  }
  // Rows of [m, d] that are not finite have failed. sums: scratch, [m] in device memory.
  void take_rows(const Matrix<const T>& rows, std::int64_t d, double* sums) {
    const auto m = static_cast<std::int64_t>(of_.size());
    const std::vector<T> ones(static_cast<std::size_t>(d), T{1});
    const sampler::Block<T> one(backend_.base(), sizeof(T) * ones.size());
    backend_.base().write(one.data(), ones.data(), sizeof(T) * ones.size());
    backend_.norms({static_cast<const T*>(one.data()), 0}, rows, {}, {1, 0}, m, d, nullptr, sums);
    std::vector<double> squares(of_.size());
    backend_.base().read(squares.data(), sums, sizeof(double) * squares.size());
    for (std::size_t i = 0; i < of_.size(); ++i) {
      // A large square is a number yet.
      of_[i] |= std::isnan(squares[i]) ? kNotFinite : 0U;
    }
  }
  // Rows of samples that have failed are NaN.
  void spoil(std::int64_t d, const Matrix<T>& rows) const {
    write(place());
    backend_.spoil_rows(place(), static_cast<std::int64_t>(of_.size()), d, rows);
  }
  void tell(OdeResult& result, std::uint32_t* wanted) const {
    tell_failures(of_, result);
    if (wanted != nullptr) {
      write(wanted);
    }
  }

 private:
  void write(std::uint32_t* to) const {
    backend_.base().write(to, of_.data(), sizeof(std::uint32_t) * of_.size());
  }
  const OdeBackend<T>& backend_;
  std::vector<std::uint32_t> of_;
  sampler::Block<T> place_;
};

}  // namespace scf::ode
