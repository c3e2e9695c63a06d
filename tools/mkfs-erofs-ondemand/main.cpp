// SPDX-License-Identifier: Apache-2.0
#include "cli/tool_main.h"
#include "mkfs-erofs-ondemand/run.h"

int main(int argc, char** argv) {
  return ondemand::cli::tool_main(argc, argv, ondemand::mkfs::run);
}
