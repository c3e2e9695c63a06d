// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "blobctl/cmd_check.h"
#include "blobctl/cmd_diff.h"
#include "blobctl/cmd_doctor.h"
#include "blobctl/cmd_export.h"
#include "blobctl/cmd_inspect.h"
#include "blobctl/cmd_measure.h"
#include "blobctl/cmd_mount.h"
#include "blobctl/cmd_prepare.h"
#include "blobctl/cmd_serve.h"
#include "blobctl/cmd_status.h"
#include "blobctl/cmd_umount.h"
#include "blobctl/command.h"

namespace ondemand::blobctl {

std::span<const Command> commands() {
  static const std::array table{
      kPrepareCommand, kMountCommand,   kUmountCommand, kStatusCommand,
      kInspectCommand, kServeCommand,   kExportCommand, kCheckCommand,
      kDiffCommand,    kMeasureCommand, kDoctorCommand,
  };
  return table;
}

}  // namespace ondemand::blobctl
