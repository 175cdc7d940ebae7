// Reductions and normalizations.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

// Fold the elements that share an output position; axes given from the front.
Oracle fold(std::vector<int> axes, double init, std::function<double(double, double)> step,
            bool mean = false) {
  return [=](const NodeDesc& n, const Values& in) {
    const Shape& s = n.in[0].shape;
    std::vector<double> out(static_cast<size_t>(n.out[0].shape.elements()), init);
    for (size_t i = 0; i < in[0].size(); ++i) {
      size_t rest = i, at = 0, step_out = 1;
      for (int a = s.rank() - 1; a >= 0; --a) {
        const size_t index = rest % static_cast<size_t>(s[a]);
        rest /= static_cast<size_t>(s[a]);
        if (std::find(axes.begin(), axes.end(), a) != axes.end()) continue;
        at += index * step_out;
        step_out *= static_cast<size_t>(s[a]);
      }
      out[at] = step(out[at], in[0][i]);
    }
    if (mean)
      for (double& x : out)
        x *= static_cast<double>(out.size()) / static_cast<double>(in[0].size());
    return Values{out};
  };
}

struct Reduction {
  OpKind kind;
  double init, lo, hi;
  std::function<double(double, double)> step;
};

void add_reductions(std::vector<OpCase>& cases) {
  const auto plus = [](double a, double x) { return a + x; };
  const std::vector<Reduction> kinds = {
      {OpKind::MEAN, 0, -1, 3, plus},
      {OpKind::SUM, 0, -1, 3, plus},
      {OpKind::REDUCE_MAX, -INFINITY, -3, 1, [](double a, double x) { return std::fmax(a, x); }},
      {OpKind::REDUCE_MIN, INFINITY, -3, 1, [](double a, double x) { return std::fmin(a, x); }},
      {OpKind::REDUCE_PROD, 1, 0.8, 1.2, [](double a, double x) { return a * x; }},
  };
  struct Form {
    Shape shape;
    std::vector<int> axes;
    bool bench = false;
  };
  const std::vector<Form> forms = {
      {{1, 7, 7, 24}, {1, 2}},
      {{2, 5, 3, 300}, {1, 2}},
      {{2, 16, 9, 9}, {2, 3}},
      {{3, 40}, {1}},
      {{3, 1000}, {1}},
      {{40, 3}, {0}},
      {{2, 3, 4, 5}, {0, 2}},
      {{2, 3, 4, 5}, {1, 3}},
      {{2, 3, 4}, {0, 1, 2}},
      {{2, 3, 4}, {}},
      {{1, 1, 1, 5}, {1, 2}},
      {{2, 3, 2, 2, 3}, {1, 3, 4}},
      {{1, 7, 7, 1280}, {1, 2}, true},
      {{1, 112, 112, 32}, {1, 2}, true},
      {{384, 768}, {1}, true},
  };
  for (const Reduction& r : kinds) {
    for (const Form& f : forms) {
      for (bool keep : {false, true}) {
        std::vector<double> axes(f.axes.begin(), f.axes.end());
        if (keep)  // the same axes from the back
          for (double& a : axes)
            a -= f.shape.rank();
        OpCase c{.name = fmt::format("{} axes {}{}", f.shape.to_string(), fmt::join(f.axes, ","),
                                     keep ? " keep" : ""),
                 .kind = r.kind,
                 .attrs = ReduceAttrs{keep},
                 .inputs = {random_tensor(f.shape, r.lo, r.hi), ints(axes)}};
        c.oracle = fold(f.axes, r.init, r.step, r.kind == OpKind::MEAN);
        c.uint8 = true;
        c.bench = f.bench && !keep;
        if (f.bench && (r.kind == OpKind::REDUCE_PROD || keep)) continue;
        // The range of a sum or product may have no 0 in reach of its scale; one step stays one step.
        cases.push_back(c);
      }
    }
    for (DType t : {DType::int32, DType::int64}) {
      if (r.kind == OpKind::MEAN) continue;
      OpCase c{.name = fmt::format("{}", name_of(t)),
               .kind = r.kind,
               .attrs = ReduceAttrs{},
               .inputs = {given({2, 4}, {5, -3, 2, 7, 1, 1, -9, 2}, t, false), ints({1})},
               .outputs = {t}};
      c.oracle = fold({1}, r.init, r.step);
      cases.push_back(c);
    }
  }
  for (OpKind k : {OpKind::REDUCE_ANY, OpKind::REDUCE_ALL}) {
    OpCase c{.name = "bool",
             .kind = k,
             .attrs = ReduceAttrs{},
             .inputs = {given({3, 2}, {0, 0, 0, 1, 1, 1}, DType::boolean, false), ints({1})},
             .outputs = {DType::boolean}};
    const bool any = k == OpKind::REDUCE_ANY;
    c.oracle = [any](const NodeDesc&, const Values&) {
      return Values{any ? std::vector<double>{0, 1, 1} : std::vector<double>{0, 0, 1}};
    };
    cases.push_back(c);
  }
}

// f(row) -> row, along the last axis.
Oracle rows(std::function<std::vector<double>(std::vector<double>)> f) {
  return [f](const NodeDesc& n, const Values& in) {
    Values out(1);
    const auto length = static_cast<size_t>(n.in[0].shape[-1]);
    for (size_t i = 0; i + length <= in[0].size(); i += length) {
      const auto first = in[0].begin() + static_cast<ptrdiff_t>(i);
      for (double x : f({first, first + static_cast<ptrdiff_t>(length)}))
        out[0].push_back(x);
    }
    return out;
  };
}

void add_softmax(std::vector<OpCase>& cases) {
  for (float beta : {1.0f, 0.5f, 2.0f}) {
    const auto softmax = [beta](std::vector<double> x) {
      long double sum = 0;
      for (double v : x)
        sum += std::exp(static_cast<long double>(beta) * v);
      for (double& v : x)
        v = static_cast<double>(std::exp(static_cast<long double>(beta) * v) / sum);
      return x;
    };
    for (const Shape& s : {Shape{1}, Shape{1, 2}, Shape{3, 15}, Shape{2, 4, 17}, Shape{1, 191}, Shape{2, 192},
                           Shape{1, 1000}, Shape{4096, 4}, Shape{12, 128, 128}}) {
      OpCase c{.name = fmt::format("{} beta {}", s.to_string(), beta),
               .kind = OpKind::SOFTMAX,
               .attrs = SoftmaxAttrs{beta},
               .inputs = {random_tensor(s, -6, 5)}};
      c.oracle = rows(softmax);
      c.uint8 = true;
      c.bench = beta == 1.0f && s.elements() >= 1000;
      cases.push_back(c);
    }
  }
  for (const Shape& s : {Shape{1}, Shape{3, 15}, Shape{2, 400}, Shape{64, 1000}}) {
    OpCase c{.name = s.to_string(),
             .kind = OpKind::LOG_SOFTMAX,
             .attrs = NoAttrs{},
             .inputs = {random_tensor(s, -6, 3)}};
    c.oracle = rows([](std::vector<double> x) {
      long double sum = 0;
      for (double v : x)
        sum += std::exp(static_cast<long double>(v));
      for (double& v : x)
        v -= static_cast<double>(std::log(sum));
      return x;
    });
    c.uint8 = true;
    c.bench = s.elements() >= 1000;
    cases.push_back(c);
  }
}

void add_row_operators(std::vector<OpCase>& cases) {
  for (const Shape& s : {Shape{1}, Shape{3, 15}, Shape{2, 4, 17}, Shape{1, 1000}}) {
    OpCase c{.name = s.to_string(),
             .kind = OpKind::L2_NORMALIZATION,
             .attrs = ActivationAttrs{},
             .inputs = {random_tensor(s, -2, 3)}};
    c.oracle = rows([](std::vector<double> x) {
      double sum = 0;
      for (double v : x)
        sum += v * v;
      for (double& v : x)
        v /= std::max(std::sqrt(sum), 1e-3);
      return x;
    });
    c.uint8 = true;
    cases.push_back(c);
  }
  for (int32_t radius : {0, 2, 9}) {
    OpCase c{.name = fmt::format("radius {}", radius),
             .kind = OpKind::LOCAL_RESPONSE_NORMALIZATION,
             .attrs = LrnAttrs{radius, 1.5f, 0.25f, 0.75f},
             .inputs = {random_tensor({2, 3, 7}, -2, 3)}};
    c.oracle = rows([radius](std::vector<double> x) {
      std::vector<double> y;
      for (int i = 0; i < static_cast<int>(x.size()); ++i) {
        double sum = 1.5;
        for (int k = 0; k < static_cast<int>(x.size()); ++k)
          if (std::abs(i - k) <= radius) sum += 0.25 * x[static_cast<size_t>(k)] * x[static_cast<size_t>(k)];
        y.push_back(x[static_cast<size_t>(i)] / std::exp(0.75 * std::log(sum)));
      }
      return y;
    });
    cases.push_back(c);
  }
  for (bool exclusive : {false, true})
    for (bool reverse : {false, true})
      for (int axis : {0, -1}) {
        OpCase c{
            .name =
                fmt::format("axis {}{}{}", axis, exclusive ? " exclusive" : "", reverse ? " reverse" : ""),
            .kind = OpKind::CUMSUM,
            .attrs = CumsumAttrs{exclusive, reverse},
            .inputs = {random_tensor({6, 9}, -1, 2), given({}, {static_cast<double>(axis)}, DType::int32)}};
        c.oracle = [=](const NodeDesc&, const Values& in) {
          std::vector<double> out;
          for (int i = 0; i < 54; ++i) {
            double sum = 0;
            for (int k = 0; k < 54; ++k) {
              const bool same_line = axis == 0 ? i % 9 == k % 9 : i / 9 == k / 9;
              const bool counts = k == i ? !exclusive : reverse ? k > i : k < i;
              if (same_line && counts) sum += in[0][static_cast<size_t>(k)];
            }
            out.push_back(sum);
          }
          return Values{out};
        };
        cases.push_back(c);
      }
}

void add_positions(std::vector<OpCase>& cases) {
  struct Form {
    Shape shape;
    int axis;
  };
  for (OpKind kind : {OpKind::ARG_MAX, OpKind::ARG_MIN})
    for (const Form& f :
         {Form{{1}, 0}, Form{{3, 17}, 1}, Form{{3, 17}, 0}, Form{{2, 5, 6}, -2}, Form{{1, 1000}, -1}})
      for (DType t : {DType::int32, DType::int64}) {
        OpCase c{.name = fmt::format("{} axis {} {}", f.shape.to_string(), f.axis, name_of(t)),
                 .kind = kind,
                 .attrs = ArgAttrs{t},
                 .inputs = {random_tensor(f.shape), given({}, {static_cast<double>(f.axis)}, DType::int32)},
                 .outputs = {t}};
        const bool is_max = kind == OpKind::ARG_MAX;
        c.oracle = [is_max, axis = f.axis](const NodeDesc& n, const Values& in) {
          const Shape& s = n.in[0].shape;
          const int a = axis < 0 ? axis + s.rank() : axis;
          const auto inner = static_cast<size_t>(s.elements(a + 1, s.rank())),
                     count = static_cast<size_t>(s[a]);
          Values out(1);
          for (size_t o = 0; o < in[0].size() / count; ++o) {
            const size_t base = o / inner * count * inner + o % inner;
            size_t best = 0;
            for (size_t k = 1; k < count; ++k) {
              const double d = in[0][base + k * inner] - in[0][base + best * inner];
              if (is_max ? d > 0 : d < 0) best = k;
            }
            out[0].push_back(static_cast<double>(best));
          }
          return out;
        };
        c.uint8 = true;
        cases.push_back(c);
      }
  for (int k : {0, 1, 3, 40}) {
    OpCase c{.name = fmt::format("{} of 40", k),
             .kind = OpKind::TOPK_V2,
             .attrs = NoAttrs{},
             .inputs = {random_tensor({2, 40}), given({}, {static_cast<double>(k)}, DType::int32)},
             .outputs = {DType::float32, DType::int32}};
    c.oracle = [k](const NodeDesc&, const Values& in) {
      Values out(2);
      for (size_t r = 0; r < 2; ++r) {
        std::vector<bool> taken(40);
        for (int i = 0; i < k; ++i) {
          size_t best = 40;
          for (size_t j = 0; j < 40; ++j)
            if (!taken[j] && (best == 40 || in[0][r * 40 + j] > in[0][r * 40 + best])) best = j;
          taken[best] = true;
          out[0].push_back(in[0][r * 40 + best]);
          out[1].push_back(static_cast<double>(best));
        }
      }
      return out;
    };
    c.uint8 = true;
    cases.push_back(c);
  }
  OpCase where{.name = "positions",
               .kind = OpKind::WHERE,
               .attrs = NoAttrs{},
               .inputs = {given({2, 3}, {0, 1, 1, 0, 0, 1}, DType::boolean)},
               .outputs = {DType::int64}};
  where.oracle = [](const NodeDesc&, const Values&) { return Values{{0, 1, 0, 2, 1, 2}}; };
  cases.push_back(where);
}

}  // namespace

std::vector<OpCase> reduce_cases() {
  std::vector<OpCase> cases;
  add_reductions(cases);
  add_softmax(cases);
  add_row_operators(cases);
  add_positions(cases);
  return cases;
}

}  // namespace octet::test
