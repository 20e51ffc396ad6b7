// march on CUDA: two passes over the rays.
#include "march.h"

#include "launch.h"
#include "passes.h"

NC_CUDA_FUNCTION(march) {
  const nc::MarchRays<float> of{rays, origins, directions, near, far, static_cast<float>(step)};
  const nc::MarchBox box{resolution, low, high, words};
  NC_LAUNCH(nc::count_marched, nc::cuda_blocks(rays), nc::kCudaThreads, 0, stream, box, of,
            offsets);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(march_write) {
  const nc::MarchRays<float> of{rays, origins, directions, near, far, static_cast<float>(step)};
  const nc::MarchBox box{resolution, low, high, words};
  NC_LAUNCH(nc::write_marched, nc::cuda_blocks(rays), nc::kCudaThreads, 0, stream, box, of, offsets,
            t_starts, ray_indices);
  return nc::cuda_status();
}
