// SPDX-License-Identifier: Apache-2.0
#include "blobctl/run.h"
#include "cli/tool_main.h"

int main(int argc, char** argv) {
  return ondemand::cli::tool_main(argc, argv, ondemand::blobctl::run);
}
