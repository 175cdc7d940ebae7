// The program of all tests. A filter that no test case passes is a mistake in a meson.build, not a success;
// neither is an OCTET_ISA that there is not.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <doctest/doctest.h>

#include "kernels/cpu.hpp"

namespace {

unsigned chosen = 0;

struct Counter : doctest::IReporter {
  explicit Counter(const doctest::ContextOptions& /*options*/) {}
  void report_query(const doctest::QueryData& /*data*/) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& stats) override {
    chosen = stats.numTestCasesPassingFilters;
  }
  void test_case_start(const doctest::TestCaseData& /*data*/) override {}
  void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*e*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*data*/) override {}
  void log_message(const doctest::MessageData& /*data*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*data*/) override {}
};
REGISTER_LISTENER("counter", 1, Counter);

}  // namespace

int main(int argc, char** argv) {
  if (const octet::Status s = octet::cpu_status(); !s.ok()) {
    std::fprintf(stderr, "%s\n", s.message().c_str());
    constexpr int kSkipped = 77;  // to Meson
    return s.code() == octet::Code::unsupported ? kSkipped : 1;
  }
  doctest::Context context(argc, argv);
  const int status = context.run();
  // (--help, --list-test-cases and their like run nothing.)
  if (chosen == 0 && !context.shouldExit()) {
    std::fputs("no test case passes the filters\n", stderr);
    return 1;
  }
  return status;
}
