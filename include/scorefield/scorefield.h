/* scorefield: the exact score of data, the losses that match a model to it, and the samplers that
 * follow it. This umbrella includes every family's header; each can be included alone.
 *
 *   core.h   status, last error, version, devices, contexts, memory and streams
 *   kde.h    Gaussian kernel density estimates: log-density, score, denoiser, derivatives
 *
 * C99; needs <stddef.h> and <stdint.h> only.
 */
#ifndef SCOREFIELD_SCOREFIELD_H_
#define SCOREFIELD_SCOREFIELD_H_

#include <scorefield/core.h>
#include <scorefield/kde.h>

#endif /* SCOREFIELD_SCOREFIELD_H_ */
