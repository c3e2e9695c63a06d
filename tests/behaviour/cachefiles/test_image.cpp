// SPDX-License-Identifier: Apache-2.0
#include "behaviour/cachefiles/test_image.h"

#include <algorithm>

#include "unit/erofs/test_tree.h"
#include "util/align.h"

namespace ondemand::behaviour {

namespace {

constexpr std::uint64_t kBlock = 4096;

class Maker {
 public:
  explicit Maker(std::size_t blobs) {
    image_.blobs.resize(blobs);
    for (std::size_t i = 0; i < blobs; ++i)
      image_.keys.push_back("blob" + std::to_string(i));
  }
  void add_inline(std::uint64_t size) {
    const unsigned number = next();
    const util::Buffer bytes = file_content(number, 0, size);
    tree_.inline_file(name(number), std::string(bytes.begin(), bytes.end()));
    image_.files.push_back({number, size, -1, 0});
  }
  void add(std::size_t blob, std::uint64_t size) {
    const unsigned number = next();
    util::Buffer& data = image_.blobs[blob];
    const std::uint64_t offset = data.size();
    const util::Buffer bytes = file_content(number, 0, size);
    data.insert(data.end(), bytes.begin(), bytes.end());
    data.resize(util::round_up(data.size(), kBlock));
    tree_.file(name(number), size,
               {erofs::extent(0, static_cast<std::uint32_t>(util::round_up(size, kBlock) / kBlock),
                              static_cast<std::uint32_t>(offset / kBlock),
                              static_cast<std::uint16_t>(blob + 1))});
    image_.files.push_back({number, size, static_cast<int>(blob), offset});
  }
  TestImage finish() {
    erofs::BootstrapOptions options;
    for (std::size_t i = 0; i < image_.blobs.size(); ++i)
      options.devices.push_back(
          {image_.keys[i], static_cast<std::uint32_t>(image_.blobs[i].size() / kBlock)});
    image_.bootstrap = erofs::make_image(tree_.finish(), options).bytes;
    return std::move(image_);
  }

 private:
  unsigned next() { return static_cast<unsigned>(image_.files.size()); }
  static std::string name(unsigned number) { return "f" + std::to_string(number); }

  erofs::TestTree tree_;
  TestImage image_;
};

}  // namespace

util::Buffer file_content(unsigned file, std::uint64_t offset, std::uint64_t len) {
  util::Buffer bytes(len);
  for (std::uint64_t i = 0; i < len; ++i) {
    const std::uint64_t x = (std::uint64_t{file} << 40) + offset + i + 1;
    bytes[i] = static_cast<std::uint8_t>((x * 0x9E3779B97F4A7C15U >> 37) | 1U);
  }
  return bytes;
}

TestImage plain_image() {
  Maker maker(1);
  for (int i = 0; i < 8; ++i)
    maker.add(0, kFileBytes);
  return maker.finish();
}

TestImage two_blob_image() {
  Maker maker(2);
  for (std::size_t i = 0; i < 8; ++i)
    maker.add(i % 2, kFileBytes);
  return maker.finish();
}

TestImage inline_image() {
  Maker maker(1);
  maker.add_inline(1);
  maker.add(0, kFileBytes - 100);
  maker.add_inline(3000);
  maker.add(0, 5000);
  maker.add(0, 65536);
  return maker.finish();
}

TestImage metadata_image() {
  Maker maker(0);
  maker.add_inline(2000);
  return maker.finish();
}

}  // namespace ondemand::behaviour
