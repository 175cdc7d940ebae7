// TFLite_Detection_PostProcess: box decoding and non-maximum suppression of SSD detectors.
//
// Inputs: box encodings [1, anchors, 4+] as (y, x, h, w), class scores [1, anchors, classes (+ background)],
// anchors [anchors, 4] as (y, x, h, w) centres and sizes; float32 or quantized int8/uint8.
// Outputs, float32: boxes [1, n, 4] as (ymin, xmin, ymax, xmax), classes [1, n], scores [1, n], count [1].
// Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2, for the encoding.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

#include "kernels/quant_math.hpp"
#include "kernels/special/custom.hpp"
#include "octet/try.hpp"
#include "schema/flatbuffer/custom_options.hpp"

namespace octet {
namespace {

struct Options {
  int max_detections = 0, max_classes = 0, classes = 0, detections_per_class = 100;
  float score_threshold = 0, iou_threshold = 0;
  float scale_y = 1, scale_x = 1, scale_h = 1, scale_w = 1;
  bool regular = false;  // suppress per class instead of over the best class of each anchor
};

Result<Options> options_of(const NodeDesc& n) {
  OCTET_ASSIGN(const auto map, read_custom_options(n.attr<CustomAttrs>().options));
  auto get = [&](const char* key, double otherwise) {
    const auto it = map.find(key);
    return it == map.end() ? otherwise : it->second;
  };
  auto integer = [&](const char* key, int otherwise) {
    return saturate<int32_t>(get(key, otherwise), -1, 1 << 20);
  };
  Options o;
  o.max_detections = integer("max_detections", 0);
  o.max_classes = integer("max_classes_per_detection", 1);
  o.classes = integer("num_classes", 0);
  o.detections_per_class = integer("detections_per_class", 100);
  o.score_threshold = static_cast<float>(get("nms_score_threshold", 0));
  o.iou_threshold = static_cast<float>(get("nms_iou_threshold", 0.5));
  o.scale_y = static_cast<float>(get("y_scale", 1));
  o.scale_x = static_cast<float>(get("x_scale", 1));
  o.scale_h = static_cast<float>(get("h_scale", 1));
  o.scale_w = static_cast<float>(get("w_scale", 1));
  o.regular = get("use_regular_nms", 0) != 0;
  if (o.max_detections < 1 || o.max_classes < 1 || o.classes < 1 || o.detections_per_class < 1)
    return Status::corrupt(
        "the options of TFLite_Detection_PostProcess need positive numbers of detections and classes");
  if (!(o.scale_y > 0 && o.scale_x > 0 && o.scale_h > 0 && o.scale_w > 0))
    return Status::corrupt("the box scales of TFLite_Detection_PostProcess must be positive");
  return o;
}

Status check(const NodeDesc& n, const Options& o) {
  const Shape &boxes = n.in[0].shape, &scores = n.in[1].shape, &anchors = n.in[2].shape;
  if (boxes.rank() != 3 || scores.rank() != 3 || anchors.rank() != 2 || boxes[0] != 1 || scores[0] != 1 ||
      boxes[1] != scores[1] || anchors[0] != boxes[1] || boxes[2] < 4 || anchors[1] != 4)
    return Status::invalid(fmt::format("boxes {}, scores {} and anchors {} do not go together",
                                       boxes.to_string(), scores.to_string(), anchors.to_string()));
  if (scores[2] != o.classes && scores[2] != o.classes + 1)
    return Status::invalid(fmt::format("scores of {} classes, the options say {}", scores[2], o.classes));
  return {};
}

Result<InferredShapes> infer_detection_postprocess(const NodeDesc& n) {
  OCTET_ASSIGN(const Options o, options_of(n));
  OCTET_TRY(check(n, o));
  const int32_t rows = o.max_detections * (o.regular ? 1 : o.max_classes);
  return InferredShapes{.deferred = false,
                        .shapes = {Shape{1, rows, 4}, Shape{1, rows}, Shape{1, rows}, Shape{1}}};
}

struct DetectionPostprocessBox {
  float ymin, xmin, ymax, xmax;
};

float intersection_over_union(const DetectionPostprocessBox& a, const DetectionPostprocessBox& b) {
  const float area_a = (a.ymax - a.ymin) * (a.xmax - a.xmin), area_b = (b.ymax - b.ymin) * (b.xmax - b.xmin);
  if (area_a <= 0 || area_b <= 0) return 0;
  const float h = std::max(std::min(a.ymax, b.ymax) - std::max(a.ymin, b.ymin), 0.0f);
  const float w = std::max(std::min(a.xmax, b.xmax) - std::max(a.xmin, b.xmin), 0.0f);
  return h * w / (area_a + area_b - h * w);
}

struct Detection {
  int32_t anchor, label;
  float score;
};

class DetectionPostprocess final : public Kernel {
 public:
  DetectionPostprocess(const Options& o, const NodeDesc& n)
      : o_(o), in_(n.in.begin(), n.in.end()), anchors_(n.in[0].shape[1]), columns_(n.in[1].shape[2]) {}

  Status run(const RunArgs& args) override {
    decode(args);
    scores_ = reals(1, args.in[1]);
    std::vector<Detection> kept = o_.regular ? per_class() : best_class();
    write(args, kept);
    return {};
  }

 private:
  std::vector<float> reals(size_t input, const void* data) const {
    const TensorDesc& t = in_[input];
    std::vector<float> out(static_cast<size_t>(t.elements()));
    for (size_t i = 0; i < out.size(); ++i) {
      if (t.dtype == DType::float32) {
        out[i] = static_cast<const float*>(data)[i];
      } else if (t.dtype == DType::uint8) {
        out[i] = static_cast<float>(dequantize(static_cast<const uint8_t*>(data)[i], t.quant.at()));
      } else {
        out[i] = static_cast<float>(dequantize(static_cast<const int8_t*>(data)[i], t.quant.at()));
      }
    }
    return out;
  }

  void decode(const RunArgs& args) {
    const std::vector<float> code = reals(0, args.in[0]), anchors = reals(2, args.in[2]);
    const auto width = static_cast<size_t>(in_[0].shape[2]);
    boxes_.resize(static_cast<size_t>(anchors_));
    for (size_t i = 0; i < boxes_.size(); ++i) {
      const float* c = &code[i * width];
      const float* a = &anchors[i * 4];
      const float y = c[0] / o_.scale_y * a[2] + a[0], x = c[1] / o_.scale_x * a[3] + a[1];
      const float h = 0.5f * std::exp(c[2] / o_.scale_h) * a[2],
                  w = 0.5f * std::exp(c[3] / o_.scale_w) * a[3];
      boxes_[i] = {y - h, x - w, y + h, x + w};
    }
  }

  float score(int32_t anchor, int32_t label) const {  // the background, when there is one, is column 0
    return scores_[static_cast<size_t>(anchor) * static_cast<size_t>(columns_) +
                   static_cast<size_t>(label + columns_ - o_.classes)];
  }

  // Greedy suppression of `candidates` (any order) down to `limit`.
  std::vector<Detection> suppress(std::vector<Detection> candidates, int limit) const {
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Detection& a, const Detection& b) { return a.score > b.score; });
    std::vector<Detection> kept;
    for (const Detection& d : candidates) {
      if (static_cast<int>(kept.size()) >= limit) break;
      const DetectionPostprocessBox& box = boxes_[static_cast<size_t>(d.anchor)];
      const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Detection& k) {
        return intersection_over_union(boxes_[static_cast<size_t>(k.anchor)], box) > o_.iou_threshold;
      });
      if (!covered) kept.push_back(d);
    }
    return kept;
  }

  std::vector<Detection> per_class() const {
    std::vector<Detection> all;
    for (int32_t label = 0; label < o_.classes; ++label) {
      std::vector<Detection> candidates;
      for (int32_t i = 0; i < anchors_; ++i)
        if (score(i, label) >= o_.score_threshold) candidates.push_back({i, label, score(i, label)});
      const auto kept = suppress(std::move(candidates), o_.detections_per_class);
      all.insert(all.end(), kept.begin(), kept.end());
      std::stable_sort(all.begin(), all.end(),
                       [](const auto& a, const auto& b) { return a.score > b.score; });
      if (all.size() > static_cast<size_t>(o_.max_detections))
        all.resize(static_cast<size_t>(o_.max_detections));
    }
    return all;
  }

  // Suppression over each anchor's best class; each kept anchor then gives its best few classes.
  std::vector<Detection> best_class() const {
    std::vector<Detection> candidates;
    std::vector<int32_t> order(static_cast<size_t>(o_.classes));
    auto ranked = [&](int32_t anchor) {
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(),
                       [&](int32_t a, int32_t b) { return score(anchor, a) > score(anchor, b); });
    };
    for (int32_t i = 0; i < anchors_; ++i) {
      int32_t best = 0;
      for (int32_t label = 1; label < o_.classes; ++label)
        if (score(i, label) > score(i, best)) best = label;
      if (score(i, best) >= o_.score_threshold) candidates.push_back({i, best, score(i, best)});
    }
    std::vector<Detection> all;
    for (const Detection& d : suppress(std::move(candidates), o_.max_detections)) {
      ranked(d.anchor);
      for (int k = 0; k < std::min(o_.max_classes, o_.classes); ++k)
        all.push_back(
            {d.anchor, order[static_cast<size_t>(k)], score(d.anchor, order[static_cast<size_t>(k)])});
    }
    return all;
  }

  void write(const RunArgs& args, const std::vector<Detection>& kept) const {
    const auto rows =
        static_cast<size_t>(o_.max_detections) * static_cast<size_t>(o_.regular ? 1 : o_.max_classes);
    auto* boxes = static_cast<DetectionPostprocessBox*>(args.out[0]);
    auto *labels = static_cast<float*>(args.out[1]), *scores = static_cast<float*>(args.out[2]);
    for (size_t i = 0; i < rows; ++i) {
      const bool some = i < kept.size();
      boxes[i] = some ? boxes_[static_cast<size_t>(kept[i].anchor)] : DetectionPostprocessBox{0, 0, 0, 0};
      labels[i] = some ? static_cast<float>(kept[i].label) : 0.0f;
      scores[i] = some ? kept[i].score : 0.0f;
    }
    *static_cast<float*>(args.out[3]) = static_cast<float>(std::min(kept.size(), rows));
  }

  Options o_;
  std::vector<TensorDesc> in_;
  int32_t anchors_, columns_;
  std::vector<DetectionPostprocessBox> boxes_;
  std::vector<float> scores_;
};

KernelResult create_detection_postprocess(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const Options o, options_of(n));
  OCTET_TRY(check(n, o));
  for (size_t i = 0; i < 3; ++i) {
    const TensorDesc& t = n.in[i];
    const bool quantized =
        (t.dtype == DType::int8 || t.dtype == DType::uint8) && t.quant && !t.quant.is_per_channel();
    if (t.dtype != DType::float32 && !quantized)
      return Status::unsupported(fmt::format("'{}' is {} without scale", t.name, name_of(t.dtype)));
  }
  for (const TensorDesc& t : n.out)
    if (t.dtype != DType::float32) return Status::unsupported(fmt::format("'{}' must be float32", t.name));
  return std::unique_ptr<Kernel>(std::make_unique<DetectionPostprocess>(o, n));
}

}  // namespace

BuiltinCustomOp detection_postprocess() {
  return {.name = "TFLite_Detection_PostProcess",
          .inputs = {3, 3},
          .outputs = {4, 4},
          .infer = infer_detection_postprocess,
          .create = create_detection_postprocess};
}

}  // namespace octet
