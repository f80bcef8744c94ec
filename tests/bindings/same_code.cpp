// A few calls by scorefield.hpp, or with BY_C in C: check_same_code.cmake compares the
// instructions.
#include <scorefield/scorefield.hpp>

namespace sf = scorefield;

void step(scf_context* context, const scf_step_params& params, float* x, float* output, float* next,
          std::int64_t m, std::int64_t d) {
#ifdef BY_C
  sf::throwing{}(scf_langevin_step_f32(context, &params, m, d, x, d, output, d, next, d, nullptr));
#else
  sf::langevin_step(context, params, sf::matrix_view(x, m, d), sf::matrix_view(output, m, d),
                    sf::matrix_view(next, m, d));
#endif
}

void draw(scf_context* context, const scf_random_params& params, double* out, std::int64_t m,
          std::int64_t d, void* stream) {
#ifdef BY_C
  sf::throwing{}(scf_random_normal_f64(context, &params, m, d, out, d, stream));
#else
  sf::random_normal(context, &params, sf::matrix_view(out, m, d), stream);
#endif
}

void divergence(scf_context* context, const scf_divergence_points& points,
                const scf_divergence_outputs& outputs, std::byte* memory, std::int64_t bytes) {
#ifdef BY_C
  sf::throwing{}(scf_kl_divergence_f32(context, &points, &outputs, memory,
                                       static_cast<std::size_t>(bytes), nullptr));
#else
  sf::kl_divergence<float>(context, points, outputs, {memory, bytes});
#endif
}
