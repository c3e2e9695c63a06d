// SPDX-License-Identifier: Apache-2.0
#include "source/blob_receiver.h"

#include "util/text.h"

namespace ondemand::source {
namespace {

std::string describe(const util::ByteRange& range) {
  return util::concat("[", range.offset, ", ", range.end(), ")");
}

std::string check_partial(const http::Response& response, util::ByteRange wanted) {
  if (response.headers.find("Content-Range") == nullptr)
    return "partial content without Content-Range";
  if (!response.content_range || !response.content_range->range) return "malformed Content-Range";
  const util::ByteRange& range = *response.content_range->range;
  if (range != wanted)
    return util::concat("bytes ", describe(range), " in place of ", describe(wanted));
  if (response.content_length && *response.content_length != wanted.len)
    return util::concat("Content-Length ", *response.content_length, " of a range of ", wanted.len);
  return {};
}

}  // namespace

std::string check_coding(const http::Response& response) {
  const std::string coding = response.headers.get("Content-Encoding");
  if (coding.empty() || http::equals_ignoring_case(coding, "identity")) return {};
  return util::concat("content coding '", util::printable(coding), "' that was not asked for");
}

std::string check_answer(const http::Response& response, util::ByteRange wanted,
                         bool may_be_whole) {
  const std::string type = response.media_type();
  if (type == "text/html") return "a web page in place of the blob";
  std::string coding = check_coding(response);
  if (!coding.empty()) return coding;
  if (response.status == 206) return check_partial(response, wanted);
  if (!may_be_whole) return "the whole blob in place of a range";
  if (response.content_length && *response.content_length != wanted.len)
    return util::concat(*response.content_length, " bytes in place of ", wanted.len);
  return {};
}

bool BlobReceiver::begin(const http::Response& response) {
  received_ = 0;
  complaint_.clear();
  if (response.status != 200 && response.status != 206) return false;
  complaint_ = check_answer(response, wanted_, may_be_whole_);
  return complaint_.empty();
}

bool BlobReceiver::data(util::Bytes bytes) {
  if (bytes.size() > wanted_.len - received_) {
    complaint_ = util::concat("more than ", wanted_.len, " bytes");
    return false;
  }
  take_(received_, bytes);
  received_ += bytes.size();
  return true;
}

}  // namespace ondemand::source
