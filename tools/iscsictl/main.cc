// SPDX-License-Identifier: GPL-2.0-only
//
// iscsictl: the administrator's tool. See commands.hh.
#include <unistd.h>

#include <exception>
#include <iostream>

#include "commands.hh"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  iscsictl::KernelDoor door;
  iscsictl::Context context{door, std::cin, std::cout, std::cerr};
  context.is_terminal = isatty(STDOUT_FILENO) == 1;
  try {
    const int status = iscsictl::run(argc, argv, context);
    std::cout.flush();
    if (std::cout) return status;
    std::cerr << "iscsictl: cannot write the output\n";
  } catch (const std::exception& error) {
    std::cerr << "iscsictl: " << error.what() << '\n';
  }
  return iscsictl::kRefused;
}
