// What g++ makes of `#pragma omp`, in pthreads: the thread sanitizer knows these, and not libgomp.

#include <pthread.h>

#include <deque>
#include <mutex>
#include <vector>

namespace {

struct Loop {
  long next, end, step;
};

struct Team {
  int threads;
  pthread_barrier_t barrier;
  std::mutex mutex;
  std::deque<Loop> loops;  // in the order in which each thread comes to them
};

struct Member {
  Team* team = nullptr;
  int number = 0;
  size_t loops = 0;  // that this thread has come to
  void (*body)(void*) = nullptr;
  void* data = nullptr;
};

thread_local Member me;

void* run(void* member) {
  me = *static_cast<Member*>(member);
  me.body(me.data);
  return nullptr;
}

bool take(long chunk, long* first, long* last) {
  std::lock_guard<std::mutex> held(me.team->mutex);
  Loop& loop = me.team->loops[me.loops - 1];
  if (loop.next >= loop.end) return false;
  *first = loop.next;
  loop.next += chunk * loop.step;
  *last = loop.next < loop.end ? loop.next : loop.end;
  return true;
}

thread_local long chunk_of_loop = 1;

}  // namespace

extern "C" {

void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
  Team team;
  team.threads = threads ? static_cast<int>(threads) : 1;
  pthread_barrier_init(&team.barrier, nullptr, team.threads);
  std::vector<Member> members(team.threads);
  std::vector<pthread_t> others(team.threads);
  for (int i = 0; i < team.threads; ++i) members[i] = {&team, i, 0, body, data};
  for (int i = 1; i < team.threads; ++i) pthread_create(&others[i], nullptr, run, &members[i]);
  const Member before = me;
  run(&members[0]);
  me = before;
  for (int i = 1; i < team.threads; ++i) pthread_join(others[i], nullptr);
  pthread_barrier_destroy(&team.barrier);
}

void GOMP_barrier() {
#ifndef NC_WITHOUT_BARRIERS  // as the test of the test compiles it
  pthread_barrier_wait(&me.team->barrier);
#endif
}

bool GOMP_loop_nonmonotonic_dynamic_start(long start, long end, long step, long chunk, long* first,
                                          long* last) {
  chunk_of_loop = chunk;
  {
    std::lock_guard<std::mutex> held(me.team->mutex);
    if (me.team->loops.size() == me.loops++) me.team->loops.push_back({start, end, step});
  }
  return take(chunk, first, last);
}

bool GOMP_loop_nonmonotonic_dynamic_next(long* first, long* last) {
  return take(chunk_of_loop, first, last);
}

void GOMP_loop_end_nowait() {}

int omp_get_thread_num() { return me.number; }

int omp_get_num_threads() { return me.team ? me.team->threads : 1; }
}
