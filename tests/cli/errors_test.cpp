// Every usage and input error: its exit code, one line on stderr with the place, nothing on stdout,
// and no file left behind. Long because it is a table: a line for each error of each command.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "scratch.h"
#include "subprocess.h"

namespace scf::test {
namespace {

constexpr int kUsage = 2;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A command line and what it must say; "@name" stands for a file of the scratch folder.
struct Case {
  std::string name;
  std::vector<std::string> arguments;
  std::string message;  // a part of the line on stderr
};

void PrintTo(const Case& c, std::ostream* stream) {
  *stream << c.name;
}

// Files that the cases name. `good.npy` is 3 x 2.
void write_files(const ScratchFolder& scratch) {
  const std::vector<double> six = {0, 1, 2, 3, 4, 5};
  const std::string payload = bytes_of(six);
  const std::string good = npy_of(six, 3, 2);
  const auto npy = [&](const std::string& name, const std::string& dictionary) {
    scratch.write(name + ".npy", npy_bytes(1, dictionary, payload));
  };
  scratch.write("good.npy", good);
  scratch.write("one.npy", npy_of(std::vector<double>{1, 2}, 1, 2));
  scratch.write("wide.npy", npy_of(six, 2, 3));
  scratch.write("same.npy", npy_of(std::vector<double>(300, 0.840188), 300, 0));
  scratch.write("huge_value.npy", npy_of(std::vector<double>{1, 2, 1e300, 4}, 2, 2));
  scratch.write("nan.npy", npy_of(std::vector<double>{0, 1, 2, kNan, 4, 5}, 3, 2));
  scratch.write("infinite.npy",
                npy_of(std::vector<float>{0, 1, -std::numeric_limits<float>::infinity()}, 3, 0));
  npy("fortran", "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }");
  npy("big_endian", npy_dictionary(">f8", "(3, 2)"));
  npy("integers", npy_dictionary("<i8", "(3, 2)"));
  npy("half", npy_dictionary("<f2", "(3, 2)"));
  npy("records", "{'descr': [('x', '<f8')], 'fortran_order': False, 'shape': (6,), }");
  npy("scalar", npy_dictionary("<f8", "()"));
  npy("three_dimensional", npy_dictionary("<f8", "(3, 1, 2)"));
  npy("no_rows", npy_dictionary("<f8", "(0, 2)"));
  npy("no_columns", npy_dictionary("<f8", "(3, 0)"));
  npy("claims_more", npy_dictionary("<f8", "(3, 3)"));
  npy("claims_far_more", npy_dictionary("<f8", "(3037000500, 3037000500)"));
  npy("claims_most", npy_dictionary("<f8", "(9223372036854775807, 9223372036854775807)"));
  npy("claims_less", npy_dictionary("<f8", "(2, 2)"));
  npy("negative", npy_dictionary("<f8", "(-3, 2)"));
  npy("overflow", npy_dictionary("<f8", "(99999999999999999999, 2)"));
  npy("no_shape", "{'descr': '<f8', 'fortran_order': False, }");
  npy("extra_key", "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), 'x': 1}");
  npy("garbage", "hello");
  scratch.write("version.npy", npy_bytes(4, npy_dictionary("<f8", "(3, 2)"), payload));
  scratch.write("huge_header.npy",
                std::string("\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12) + std::string(200, ' '));
  scratch.write("cut_in_header.npy", good.substr(0, 40));
  scratch.write("cut_in_magic.npy", good.substr(0, 4));
  scratch.write("cut_in_data.npy", good.substr(0, good.size() - 1));
  scratch.write("empty.npy", "");
  scratch.write("text.npy", "1,2\n3,4\n");
  scratch.write("good.csv", "1,2\n3,4\n5,7\n");
  scratch.write("ragged.csv", "1,2\n3,4,5\n");
  scratch.write("short.csv", "1,2\n3\n");
  scratch.write("word.csv", "1,2\n3,abc\n");
  scratch.write("gap.csv", "1,2\n3,\n");
  scratch.write("header.csv", "x,y\n1,2\n");
  scratch.write("blank.csv", "1,2\n\n3,4\n");
  scratch.write("nan.csv", "1,2\n3,4\nnan,6\n");
  scratch.write("overflow.csv", "1,2\n1e999,4\n");
  scratch.write("empty.csv", "");
  scratch.write("only_blank.csv", "\n\n");
  scratch.write("control.csv", "1,2\n3,\x1b[31m\n");
  scratch.write("cut.csv.gz", gzip("1,2\n3,4\n").substr(0, 20));
  std::string damaged = gzip(std::string(2000, '1') + "\n");
  damaged[12] = static_cast<char>(damaged[12] ^ 0x55);
  scratch.write("damaged.csv.gz", damaged);
  std::string bad_sum = gzip("1,2\n3,4\n");
  bad_sum[bad_sum.size() - 8] = static_cast<char>(bad_sum[bad_sum.size() - 8] ^ 0x55);
  scratch.write("bad_sum.csv.gz", bad_sum);
  scratch.write("data.txt", "1,2\n");
  scratch.write("weights2.csv", "1\n2\n");
  scratch.write("weights_negative.csv", "1\n-2\n1\n");
  scratch.write("weights_zero.csv", "0\n0\n0\n");
  scratch.write("weights_minus_small.csv", "1\n-1e-300\n1\n");
  scratch.write("weights_small.csv", "5e-324\n5e-324\n5e-324\n");
  scratch.write("weights_nan.csv", "1\nnan\n1\n");
  scratch.write("weights_one.csv", "0\n1\n0\n");
  scratch.write("half.csv", "1\n0.5\n1\n");
  scratch.write("infinite_row.csv", "inf,1\n");
  scratch.write("levels.csv", "4\n1\n0\n");
  scratch.write("one_level.csv", "4\n");
  scratch.write("growing.csv", "1\n4\n0\n");
  scratch.write("scales.csv", "0,1\n1,0\n");
  scratch.write("self.score.npy", good);
  scratch.write("self.divergence.npy", npy_of(std::vector<double>{1, 1, 1}, 3, 0));
  std::filesystem::create_symlink("self.divergence.npy", scratch.path("link.npy"));
  std::filesystem::create_symlink("good.npy", scratch.path("link.png"));
  std::filesystem::create_directory(scratch.path("folder.npy"));
  std::filesystem::create_directory(scratch.path("taken.score.npy"));
  std::filesystem::create_directory(scratch.path("taken.png"));
}

Case kde(const std::string& file, const std::string& message) {
  return {"kde_" + file, {"kde", "@" + file, "--bandwidth", "1", "--out", "@out"}, message};
}

Case options(const std::string& name, const std::vector<std::string>& more,
             const std::string& message) {
  Case c{name, {"kde", "@good.npy", "--out", "@out"}, message};
  c.arguments.insert(c.arguments.end(), more.begin(), more.end());
  return c;
}

// A command that is right, but for what is added.
Case loss(const std::string& name, const std::string& which, const std::vector<std::string>& more,
          const std::string& message) {
  Case c{"loss_" + name, {"loss", which}, message};
  const auto given = [&](const char* option) {
    return std::find(more.begin(), more.end(), option) != more.end();
  };
  for (const char* option : {"--data", "--model"}) {
    if (!given(option)) c.arguments.insert(c.arguments.end(), {option, "@good.npy"});
  }
  if (!given("--model-bandwidth")) {
    c.arguments.insert(c.arguments.end(), {"--model-bandwidth", "1"});
  }
  c.arguments.insert(c.arguments.end(), more.begin(), more.end());
  return c;
}

std::vector<Case> loss_cases() {
  return {
      {"loss_none", {"loss"}, "LOSS is required"},
      {"loss_no_data",
       {"loss", "ism", "--model", "@good.npy", "--model-bandwidth", "1"},
       "--data is required"},
      {"loss_no_model",
       {"loss", "ism", "--data", "@good.npy", "--model-bandwidth", "1"},
       "--model is required"},
      {"loss_no_bandwidth",
       {"loss", "ism", "--data", "@good.npy", "--model", "@good.npy"},
       "--model-bandwidth is required"},
      loss("unknown", "mse", {}, "mse"),
      loss("second", "ism", {"dsm"}, "dsm"),
      loss("data_empty", "ism", {"--data", ""}, "--data: must not be empty"),
      loss("model_absent", "ism", {"--model", "@absent.npy"}, "No such file"),
      loss("data_nan", "ism", {"--data", "@nan.npy"}, "row 1, column 1 (from 0) is nan"),
      loss("model_columns", "ism", {"--model", "@wide.npy"}, "has 3 columns, the data have 2"),
      loss("model_bandwidth", "ism", {"--model-bandwidth", "0"},
           "--model-bandwidth must be in (0, inf), got 0"),
      loss("model_weights", "ism", {"--model-weights", "@weights2.csv"}, "expected 3 weights"),
      loss("esm_no_data_bandwidth", "esm", {}, "--data-bandwidth is required by esm"),
      loss("esm_data_bandwidth", "esm", {"--data-bandwidth", "nan"},
           "--data-bandwidth must be in (0, inf), got nan"),
      loss("dsm_no_sigma", "dsm", {}, "--sigma is required by dsm"),
      loss("fddsm_no_sigma", "fddsm", {}, "--sigma is required by fddsm"),
      loss("dde_no_sigma", "dde", {}, "--sigma is required by dde"),
      loss("sigma", "dsm", {"--sigma", "-1"}, "--sigma must be in (0, inf), got -1"),
      loss("sigma_nan", "dde", {"--sigma", "nan"}, "--sigma must be in (0, inf), got nan"),
      loss("epsilon", "fdssm", {"--epsilon", "0"}, "--epsilon must be in (0, inf), got 0"),
      loss("projections", "ssm", {"--projections", "0"},
           "--projections must be in [1, 65536], got 0"),
      loss("epsilon_lost", "fdssm-score", {"--epsilon", "1e-17"}, "--epsilon must be > "),
      loss("epsilon_lost_f32", "fddsm", {"--epsilon", "1e-8", "--sigma", "0.5", "--dtype", "f32"},
           "in f32 a shorter step rounds away from coordinates of"),
      loss("form", "dsm", {"--sigma", "1", "--form", "noise"}, "noise"),
      loss("probe", "ssm", {"--probe", "uniform"}, "uniform"),
      loss("seed_negative", "ssm", {"--seed", "-1"},
           "--seed: must be a whole number in [0, 18446744073709551615], got -1"),
      loss("seed_large", "ssm", {"--seed", "18446744073709551616"}, "--seed"),
      loss("repeat", "ssm", {"--repeat", "0"}, "--repeat must be in [1, 1000000], got 0"),
      loss("threads", "ism", {"--threads", "0"}, "--threads must be in [1, 4096], got 0"),
      loss("leave_one_out_count", "ism", {"--model-leave-one-out", "--data", "@one.npy"},
           "as many samples as data of the model, got 1 and 3"),
      loss("leave_one_out_of_one", "ism",
           {"--model-leave-one-out", "--data", "@one.npy", "--model", "@one.npy"},
           "at least two data"),
      loss("leave_one_out_of_one_weight", "ism",
           {"--model-leave-one-out", "--model-weights", "@weights_one.csv"}, "at least two data"),
      loss("data_leave_one_out_of_one", "esm",
           {"--data-bandwidth", "1", "--data-leave-one-out", "--data", "@one.npy"},
           "at least two data"),
      loss("too_large_for_f32", "ism", {"--data", "@huge_value.npy", "--dtype", "f32"},
           "row 1, column 0 (from 0): 1e+300 is too large for f32"),
  };
}

Case divergence(const std::string& name, const std::string& which,
                const std::vector<std::string>& more, const std::string& message) {
  Case c{"divergence_" + name, {"divergence", which}, message};
  for (const char* const option : {"--p", "--q", "--p-bandwidth", "--q-bandwidth"}) {
    if (std::find(more.begin(), more.end(), option) != more.end()) continue;
    const bool file = std::string(option).size() == 3;
    c.arguments.insert(c.arguments.end(), {option, file ? "@good.npy" : "1"});
  }
  c.arguments.insert(c.arguments.end(), more.begin(), more.end());
  return c;
}

std::vector<Case> divergence_cases() {
  return {
      {"divergence_none", {"divergence"}, "DIVERGENCE is required"},
      {"divergence_no_p",
       {"divergence", "kl", "--q", "@good.npy", "--p-bandwidth", "1", "--q-bandwidth", "1"},
       "--p is required"},
      {"divergence_no_q_bandwidth",
       {"divergence", "kl", "--p", "@good.npy", "--q", "@good.npy", "--p-bandwidth", "1"},
       "--q-bandwidth is required"},
      divergence("unknown", "hellinger", {}, "hellinger"),
      divergence("p_absent", "kl", {"--p", "@absent.npy"}, "No such file"),
      divergence("q_columns", "kl", {"--q", "@wide.npy"}, "has 3 columns, the data have 2"),
      divergence("p_bandwidth", "kl", {"--p-bandwidth", "0"},
                 "--p-bandwidth must be in (0, inf), got 0"),
      divergence("q_bandwidth", "kl", {"--q-bandwidth", "nan"},
                 "--q-bandwidth must be in (0, inf), got nan"),
      divergence("q_weights", "kl", {"--q-weights", "@weights_negative.csv"},
                 "weight 1 (from 0) is -2"),
      divergence("at_columns", "kl", {"--at", "@wide.npy"}, "has 3 columns, the data have 2"),
      divergence("at_nan", "kl", {"--at", "@nan.npy"}, "row 1, column 1"),
      divergence("at_q_absent", "js", {"--at", "@good.npy", "--at-q", "@absent.npy"},
                 "No such file"),
      divergence("at_empty", "kl", {"--at", ""}, "--at: must not be empty"),
      divergence("draws", "kl", {"--draws", "0"}, "--draws must be in [1, 1000000000], got 0"),
      divergence("draws_of_none", "kl", {"--at", "@good.npy", "--draws", "10"},
                 "--draws is for points that are not given: without --at\n"),
      divergence("draws_of_neither", "js",
                 {"--at", "@good.npy", "--at-q", "@good.npy", "--draws", "10"},
                 "--draws is for points that are not given: without --at or --at-q\n"),
      divergence("seed", "kl", {"--seed", "1.5"}, "--seed"),
  };
}

Case fit(const std::string& name, const std::vector<std::string>& more,
         const std::string& message) {
  Case c{"fit_bandwidth_" + name, {"fit-bandwidth", "@good.npy"}, message};
  c.arguments.insert(c.arguments.end(), more.begin(), more.end());
  return c;
}

std::vector<Case> fit_bandwidth_cases() {
  return {
      {"fit_bandwidth_none", {"fit-bandwidth", "--loss", "ism"}, "DATA is required"},
      fit("no_loss", {}, "--loss is required"),
      fit("esm", {"--loss", "esm"}, "esm"),
      fit("dsm_no_sigma", {"--loss", "dsm"}, "--sigma is required by dsm"),
      fit("epsilon_lost", {"--loss", "fdssm", "--epsilon", "1e-18"}, "--epsilon must be > "),
      fit("epsilon", {"--loss", "fdssm", "--epsilon", "inf"}, "--epsilon must be in (0, inf)"),
      fit("projections", {"--loss", "ssm-vr", "--projections", "65537"},
          "--projections must be in [1, 65536], got 65537"),
      fit("min", {"--loss", "ism", "--min", "0"}, "--min must be in (0, inf)"),
      fit("ends", {"--loss", "ism", "--min", "2", "--max", "2"}, "--min must be below --max"),
      fit("end", {"--loss", "ism", "--max", "1e-300", "--min", "1e-300"}, "below --max"),
      fit("tolerance", {"--loss", "ism", "--tolerance", "0"}, "--tolerance must be in (0, inf)"),
      fit("weights", {"--loss", "ism", "--weights", "@weights_one.csv"}, "at least two data"),
      {"fit_bandwidth_one", {"fit-bandwidth", "@one.npy", "--loss", "ism"}, "at least two data"},
      {"fit_bandwidth_same",
       {"fit-bandwidth", "@same.npy", "--loss", "likelihood"},
       "all data are equal"},
      fit("none_finite", {"--loss", "ism", "--dtype", "f32", "--min", "1e-30", "--max", "1e-25"},
          "finite"),
  };
}

Case sample(const std::string& name, const std::string& sampler,
            const std::vector<std::string>& more, const std::string& message) {
  Case c{"sample_" + name, {"sample", sampler}, message};
  const std::vector<std::pair<const char*, const char*>> needed = {
      {"--data", "@good.npy"}, {"--base-bandwidth", "1"}, {"--n", "3"}, {"--out", "@x.npy"}};
  for (const auto& [option, value] : needed) {
    if (std::find(more.begin(), more.end(), option) != more.end()) continue;
    c.arguments.insert(c.arguments.end(), {option, value});
  }
  c.arguments.insert(c.arguments.end(), more.begin(), more.end());
  return c;
}

Case likelihood(const std::string& name, const std::vector<std::string>& more,
                const std::string& message) {
  Case c{"likelihood_" + name, {"likelihood"}, message};
  const std::vector<std::pair<const char*, const char*>> needed = {{"--data", "@good.npy"},
                                                                   {"--base-bandwidth", "1"}};
  for (const auto& [option, value] : needed) {
    if (std::find(more.begin(), more.end(), option) != more.end()) continue;
    c.arguments.insert(c.arguments.end(), {option, value});
  }
  c.arguments.insert(c.arguments.end(), more.begin(), more.end());
  return c;
}

std::vector<Case> likelihood_cases() {
  return {
      {"likelihood_none", {"likelihood", "--base-bandwidth", "1"}, "--data is required"},
      {"likelihood_no_bandwidth",
       {"likelihood", "--data", "@good.npy"},
       "--base-bandwidth is required"},
      likelihood("bandwidth", {"--base-bandwidth", "0"},
                 "--base-bandwidth must be in (0, inf), got 0"),
      likelihood("bandwidth_nan", {"--base-bandwidth", "nan"},
                 "--base-bandwidth must be in (0, inf), got nan"),
      likelihood("data_nan", {"--data", "@nan.npy"}, "row 1, column 1 (from 0) is nan"),
      likelihood("query_absent", {"--query", "@absent.npy"}, "No such file"),
      likelihood("query_nan", {"--query", "@nan.npy"}, "row 1, column 1 (from 0) is nan"),
      likelihood("query_width", {"--query", "@wide.npy"}, "has 3 columns, the data have 2"),
      likelihood("weights", {"--weights", "@weights2.csv"}, "expected 3 weights"),
      likelihood("label_alone", {"--label", "3"}, "--label needs --labels"),
      likelihood("label_absent", {"--labels", "@weights_one.csv", "--label", "7"},
                 "has no such label"),
      likelihood("sde", {"--sde", "edm"}, "edm"),
      likelihood("solver", {"--solver", "rk5"}, "rk5"),
      likelihood("divergence", {"--divergence", "skilling"}, "skilling"),
      likelihood("prior", {"--prior", "normal"}, "normal"),
      likelihood("probes", {"--divergence", "hutchinson", "--probes", "0"},
                 "--probes must be in [1, 65536], got 0"),
      likelihood("probes_use", {"--probes", "4"}, "--probes is for --divergence hutchinson"),
      likelihood("steps_use", {"--steps", "4"}, "--steps is for --solver euler, heun and rk4"),
      likelihood("steps", {"--steps", "0", "--solver", "heun"},
                 "--steps must be in [1, 1000000], got 0"),
      likelihood("rtol_use", {"--solver", "heun", "--rtol", "1"}, "--rtol is for --solver dopri5"),
      likelihood("rtol", {"--rtol", "inf"}, "--rtol must be in [0, inf), got inf"),
      likelihood("tolerances", {"--rtol", "0", "--atol", "0"}, "--rtol or --atol must be > 0"),
      likelihood("sigma_use", {"--sigma-max", "1"}, "--sigma-min is for --sde ve"),
      likelihood("sigma_ends", {"--sde", "ve", "--sigma-min", "1e9"},
                 "the noise levels must fall from --sigma-max to --sigma-min, got "),
      likelihood("bin_width", {"--bin-width", "0"}, "--bin-width must be in (0, inf), got 0"),
      likelihood("seed", {"--seed", "-1"}, "--seed: must be a whole number"),
      likelihood("threads", {"--threads", "0"}, "--threads must be in [1, 4096]"),
      likelihood("out_folder", {"--out", "@folder/"}, "--out must end in a name"),
      likelihood("out_no_folder", {"--out", "@absent/x"}, "cannot be written to"),
  };
}

std::vector<Case> sample_data_cases() {
  return {
      {"sample_none",
       {"sample", "--data", "@good.npy", "--base-bandwidth", "1", "--n", "3", "--out", "@x.npy"},
       "SAMPLER is required"},
      {"sample_no_data",
       {"sample", "edm", "--base-bandwidth", "1", "--n", "3", "--out", "@x.npy"},
       "--data is required"},
      {"sample_no_n",
       {"sample", "edm", "--data", "@good.npy", "--base-bandwidth", "1", "--out", "@x.npy"},
       "--n is required"},
      {"sample_no_out",
       {"sample", "edm", "--data", "@good.npy", "--base-bandwidth", "1", "--n", "3"},
       "--out is required"},
      sample("unknown", "hmc", {}, "hmc"),
      sample("data_nan", "edm", {"--data", "@nan.npy"}, "row 1, column 1 (from 0) is nan"),
      sample("data_absent", "edm", {"--data", "@absent.npy"}, "No such file"),
      sample("weights", "edm", {"--weights", "@weights2.csv"}, "expected 3 weights"),
      sample("weights_zero", "edm", {"--weights", "@weights_zero.csv"}, "all weights are zero"),
      sample("bandwidth_negative", "edm", {"--base-bandwidth", "-1"},
             "--base-bandwidth must be in [0, inf), got -1"),
      sample("bandwidth_nan", "edm", {"--base-bandwidth", "nan"},
             "--base-bandwidth must be in [0, inf), got nan"),
      sample("bandwidth_zero_of_one", "edm", {"--data", "@one.npy", "--base-bandwidth", "0"},
             "all data are equal: --base-bandwidth must be > 0, got 0"),
      sample("n_zero", "edm", {"--n", "0"}, "--n must be in [1, 1099511627776], got 0"),
      sample("n_negative", "edm", {"--n", "-3"}, "--n must be in [1, 1099511627776], got -3"),
      sample("n_huge", "edm", {"--n", "1099511627777"}, "--n must be in [1, 1099511627776]"),
      sample("n_word", "edm", {"--n", "many"}, "many"),
      sample("n_overflow", "edm", {"--n", "99999999999999999999"}, "--n"),
      sample("file_too_large", "ddpm",
             {"--n", "1099511627776", "--trajectory", "1", "--steps", "1000000"},
             "trajectory.npy: would be larger than any file can be"),
      sample("out_csv", "edm", {"--out", "@x.csv"}, "--out must be the name of a .npy file"),
      sample("out_no_name", "edm", {"--out", "@.npy"}, "--out must be the name of a .npy file"),
      sample("out_short", "edm", {"--out", "x"}, "--out must be the name of a .npy file"),
      sample("out_no_folder", "edm", {"--out", "@absent/x.npy"}, "cannot be written to"),
      sample("out_data", "edm", {"--data", "@self.score.npy", "--out", "@self.score.npy"},
             "is an input too"),
      sample("out_known", "edm", {"--known", "@link.npy", "--out", "@self.divergence.npy"},
             "has 1 column, the data have 2"),
      sample("trajectory_zero", "edm", {"--trajectory", "0"}, "--trajectory must be in [1, "),
      sample("trajectory_fraction", "edm", {"--trajectory", "1.5"}, "--trajectory"),
      sample("label_alone", "edm", {"--label", "3"}, "--label needs --labels"),
      sample("labels_alone", "edm", {"--labels", "@weights2.csv"}, "--labels needs --label"),
      sample("labels_count", "edm", {"--labels", "@weights2.csv", "--label", "1"},
             "expected 3 labels, one a datum"),
      sample("label_absent", "edm", {"--labels", "@weights_one.csv", "--label", "7"},
             "has no such label"),
      sample("label_weightless", "edm",
             {"--labels", "@weights_one.csv", "--weights", "@weights_one.csv", "--label", "0"},
             "--label 0: all its data have weight zero"),
      sample("label_fraction", "edm", {"--labels", "@half.csv", "--label", "1"},
             "label 1 (from 0) is 0.5; labels must be whole numbers"),
      sample("label_word", "edm", {"--labels", "@half.csv", "--label", "x"}, "--label"),
      sample("labels_column", "edm",
             {"--labels", "@good.npy", "--labels-column", "5", "--label", "1"}, "no column 5"),
      sample("known_width", "edm", {"--known", "@wide.npy"}, "has 3 columns, the data have 2"),
      sample("known_rows", "edm", {"--known", "@good.npy", "--n", "5"},
             "has 3 rows; expected one, or --n 5 of them"),
      sample("known_infinite", "edm", {"--known", "@infinite_row.csv"}, "is not finite"),
      sample("too_large_for_f32", "edm", {"--data", "@huge_value.npy", "--dtype", "f32"},
             "too large for f32"),
  };
}

std::vector<Case> sample_option_cases() {
  return {
      sample("sde", "ddpm", {"--sde", "vpp"}, "vpp"),
      sample("smld_vp", "smld", {"--sde", "vp"}, "smld goes along --sde ve alone, got vp"),
      sample("steps", "edm", {"--steps", "0"}, "--steps must be in [1, 1000000], got 0"),
      sample("steps_most", "edm", {"--steps", "1000001"}, "--steps must be in [1, 1000000]"),
      sample("corrector_steps", "smld", {"--corrector-steps", "0"},
             "--corrector-steps must be in [1, 1000000], got 0"),
      sample("corrector_steps_use", "ddpm", {"--corrector-steps", "1"},
             "--corrector-steps is for smld and pc"),
      sample("step_size", "smld", {"--step-size", "nan"}, "--step-size must be in (0, inf)"),
      sample("step_size_use", "pc", {"--step-size", "1"}, "--step-size is for smld"),
      sample("snr", "pc", {"--snr", "0"}, "--snr must be in (0, inf), got 0"),
      sample("snr_use", "em", {"--snr", "0.1"}, "--snr is for pc"),
      sample("predictor", "pc", {"--predictor", "heun"}, "heun"),
      sample("predictor_use", "em", {"--predictor", "none"}, "--predictor is for pc"),
      sample("rule_use", "smld", {"--corrector-rule", "batch"}, "--corrector-rule is for pc"),
      sample("first_use", "edm", {"--corrector-first"}, "--corrector-first is for pc"),
      sample("variance_use", "pc", {"--variance", "large"},
             "--variance is for ddpm, and for pc with --predictor ancestral"),
      sample("eta", "ddim", {"--eta", "1.5"}, "--eta must be in [0, 1], got 1.5"),
      sample("eta_nan", "ddim", {"--eta", "nan"}, "--eta must be in [0, 1], got nan"),
      sample("eta_use", "ddpm", {"--eta", "0"}, "--eta is for ddim"),
      sample("temperature", "em", {"--temperature", "-1"}, "--temperature must be in [0, inf)"),
      sample("temperature_use", "edm", {"--temperature", "1"}, "--temperature is for smld"),
      sample("clip", "edm", {"--clip", "0"}, "--clip must be in (0, inf), got 0"),
      sample("clip_use", "pc", {"--clip", "1"}, "--clip is for ddpm"),
      sample("churn", "edm", {"--churn", "inf"}, "--churn must be in [0, inf), got inf"),
      sample("churn_use", "dpmpp", {"--churn", "1"}, "--churn is for edm"),
      sample("start", "pc", {"--start", "zero"}, "zero"),
      sample("denoise_both", "pc", {"--denoise", "--no-denoise"}, "excludes"),
      sample("sigma_max", "edm", {"--sigma-max", "-1"}, "--sigma-max must be in (0, inf)"),
      sample("sigma_order", "edm", {"--sigma-max", "1", "--sigma-min", "1"},
             "--sigma-min must be below --sigma-max, got 1 and 1"),
      sample("sigma_min_above", "edm", {"--sigma-min", "1e9"},
             "the noise levels must fall from --sigma-max to --sigma-min, got "),
      sample("solver", "ode", {"--solver", "rk45"}, "rk45"),
      sample("solver_use", "edm", {"--solver", "heun"}, "--solver is for ode"),
      sample("rtol_use", "edm", {"--rtol", "1e-3"}, "--rtol is for ode"),
      sample("atol_use", "edm", {"--atol", "1e-3"}, "--atol is for ode"),
      sample("ode_rtol_grid", "ode", {"--solver", "rk4", "--rtol", "1e-3"},
             "--rtol is for --solver dopri5"),
      sample("ode_rtol", "ode", {"--rtol", "-1"}, "--rtol must be in [0, inf), got -1"),
      sample("ode_atol", "ode", {"--atol", "nan"}, "--atol must be in [0, inf), got nan"),
      sample("ode_no_tolerance", "ode", {"--atol", "0", "--rtol", "0"},
             "--rtol or --atol must be > 0, got 0 and 0"),
      sample("ode_steps", "ode", {"--steps", "10"}, "--steps is for --solver euler, heun and rk4"),
      sample("ode_steps_most", "ode", {"--steps", "1000001", "--solver", "euler"},
             "--steps must be in [1, 1000000], got 1000001"),
      sample("ode_bandwidth", "ode", {"--base-bandwidth", "0"},
             "--base-bandwidth must be in (0, inf), got 0"),
      sample("ode_known", "ode", {"--known", "@good.npy"}, "--known is for samplers"),
      sample("ode_schedule", "ode", {"--schedule", "karras"}, "--schedule is for samplers"),
      sample("ode_denoise", "ode", {"--denoise"}, "--denoise or --no-denoise is for samplers"),
      sample("ode_temperature", "ode", {"--temperature", "0.5"}, "--temperature is for smld"),
      sample("ode_clip", "ode", {"--clip", "1"}, "--clip is for ddpm"),
      sample("ode_sigma_use", "ode", {"--sigma-min", "1"}, "--sigma-min is for --sde ve"),
      sample("ode_sigma_order", "ode", {"--sde", "ve", "--sigma-max", "1", "--sigma-min", "2"},
             "--sigma-min must be below --sigma-max, got 2 and 1"),
      sample("sigma_use", "ddpm", {"--sigma-max", "1"}, "--sigma-min is for --sde ve"),
      sample("seed", "edm", {"--seed", "-1"}, "--seed: must be a whole number"),
      sample("threads", "edm", {"--threads", "0"}, "--threads must be in [1, 4096]"),
      sample("schedule", "edm", {"--schedule", "sigmoid"},
             "--schedule must be linear, cosine, uniform, geometric, karras or a .npy, .csv or "
             ".csv.gz file, got 'sigmoid'"),
      sample("schedule_empty", "edm", {"--schedule", ""}, "--schedule: must not be empty"),
      sample("schedule_em", "em", {"--schedule", "karras"},
             "em needs the times of a diffusion: --schedule uniform, got karras"),
      sample("schedule_predictor", "pc",
             {"--predictor", "euler-maruyama", "--schedule", "@levels.csv"},
             "--predictor euler-maruyama needs the times of a diffusion"),
      sample("schedule_smld", "smld", {"--schedule", "karras"},
             "smld takes --schedule geometric or a file, got karras"),
      sample("schedule_linear", "ddpm", {"--schedule", "linear", "--sde", "ve"},
             "--schedule linear is for --sde vp, got ve"),
      sample("schedule_geometric", "ddpm", {"--schedule", "geometric"},
             "--schedule geometric is for --sde ve, got vp"),
      sample("schedule_file_sde", "ddpm", {"--schedule", "@levels.csv", "--sde", "ve"},
             "--sde is for named schedules"),
      sample("schedule_file_steps", "ddpm", {"--schedule", "@levels.csv", "--steps", "2"},
             "--steps is for named schedules"),
      sample("schedule_file_sigma", "ddpm", {"--schedule", "@levels.csv", "--sigma-min", "2"},
             "is for named schedules"),
      sample("schedule_absent", "ddpm", {"--schedule", "@absent.csv"}, "No such file"),
      sample("schedule_wide", "ddpm", {"--schedule", "@wide.npy"},
             "has 3 columns; expected sigma, or signal scale and sigma"),
      sample("schedule_one", "ddpm", {"--schedule", "@one_level.csv"},
             "has one level; expected at least two, from noise to data"),
      sample(
          "schedule_grows", "ddpm", {"--schedule", "@growing.csv"},
          "level 1 (from 0): the noise must not grow beside the signal: sigma is too large, got"),
      sample("schedule_zero", "ddpm", {"--schedule", "@weights_one.csv"},
             "level 0 (from 0): sigma must be > 0 (the last >= 0), got 0"),
      sample("schedule_smld_zero", "smld", {"--schedule", "@levels.csv"},
             "level 2 (from 0): sigma must be > 0, got 0"),
      sample("schedule_scale", "ddpm", {"--schedule", "@scales.csv"},
             "level 0 (from 0): the signal scale must be > 0, got 0"),
      sample("bandwidth_zero_level", "smld",
             {"--schedule", "@good.csv", "--base-bandwidth", "0", "--data", "@one.npy"},
             "all data are equal"),
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = {
      // The command line.
      {"no_command",
       {},
       "a command is required: info, kde, bandwidth, loss, divergence, fit-bandwidth, sample "
       "or likelihood"},
      {"unknown_command", {"density"}, "density"},
      {"unknown_global_option", {"--colour"}, "--colour"},
      {"info_argument", {"info", "x"}, "x"},
      {"two_commands", {"info", "kde"}, "kde"},
      {"no_data", {"kde", "--bandwidth", "1"}, "DATA is required"},
      {"bandwidth_no_data", {"bandwidth"}, "DATA is required"},
      options("no_bandwidth", {}, "--bandwidth is required"),
      options("bandwidth_without_value", {"--bandwidth"}, "--bandwidth"),
      options("bandwidth_word", {"--bandwidth", "wide"}, "wide"),
      options("bandwidth_zero", {"--bandwidth", "0"}, "--bandwidth must be in (0, inf), got 0"),
      options("bandwidth_negative", {"--bandwidth", "-1"}, "--bandwidth must be in (0, inf)"),
      options("bandwidth_nan", {"--bandwidth", "nan"}, "--bandwidth must be in (0, inf), got nan"),
      options("bandwidth_infinite", {"--bandwidth", "inf"}, "--bandwidth must be in (0, inf)"),
      options("bandwidth_twice", {"--bandwidth", "1", "--bandwidth", "2"}, "--bandwidth"),
      options("signal_scale_zero", {"--bandwidth", "1", "--signal-scale", "0"},
              "--signal-scale must be in (0, inf)"),
      options("unknown_option", {"--bandwidth", "1", "--fast"}, "--fast"),
      options("second_data", {"@good.npy", "--bandwidth", "1"}, "good.npy"),
      options("threads_zero", {"--bandwidth", "1", "--threads", "0"},
              "scorefield: --threads must be in [1, 4096], got 0\n"),
      options("threads_negative", {"--bandwidth", "1", "--threads", "-2"},
              "scorefield: --threads must be in [1, 4096], got -2\n"),
      options("threads_many", {"--bandwidth", "1", "--threads", "4097"},
              "scorefield: --threads must be in [1, 4096], got 4097\n"),
      options("threads_fraction", {"--bandwidth", "1", "--threads", "1.5"}, "--threads"),
      options("unknown_device", {"--bandwidth", "1", "--device", "gpu"}, "gpu"),
      options("unknown_debias", {"--bandwidth", "1", "--debias", "twice"}, "twice"),
      options("unknown_dtype", {"--bandwidth", "1", "--dtype", "f16"}, "f16"),
      options("leave_one_out_of_queries",
              {"--bandwidth", "1", "--leave-one-out", "--query", "@good.npy"}, "--leave-one-out"),
      options("columns_word", {"--bandwidth", "1", "--columns", "x"}, "--columns 'x'"),
      options("columns_backwards", {"--bandwidth", "1", "--columns", "1-0"}, "backwards"),
      options("columns_comma", {"--bandwidth", "1", "--columns", "0,"}, "comma"),
      options("columns_absent", {"--bandwidth", "1", "--columns", "0-2"}, "no column 2"),
      options("columns_far", {"--bandwidth", "1", "--columns", "0-999999999999"}, "no column"),
      options("columns_twice", {"--bandwidth", "1", "--columns", "0,0"}, "twice"),
      // Empty text is not the same as no option.
      {"data_empty", {"kde", "", "--bandwidth", "1"}, "DATA: must not be empty"},
      options("query_empty", {"--bandwidth", "1", "--query", ""}, "--query: must not be empty"),
      options("weights_empty", {"--bandwidth", "1", "--weights", ""},
              "--weights: must not be empty"),
      options("columns_empty", {"--bandwidth", "1", "--columns", ""},
              "--columns: must not be empty"),
      {"out_empty",
       {"kde", "@good.npy", "--bandwidth", "1", "--out", ""},
       "--out: must not be empty"},
      {"plot_empty", {"bandwidth", "@good.npy", "--plot", ""}, "--plot: must not be empty"},
      // Where results go.
      {"out_no_folder",
       {"kde", "@good.npy", "--bandwidth", "1", "--out", "@absent/x"},
       "cannot be written to"},
      {"out_no_name", {"kde", "@good.npy", "--bandwidth", "1", "--out", "@"}, "end in a name"},
      {"out_data",
       {"kde", "@self.score.npy", "--bandwidth", "1", "--out", "@self"},
       "self.score.npy: is an input too"},
      {"out_query",
       {"kde", "@good.npy", "--query", "@self.score.npy", "--bandwidth", "1", "--out", "@self"},
       "self.score.npy: is an input too"},
      {"out_weights",
       {"kde", "@good.npy", "--weights", "@link.npy", "--bandwidth", "1", "--out", "@self"},
       "self.divergence.npy: is an input too"},
      {"plot_data", {"bandwidth", "@good.npy", "--plot", "@link.png"}, "link.png: is an input too"},
      {"out_taken", {"kde", "@good.npy", "--bandwidth", "1", "--out", "@taken"}, "is a directory"},
      {"plot_no_folder",
       {"bandwidth", "@good.npy", "--plot", "@absent/x.png"},
       "cannot be written"},
      {"plot_taken", {"bandwidth", "@good.npy", "--plot", "@taken.png"}, "is a directory"},
      {"plot_not_png", {"bandwidth", "@good.npy", "--plot", "@x.jpg"}, ".png"},
      // Files of no known kind.
      kde("absent.npy", "No such file"),
      kde("absent.csv", "No such file"),
      kde("folder.npy", "is a directory"),
      kde("data.txt", "unknown kind of file"),
      // .npy
      kde("nan.npy", "row 1, column 1 (from 0) is nan"),
      kde("infinite.npy", "row 2, column 0 (from 0) is -inf"),
      kde("fortran.npy", "Fortran order"),
      kde("big_endian.npy", "big-endian"),
      kde("integers.npy", "dtype '<i8'"),
      kde("half.npy", "dtype '<f2'"),
      kde("records.npy", "records"),
      kde("scalar.npy", "0 dimensions"),
      kde("three_dimensional.npy", "3 dimensions"),
      kde("no_rows.npy", "is empty (0 x 2)"),
      kde("no_columns.npy", "is empty (3 x 0)"),
      kde("claims_more.npy", "claims 3 x 3 values, it holds 48 bytes"),
      kde("claims_far_more.npy", "is cut off"),
      kde("claims_most.npy", "is cut off"),
      kde("claims_less.npy", "more bytes than its header claims"),
      kde("negative.npy", "malformed"),
      kde("overflow.npy", "malformed"),
      kde("no_shape.npy", "malformed"),
      kde("extra_key.npy", "malformed"),
      kde("garbage.npy", "malformed"),
      kde("version.npy", "version 4.0"),
      kde("huge_header.npy", "header of 2147483647 bytes"),
      kde("cut_in_header.npy", "cut off in its header"),
      kde("cut_in_magic.npy", "not a .npy file"),
      kde("cut_in_data.npy", "is cut off"),
      kde("empty.npy", "not a .npy file"),
      kde("text.npy", "not a .npy file"),
      // .csv
      kde("ragged.csv", "line 2 has 3 columns; expected 2"),
      kde("short.csv", "line 2 has 1 column; expected 2"),
      kde("word.csv", "line 2, column 1 (from 0): 'abc' is not a number"),
      kde("gap.csv", "line 2, column 1 (from 0): '' is not a number"),
      kde("header.csv", "line 1, column 0 (from 0): 'x' is not a number (a header line"),
      kde("blank.csv", "line 2 is blank"),
      kde("nan.csv", "line 3, column 0 (from 0): 'nan' is not finite"),
      kde("overflow.csv", "line 2, column 0 (from 0): '1e999' is not finite"),
      kde("empty.csv", "is empty"),
      kde("only_blank.csv", "is empty"),
      kde("control.csv", "'?[31m' is not a number"),
      kde("cut.csv.gz", "is cut off"),
      kde("damaged.csv.gz", "damaged.csv.gz: "),
      kde("bad_sum.csv.gz", "incorrect data check"),
      // Files that do not fit each other or the options.
      options("query_columns", {"--bandwidth", "1", "--query", "@wide.npy"},
              "has 3 columns, the data have 2"),
      options("query_column", {"--bandwidth", "1", "--query", "@weights2.csv"},
              "has 1 column, the data have 2"),
      {"weights_of_one",
       {"kde", "@one.npy", "--bandwidth", "1", "--weights", "@weights2.csv", "--out", "@out"},
       "expected 1 weight, one a datum"},
      options("query_nan", {"--bandwidth", "1", "--query", "@nan.npy"}, "row 1, column 1"),
      options("query_absent", {"--bandwidth", "1", "--query", "@absent.npy"}, "No such file"),
      options("weights_count", {"--bandwidth", "1", "--weights", "@weights2.csv"},
              "expected 3 weights"),
      options("weights_negative", {"--bandwidth", "1", "--weights", "@weights_negative.csv"},
              "weight 1 (from 0) is -2"),
      options("weights_zero", {"--bandwidth", "1", "--weights", "@weights_zero.csv"},
              "all weights"),
      options("weights_minus_small",
              {"--bandwidth", "1", "--dtype", "f32", "--weights", "@weights_minus_small.csv"},
              "weight 1 (from 0) is -1e-300"),
      options("weights_small",
              {"--bandwidth", "1", "--dtype", "f32", "--weights", "@weights_small.csv"},
              "all weights are too small for f32"),
      options("weights_nan", {"--bandwidth", "1", "--weights", "@weights_nan.csv"}, "line 2"),
      options("weights_one_left_out",
              {"--bandwidth", "1", "--weights", "@weights_one.csv", "--leave-one-out"},
              "at least two data"),
      {"one_left_out",
       {"kde", "@one.npy", "--bandwidth", "1", "--leave-one-out", "--out", "@out"},
       "at least two data"},
      {"too_large_for_f32",
       {"kde", "@huge_value.npy", "--bandwidth", "1", "--dtype", "f32", "--out", "@out"},
       "row 1, column 0 (from 0): 1e+300 is too large for f32"},
      // bandwidth
      {"bandwidth_one", {"bandwidth", "@one.npy", "--plot", "@p.png"}, "at least two data"},
      {"bandwidth_same", {"bandwidth", "@same.npy", "--plot", "@p.png"}, "all data are equal"},
      {"bandwidth_min", {"bandwidth", "@good.npy", "--min", "0"}, "--min must be in (0, inf)"},
      {"bandwidth_max", {"bandwidth", "@good.npy", "--max", "nan"}, "--max must be in (0, inf)"},
      {"bandwidth_ends", {"bandwidth", "@good.npy", "--min", "2", "--max", "1"}, "below --max"},
      {"bandwidth_points",
       {"bandwidth", "@good.npy", "--points", "1"},
       "scorefield: --points must be in [2, 100000], got 1\n"},
      {"bandwidth_refine",
       {"bandwidth", "@good.npy", "--refine", "-1"},
       "scorefield: --refine must be in [0, 100000], got -1\n"},
      {"bandwidth_no_best",
       {"bandwidth", "@good.npy", "--dtype", "f32", "--min", "1e-30", "--max", "1e-25"},
       "neither criterion is finite at any bandwidth from 1e-30 to 1e-25"},
      {"bandwidth_data_nan", {"bandwidth", "@nan.npy", "--plot", "@p.png"}, "row 1, column 1"},
  };
  for (const auto& more : {loss_cases(), divergence_cases(), fit_bandwidth_cases(),
                           sample_data_cases(), sample_option_cases(), likelihood_cases()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  return cases;
}

class CommandErrors : public ::testing::TestWithParam<Case> {};

TEST_P(CommandErrors, OneLineExitCodeAndNoFile) {
  const ScratchFolder scratch;
  write_files(scratch);
  const std::vector<std::string> before = scratch.names();
  std::vector<std::string> arguments = GetParam().arguments;
  for (std::string& argument : arguments) {
    if (argument[0] == '@') argument = scratch.path(argument.substr(1));
  }
  const Outcome outcome = run_command(arguments);
  EXPECT_EQ(outcome.exit_code, kUsage) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(GetParam().message), std::string::npos) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.err.rfind("scorefield: ", 0), 0U) << outcome.err;
  EXPECT_EQ(scratch.names(), before);
}

INSTANTIATE_TEST_SUITE_P(All, CommandErrors, ::testing::ValuesIn(all_cases()),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

// zlib names the file too.
TEST(CommandErrors, ADamagedFileIsNamedOnce) {
  const ScratchFolder scratch;
  write_files(scratch);
  const std::string file = scratch.path("bad_sum.csv.gz");
  EXPECT_EQ(run_command({"bandwidth", file}).err,
            "scorefield: " + file + ": incorrect data check\n");
}

TEST(CommandErrors, HelpIsNoError) {
  for (const std::string command :
       {"info", "kde", "bandwidth", "loss", "divergence", "fit-bandwidth", "sample"}) {
    const Outcome outcome = run_command({command, "--help"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_NE(outcome.out.find("Usage"), std::string::npos);
    EXPECT_EQ(outcome.err, "");
  }
  EXPECT_EQ(run_command({"--help"}).exit_code, 0);
  EXPECT_EQ(run_command({"--version"}).exit_code, 0);
}

TEST(CommandErrors, AnAbsentBackendExitsWith3) {
  if (run_command({"info"}).out.find("cuda     none") == std::string::npos) {
    GTEST_SKIP() << "the CUDA backend is here";
  }
  const ScratchFolder scratch;
  write_files(scratch);
  const std::vector<std::string> before = scratch.names();
  const std::string good = scratch.path("good.npy");
  const std::vector<std::vector<std::string>> lines = {
      {"kde", good, "--bandwidth", "1", "--device", "cuda", "--out", scratch.path("out")},
      {"bandwidth", good, "--device", "cuda", "--plot", scratch.path("p.png")},
      {"loss", "ism", "--data", good, "--model", good, "--model-bandwidth", "1", "--device",
       "cuda"},
      {"divergence", "kl", "--p", good, "--p-bandwidth", "1", "--q", good, "--q-bandwidth", "1",
       "--device", "cuda"},
      {"fit-bandwidth", good, "--loss", "ism", "--device", "cuda"},
      {"sample", "edm", "--data", good, "--base-bandwidth", "1", "--n", "3", "--device", "cuda",
       "--out", scratch.path("x.npy")}};
  for (const auto& line : lines) {
    const Outcome outcome = run_command(line);
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  EXPECT_EQ(scratch.names(), before);
}

TEST(CommandErrors, AFailedRunLeavesEarlierResultsAlone) {
  const ScratchFolder scratch;
  write_files(scratch);
  const std::string prefix = scratch.path("kept");
  ASSERT_EQ(
      run_command({"kde", scratch.path("good.npy"), "--bandwidth", "1", "--out", prefix}).exit_code,
      0);
  const std::string before = read_file(prefix + ".score.npy");
  EXPECT_EQ(
      run_command({"kde", scratch.path("nan.npy"), "--bandwidth", "1", "--out", prefix}).exit_code,
      kUsage);
  EXPECT_EQ(read_file(prefix + ".score.npy"), before);
}

TEST(DemoErrors, AreUsageErrorsInOneLine) {
  const ScratchFolder scratch;
  for (const std::string arguments : {"", "--nope", "x.csv --device gpu"}) {
    const std::string line =
        std::string(SCF_DEMO) + " " + arguments + " 2>'" + scratch.path("error") + "'";
    EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), kUsage) << arguments;
    const std::string error = read_file(scratch.path("error"));
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
    EXPECT_EQ(error.rfind("scorefield_demo: ", 0), 0U) << error;
  }
}

}  // namespace
}  // namespace scf::test
