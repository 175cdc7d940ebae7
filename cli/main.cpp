#include "cli/command.hpp"

int main(int argc, char** argv) {
  return octet::run_octet(argc, argv);
}
