/* scorefield in C++17: every family. The manual are the C headers; core.hpp says how their calls
 * are written here, and what a caller chooses about errors.
 *
 *   const scorefield::context context;
 *   const scorefield::kde kde(context, scorefield::matrix_view(data, d));
 *   scorefield::kde_query_params query;
 *   query.bandwidth = 0.5;
 *   scorefield::kde_outputs outputs;
 *   scorefield::place(outputs.score, outputs.ld_score, scorefield::matrix_view(score, d));
 *   const scorefield::buffer<> memory(
 *       context, scorefield::kde_evaluate_workspace(context, kde, m, query, outputs));
 *   scorefield::kde_evaluate(context, kde, scorefield::matrix_view(x, d), query, outputs, memory);
 */
#ifndef SCOREFIELD_SCOREFIELD_HPP_
#define SCOREFIELD_SCOREFIELD_HPP_

#include <scorefield/core.hpp>
#include <scorefield/divergence.hpp>
#include <scorefield/kde.hpp>
#include <scorefield/loss.hpp>
#include <scorefield/ode.hpp>
#include <scorefield/random.hpp>
#include <scorefield/sampler.hpp>
#include <scorefield/schedule.hpp>

#endif /* SCOREFIELD_SCOREFIELD_HPP_ */
