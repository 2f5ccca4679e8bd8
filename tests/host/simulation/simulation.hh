// SPDX-License-Identifier: GPL-2.0-only
//
// The simulated host: threads, time and sockets of include/os without any of the real ones.
//
// Threads of the engine are coroutines that run only while the test asks for it, one at a time and
// always in the same order; the clock stands still until it is moved; a connection is two queues of
// bytes. So a run depends on its input alone, a hang is seen at once (a round that never ends, or
// nobody left who could go on), and thousands of whole sessions fit into a second. Linked instead
// of tests/host/thread.cc and socket.cc. Everything here belongs to the one real thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

struct os_socket;

namespace chiscsi::simulation {

// Lets the engine's threads run until all of them sleep. Ends the program when that never happens.
void settle();
// Moves the clock, then settles.
void advance(uint64_t milliseconds);

// os_socket_read() hands over at most so many bytes in one piece; 0: no limit.
void set_read_piece(size_t bytes);
// Zero-copy sends keep their memory until release_notices(); else it is free at once. The program
// ends when such memory has changed meanwhile.
void hold_notices(bool on);
void release_notices();
// Sockets the engine has not closed.
size_t open_sockets();

// What the engine has asked of its host. A test may set it back.
struct Counts {
  uint64_t wake_ups = 0;       // Threads that had gone to sleep and were woken.
  uint64_t receive_calls = 0;  // os_socket_read(), those included that find nothing.
  uint64_t send_calls = 0;     // os_socket_send()
};
Counts& counts();
// A thread of the engine runs, and no HostWork lives.
bool is_engine_running();
// While one lives, what an engine's thread does is the simulated host's own work.
class HostWork {
 public:
  HostWork();
  ~HostWork();
  HostWork(const HostWork&) = delete;
  HostWork& operator=(const HostWork&) = delete;
};

// The other end of a TCP connection.
class Link {
 public:
  // Connects to the listener at `port`; nobody listens: is_open() is false.
  explicit Link(uint16_t port);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // The engine has not closed its end, nor said that nothing more follows.
  bool is_open() const;
  // Bytes to the engine. The engine sees them in settle().
  void send(const std::string& bytes);
  // What the engine has sent; makes room for as much again.
  std::string take();
  // How many bytes the engine may send before take().
  void set_room(size_t bytes);
  void close();
  void reset();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace chiscsi::simulation
