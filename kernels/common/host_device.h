// Marks scalar formulas that both backends share.
#pragma once

#ifdef __CUDACC__
#define SCF_HOST_DEVICE __host__ __device__
#else
#define SCF_HOST_DEVICE
#endif
