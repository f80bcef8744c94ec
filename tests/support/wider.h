// The precision in which references compute: wider than the library's dtype.
#pragma once

namespace scf::test {

template <class T>
struct WiderOf;
template <>
struct WiderOf<float> {
  using type = double;
};
template <>
struct WiderOf<double> {
  using type = long double;
};
template <class T>
using Wider = typename WiderOf<T>::type;

}  // namespace scf::test
