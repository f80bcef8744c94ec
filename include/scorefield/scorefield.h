/* scorefield: the exact score of data, the losses that match a model to it, and the samplers that
 * follow it. This umbrella includes every family's header; each can be included alone.
 *
 *   core.h        status, last error, version, devices, contexts, memory and streams
 *   kde.h         Gaussian kernel density estimates: log-density, score, denoiser, derivatives
 *   random.h      random numbers that are the same everywhere; draws from a KDE
 *   loss.h        score-matching losses with gradients; bandwidths fitted by them
 *   divergence.h  how far a model is from data, with standard errors and gradients
 *   schedule.h    noise levels and the coefficients of the diffusions
 *   sampler.h     from noise to samples, step by step or as a whole
 *   ode.h         flows, the log-densities that they carry, and their gradients
 *
 * In C++17: scorefield.hpp. C99; needs <stddef.h> and <stdint.h> only.
 */
#ifndef SCOREFIELD_SCOREFIELD_H_
#define SCOREFIELD_SCOREFIELD_H_

#include <scorefield/core.h>
#include <scorefield/divergence.h>
#include <scorefield/kde.h>
#include <scorefield/loss.h>
#include <scorefield/ode.h>
#include <scorefield/random.h>
#include <scorefield/sampler.h>
#include <scorefield/schedule.h>

#endif /* SCOREFIELD_SCOREFIELD_H_ */
