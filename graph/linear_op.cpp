#include "graph/linear_op.hpp"

#include <algorithm>
#include <cmath>

namespace octet {
namespace {

bool unpadded(const Node& n, const LinearForm& form, const Value& weights) {
  if (form.transposed) return false;
  int64_t taps = 1;
  for (int axis = 0; axis < form.rank; ++axis)
    if (axis != form.in_axis && axis != form.out_axis) taps *= weights.shape[axis];
  if (taps == 1) return true;
  return std::visit(
      [](const auto& a) {
        if constexpr (requires { a.padding; })
          return a.padding.kind == Padding::Kind::valid;
        else
          return true;
      },
      n.attrs);
}

std::vector<float> to_float(const std::vector<double>& v) {
  std::vector<float> out;
  out.reserve(v.size());
  for (double x : v)
    out.push_back(static_cast<float>(x));
  return out;
}

bool fits(const std::vector<double>& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return std::isfinite(static_cast<float>(x)); });
}

std::vector<double> doubles(const Value& v) {
  const auto s = v.constant.as<float>();
  return {s.begin(), s.end()};
}

Status store(GraphEditor& ed, NodeId n, const LinearForm& form, const std::vector<double>& w,
             const std::vector<double>& b, bool bias_needed) {
  if (!fits(w) || !fits(b)) return Status::declined("a folded weight leaves the range of float");
  const Node& node = ed.node(n);
  ed.replace_constant(n, form.weights, ed.graph().value(node.inputs[form.weights]).shape, to_float(w));
  const Shape bias_shape{static_cast<int32_t>(b.size())};
  if (node.input(form.bias) != kNoValue) {
    ed.replace_constant(n, form.bias, bias_shape, to_float(b));
  } else if (bias_needed) {
    ed.set_input(n, form.bias,
                 ed.add_constant(node_name(ed.graph(), n) + "/bias", DType::float32, bias_shape,
                                 Constant::of(to_float(b))));
  }
  return {};
}

}  // namespace

bool is_linear(const OpSpec& spec) {
  return spec.linear.has_value();
}

std::optional<LinearOp> LinearOp::of(const Graph& g, const Node& n) {
  LinearOp op;
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || !spec->linear || n.outputs.size() != 1) return std::nullopt;
  op.form_ = &*spec->linear;
  const ValueId x = n.input(op.form_->x), w = n.input(op.form_->weights), b = n.input(op.form_->bias);
  if (x == kNoValue || w == kNoValue) return std::nullopt;
  op.weights_ = &g.value(w);
  if (!op.weights_->is_constant() || op.weights_->dtype != DType::float32) return std::nullopt;
  const int rank = op.form_->rank;
  const Shape& ws = op.weights_->shape;
  const Value& input = g.value(x);
  if (ws.rank() != rank || !input.has_rank || input.shape.rank() < 1) return std::nullopt;
  if (b != kNoValue) {
    op.bias_ = &g.value(b);
    if (!op.bias_->is_constant() || op.bias_->dtype != DType::float32 ||
        op.bias_->shape.elements() != op.out_channels())
      return std::nullopt;
  }
  op.in_channels_ = input.shape[-1];
  op.out_inner_ = ws.elements(op.form_->out_axis + 1, rank);
  if (op.form_->in_axis >= 0) {
    op.in_inner_ = ws.elements(op.form_->in_axis + 1, rank);
    const int64_t per_group = ws[op.form_->in_axis];
    if (per_group < 1 || op.in_channels_ % per_group != 0) return std::nullopt;
    const int64_t groups = op.in_channels_ / per_group;
    if (groups < 1 || op.out_channels() % groups != 0) return std::nullopt;
    if (groups != 1 && !op.form_->grouped) return std::nullopt;
    op.outs_per_group_ = op.out_channels() / groups;
  } else {
    if (op.in_channels_ < 1 || op.out_channels() % op.in_channels_ != 0) return std::nullopt;
    op.outs_per_group_ = op.out_channels() / op.in_channels_;
  }
  op.unpadded_ = unpadded(n, *op.form_, *op.weights_);
  return op;
}

int64_t LinearOp::out_channel(int64_t i) const {
  return i / out_inner_ % out_channels();
}

int64_t LinearOp::in_channel(int64_t i) const {
  const int64_t group = out_channel(i) / outs_per_group_;
  if (form_->in_axis < 0) return group;
  const int64_t per_group = weights_->shape[form_->in_axis];
  return group * per_group + i / in_inner_ % per_group;
}

namespace {

struct Parameters {
  std::vector<double> weights, bias;
  bool bias_needed = false;
};

Parameters scaled_output(const LinearOp& op, const std::vector<double>& scale,
                         const std::vector<double>& shift) {
  Parameters p{doubles(op.weights()), std::vector<double>(static_cast<size_t>(op.out_channels()), 0.0)};
  if (op.bias() != nullptr) p.bias = doubles(*op.bias());
  for (size_t i = 0; i < p.weights.size(); ++i)
    p.weights[i] *= scale[static_cast<size_t>(op.out_channel(static_cast<int64_t>(i)))];
  for (size_t o = 0; o < p.bias.size(); ++o) {
    p.bias[o] = p.bias[o] * scale[o] + shift[o];
    p.bias_needed = p.bias_needed || shift[o] != 0;
  }
  return p;
}

}  // namespace

Status set_parameters(GraphEditor& ed, NodeId n, const std::vector<double>& weights,
                      const std::vector<double>& bias) {
  const auto op = LinearOp::of(ed.graph(), ed.node(n));
  if (!op) return Status::internal("not a linear operator");
  const bool needed = std::any_of(bias.begin(), bias.end(), [](double b) { return b != 0; });
  return store(ed, n, op->form(), weights, bias, needed);
}

Status scale_and_shift_output(GraphEditor& ed, NodeId n, const std::vector<double>& scale,
                              const std::vector<double>& shift) {
  const auto op = LinearOp::of(ed.graph(), ed.node(n));
  if (!op) return Status::internal("not a linear operator");
  const Parameters p = scaled_output(*op, scale, shift);
  return store(ed, n, op->form(), p.weights, p.bias, p.bias_needed);
}

bool can_scale_and_shift_output(const Graph& g, const Node& n, const std::vector<double>& scale,
                                const std::vector<double>& shift) {
  const auto op = LinearOp::of(g, n);
  if (!op) return false;
  const Parameters p = scaled_output(*op, scale, shift);
  return fits(p.weights) && fits(p.bias);
}

Status scale_and_shift_input(GraphEditor& ed, NodeId n, const std::vector<double>& scale,
                             const std::vector<double>& shift) {
  const auto op = LinearOp::of(ed.graph(), ed.node(n));
  if (!op) return Status::internal("not a linear operator");
  std::vector<double> w = doubles(op->weights()), b(static_cast<size_t>(op->out_channels()), 0.0);
  if (op->bias() != nullptr) b = doubles(*op->bias());
  bool bias_needed = false;
  for (size_t i = 0; i < w.size(); ++i) {
    const auto in = static_cast<size_t>(op->in_channel(static_cast<int64_t>(i)));
    b[static_cast<size_t>(op->out_channel(static_cast<int64_t>(i)))] += w[i] * shift[in];
    w[i] *= scale[in];
    bias_needed = bias_needed || shift[in] != 0;
  }
  return store(ed, n, op->form(), w, b, bias_needed);
}

}  // namespace octet
