#include "quant/measure/expected_sqnr.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>

#include "octet/try.hpp"
#include "quant/reals.hpp"
#include "quant/statistics/runner.hpp"

namespace octet {
namespace {

// So many errors are tried on each sample, evenly chosen.
constexpr size_t kMostErrors = 32;
// Margins below the greatest of those that are spread stand for a continuum; it is cut in so many.
constexpr size_t kSpread = 8;
// Longer rows than this are no classifier's, and take long.
constexpr int64_t kMostClasses = 4096;
// How far, in dB, scores of other samples may mislead: what measured factors are weighed against.
constexpr double kPriorOwnDb = 1.4, kPriorOptimismDb = 1;
// What a model made with N samples is worse on others than their own errors tell, in dB: so much divided by
// N, for at least so many. Erring on the safe side costs less than a promise that is not kept.
constexpr double kFewSamplesDb = 45;
constexpr size_t kFewestSamples = 15;

// The variance of a factor whose deviation is given in dB.
double variance_of(double db) {
  return std::pow(db * std::log(10.0) / 10, 2);
}

class Softmax {
 public:
  explicit Softmax(const ProbabilityGrid& grid) : grid_(grid) {}

  void exact(std::span<const double> scores, std::vector<double>& p) const {
    p.resize(scores.size());
    const double most = *std::ranges::max_element(scores);
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i)
      sum += p[i] = std::exp(scores[i] - most);
    for (double& x : p)
      x /= sum;
  }
  // The squared distance from `p` of what is stored when scores are off.
  double noise(std::span<const double> scores, std::span<const double> errors, std::span<const double> p) {
    sum_.resize(scores.size());
    for (size_t i = 0; i < sum_.size(); ++i)
      sum_[i] = scores[i] + errors[i];
    exact(sum_, stored_);
    double noise = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      double q = stored_[i];
      if (grid_.step > 0) q = std::min(std::nearbyint(q / grid_.step) * grid_.step, grid_.most);
      noise += (q - p[i]) * (q - p[i]);
    }
    return noise;
  }

 private:
  ProbabilityGrid grid_;
  std::vector<double> sum_, stored_;
};

std::span<const double> row(const std::vector<double>& rows, size_t i, size_t classes) {
  return std::span(rows).subspan(i * classes, classes);
}

// Scores of samples, with weights.
struct Population {
  size_t classes = 0;
  std::vector<double> scores, weights;
};

// The square root of the number of samples, those with the smallest margins, stand for all margins that are
// smaller than the next one's.
Population spread_margins(const ScoreErrors& s) {
  const size_t n = s.samples(), c = s.classes;
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto margin = [&](size_t i) { return s.scores[i * c] - s.scores[i * c + 1]; };
  std::ranges::stable_sort(order, {}, margin);
  const size_t few = std::min(n - 1, static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(n)))));
  Population all{c, {}, {}};
  for (size_t k = 0; k < n; ++k) {
    const std::span<const double> scores = row(s.scores, order[k], c);
    const size_t copies = k < few ? kSpread : 1;
    for (size_t u = 0; u < copies; ++u) {
      all.scores.insert(all.scores.end(), scores.begin(), scores.end());
      all.weights.push_back(1 / static_cast<double>(copies));
      if (k < few)
        all.scores[all.scores.size() - c] =
            scores[1] + margin(order[few]) * (static_cast<double>(u) + 0.5) / kSpread;
    }
  }
  return all;
}

std::vector<size_t> evenly(size_t n) {
  std::vector<size_t> chosen;
  const size_t count = std::min(n, kMostErrors);
  for (size_t k = 0; k < count; ++k)
    chosen.push_back((2 * k + 1) * n / (2 * count));
  return chosen;
}

// The noise that errors make on a population.
struct Noise {
  double mean = 0;
  double spread = 0;  // relative variance of single samples' noise
  double error = 0;   // relative variance of the mean, as far as it comes from how few errors there are
};
Noise noise_of(const Population& all, const std::vector<double>& errors, size_t count, Softmax& softmax) {
  const double samples = std::accumulate(all.weights.begin(), all.weights.end(), 0.0);
  const std::vector<size_t> tried = evenly(count);
  const auto n = static_cast<double>(tried.size());
  std::vector<double> p, by_error(tried.size());
  double squares = 0;
  for (size_t i = 0; i < all.weights.size(); ++i) {
    const std::span<const double> scores = row(all.scores, i, all.classes);
    softmax.exact(scores, p);
    for (size_t j = 0; j < tried.size(); ++j) {
      const double d = softmax.noise(scores, row(errors, tried[j], all.classes), p);
      by_error[j] += all.weights[i] * d / samples;
      squares += all.weights[i] * d * d / samples / n;
    }
  }
  Noise noise;
  noise.mean = std::accumulate(by_error.begin(), by_error.end(), 0.0) / n;
  if (noise.mean <= 0) return noise;
  const double square = noise.mean * noise.mean;
  noise.spread = squares / square - 1;
  for (double e : by_error)
    noise.error += (e - noise.mean) * (e - noise.mean) / (n - 1) / n / square;
  return noise;
}

// By what the noise of samples with their own errors is above that with errors of others: errors may depend
// on scores. Drawn to 1 where few samples make all the noise.
double own_factor(const ScoreErrors& s, Softmax& softmax) {
  const std::vector<size_t> tried = evenly(s.samples());
  std::vector<double> p;
  double own = 0, others = 0, squares = 0;
  for (size_t i = 0; i < s.samples(); ++i) {
    const std::span<const double> scores = row(s.scores, i, s.classes);
    softmax.exact(scores, p);
    own += softmax.noise(scores, row(s.errors, i, s.classes), p);
    double mean = 0;
    for (size_t j : tried)
      mean += softmax.noise(scores, row(s.errors, j, s.classes), p) / static_cast<double>(tried.size());
    others += mean;
    squares += mean * mean;
  }
  if (own <= 0 || others <= 0) return 1;
  const double prior = variance_of(kPriorOwnDb), variance = 2 * squares / (others * others);
  return std::pow(own / others, prior / (prior + variance));
}

// By what errors are greater on samples that a model was not made with. Drawn to 1 where few tell, and never
// less.
double optimism_factor(const ScoreEvidence& e, const Population& all, Softmax& softmax) {
  if (e.held_out.samples() < 2 || e.working.samples() == 0) return 1;
  const Noise held_out = noise_of(all, e.held_out.errors, e.held_out.samples(), softmax);
  const Noise working = noise_of(all, e.working.errors, e.working.samples(), softmax);
  if (held_out.mean <= working.mean || working.mean <= 0) return 1;
  const double prior = variance_of(kPriorOptimismDb);
  return std::pow(held_out.mean / working.mean, prior / (prior + held_out.error));
}

// The SOFTMAX that makes the one output of a graph; null where there is something else.
const Node* last_softmax(const Graph& g) {
  if (g.outputs.size() != 1) return nullptr;
  const Uses uses = uses_of(g);
  for (ValueId v = g.outputs[0];;) {
    const NodeId n = uses.producer[static_cast<size_t>(v)];
    if (n < 0) return nullptr;
    const Node& node = g.nodes[static_cast<size_t>(n)];
    if (node.kind == OpKind::SOFTMAX) return &node;
    if (node.kind != OpKind::QUANTIZE && node.kind != OpKind::DEQUANTIZE && node.kind != OpKind::RESHAPE)
      return nullptr;
    v = node.inputs[0];
  }
}

// Keeps the scores of a run.
class ScoreTap final : public Tap {
 public:
  explicit ScoreTap(const Node& softmax)
      : id_(softmax.inputs[0]), beta_(std::get<SoftmaxAttrs>(softmax.attrs).beta) {}
  void on_value(ValueId id, const ConstTensorView& view) override {
    if (id != id_) return;
    to_reals(view, scores_);
    for (float& x : scores_)
      x *= beta_;
    one_row_ = view.shape.rank() > 0 && view.shape[-1] == view.shape.elements();
  }
  const std::vector<float>& scores() const { return scores_; }
  bool one_row() const { return one_row_ && scores_.size() > 1; }

 private:
  ValueId id_;
  float beta_;
  std::vector<float> scores_;
  bool one_row_ = false;
};

}  // namespace

void ScoreErrors::add(const std::vector<float>& right, const std::vector<float>& other) {
  classes = right.size();
  std::vector<size_t> order(classes);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return right[i]; });
  for (size_t i : order) {
    scores.push_back(static_cast<double>(right[i]));
    errors.push_back(static_cast<double>(other[i]) - static_cast<double>(right[i]));
  }
}

ExpectedSqnr expected_sqnr(const ScoreEvidence& e) {
  Softmax softmax(e.grid);
  const Population all = spread_margins(e.result);
  const Noise noise = noise_of(all, e.result.errors, e.result.samples(), softmax);
  ExpectedSqnr result{kExactDb, 0};
  if (noise.mean <= 0) return result;
  const double factor = own_factor(e.result, softmax) * optimism_factor(e, all, softmax);
  double signal = 0;
  std::vector<double> p;
  for (size_t i = 0; i < e.result.samples(); ++i) {
    softmax.exact(row(e.result.scores, i, e.result.classes), p);
    signal += std::inner_product(p.begin(), p.end(), p.begin(), 0.0);
  }
  signal /= static_cast<double>(e.result.samples());
  const auto n = static_cast<double>(std::max(e.result.samples(), kFewestSamples));
  result.db = std::min(10 * std::log10(signal / (noise.mean * factor)) - kFewSamplesDb / n, kExactDb);
  const auto held_out = static_cast<double>(std::max<size_t>(e.held_out.samples(), 1));
  result.deviation_db = 10 / std::log(10.0) * std::sqrt(std::max(noise.spread, 0.0) / held_out);
  return result;
}

std::optional<ProbabilityGrid> probability_grid(const ModelData& right, const ModelData& other) {
  const Node *a = last_softmax(right.main()), *b = last_softmax(other.main());
  if (a == nullptr || b == nullptr) return std::nullopt;
  const Value& v = other.main().value(b->outputs[0]);
  if (is_float(v.dtype)) return ProbabilityGrid{};
  if (v.dtype != DType::int8 && v.dtype != DType::int16) return std::nullopt;
  const Affine affine = v.quant.params()[0];
  const double step = static_cast<double>(affine.scale), top = v.dtype == DType::int8 ? INT8_MAX : INT16_MAX;
  return ProbabilityGrid{step, step * (top - static_cast<double>(affine.zero_point))};
}

Result<std::optional<ScoreErrors>> score_errors(const ModelData& right, const ModelData& other,
                                                SampleSource& samples, const StepOptions& options) {
  const std::optional<ScoreErrors> none;
  const Node *softmax_a = last_softmax(right.main()), *softmax_b = last_softmax(other.main());
  if (softmax_a == nullptr || softmax_b == nullptr) return none;
  ScoreTap a(*softmax_a), b(*softmax_b);
  Runner run_a(right, options.threads, true, options.custom_ops),
      run_b(other, options.threads, true, options.custom_ops);
  const Graph& g = other.main();
  std::vector<ConstTensorView> sample, converted;
  std::vector<std::vector<std::byte>> storage(g.inputs.size());
  ScoreErrors errors;
  OCTET_TRY(samples.rewind());
  for (;;) {
    OCTET_ASSIGN(const bool more, samples.next(sample));
    if (!more) break;
    OCTET_TRY(run_a.run(sample, &a));
    converted.clear();
    for (size_t k = 0; k < sample.size() && k < g.inputs.size(); ++k) {
      const Value& v = g.value(g.inputs[k]);
      OCTET_ASSIGN(const ConstTensorView view, convert(sample[k], v.dtype, v.quant, storage[k]));
      converted.push_back(view);
    }
    OCTET_TRY(run_b.run(converted, &b));
    const size_t n = a.scores().size();
    if (!a.one_row() || b.scores().size() != n || n > kMostClasses ||
        (errors.classes != 0 && errors.classes != n))
      return none;
    for (const auto* scores : {&a.scores(), &b.scores()})
      if (!std::ranges::all_of(*scores, [](float x) { return std::isfinite(x); })) return none;
    errors.add(a.scores(), b.scores());
  }
  if (errors.samples() == 0) return none;
  return std::optional<ScoreErrors>(std::move(errors));
}

}  // namespace octet
