/* SPDX-License-Identifier: Apache-2.0
 *
 * The table: every command and option there is. Parser, help, manual pages and completions are made from it.
 */
#include "cli.h"

static const char *const colour_choices[] = { "auto", "always", "never", NULL };
static const char *const format_choices[] = { "json", "combined", "logfmt", NULL };
static const char *const io_choices[] = { "auto", "epoll", "uring", NULL };
static const char *const shell_choices[] = { "bash", "zsh", "fish", NULL };

const hf_option hf_common_options[] = {
    { .name = "help", .letter = 'h', .help = "Show this help and exit." },
    { .name = "color", .kind = HF_OPTION_VALUE, .value = "WHEN", .preset = "auto", .complete = HF_COMPLETE_CHOICES,
      .choices = colour_choices,
      .help = "Colour: auto (on a terminal, unless NO_COLOR is set or TERM is dumb), always, or never." },
};
const size_t hf_common_option_count = HF_COUNT(hf_common_options);

const hf_exit_row hf_exit_rows[] = {
    { HF_EXIT_OK, "Done." },
    { HF_EXIT_FAILED, "Failed; standard error says why." },
    { HF_EXIT_USAGE, "The command line is wrong." },
    { HF_EXIT_CONFIG, "The configuration is invalid." },
    { HF_EXIT_DNS, "A name could not be resolved." },
    { HF_EXIT_TCP, "A connection could not be made, or broke." },
    { HF_EXIT_TLS, "TLS failed: no common version, or a certificate that does not hold." },
    { HF_EXIT_HTTP, "The peer broke HTTP, or answered with an error." },
    { HF_EXIT_POLICY, "Web policy (cookies, CORS, CSRF, tokens) forbade it." },
};
const size_t hf_exit_row_count = HF_COUNT(hf_exit_rows);

const char *const hf_cli_description[] = {
    "Handfast owns a web connection from SYN to session. It serves a site, explains why a connection failed, and runs both "
    "ends of it in a simulated network from a seed.",
    NULL,
};

/* ---- serve ---------------------------------------------------------------------------------------------------- */

static const hf_option serve_options[] = {
    { .name = "config", .letter = 'c', .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE,
      .help = "Serve what this configuration says. Of the other options only --quiet and --color go with it." },
    { .name = "listen", .kind = HF_OPTION_VALUE, .repeats = true, .value = "URL", .preset = "http://localhost:8080",
      .help = "Listen here: http://HOST[:PORT]. HOST is localhost (127.0.0.1 and ::1), an IPv4 address, an IPv6 address in "
              "brackets, or * for every address; names are not looked up. PORT is 80 unless given; 0 takes any free port. "
              "May be given many times." },
    { .name = "welcome", .help = "Serve the site that is built into the program: what Handfast is, its manual, a tour." },
    { .name = "index", .kind = HF_OPTION_VALUE, .repeats = true, .value = "NAME", .preset = "index.html",
      .help = "The file that answers for a folder. May be given many times; the first that exists is taken." },
    { .name = "listing", .kind = HF_OPTION_BOOLEAN, .help = "Show what is in a folder that has no index file." },
    { .name = "spa", .kind = HF_OPTION_OPTIONAL, .value = "FILE", .preset = "off; FILE is index.html",
      .help = "Answer paths that name no file with FILE, for single-page applications. FILE is relative to DIR." },
    { .name = "error-pages", .kind = HF_OPTION_VALUE, .value = "DIR", .complete = HF_COMPLETE_FOLDER,
      .help = "Show browsers 404.html and the like from this folder in place of the built-in pages." },
    { .name = "follow-symlinks", .kind = HF_OPTION_BOOLEAN,
      .help = "Follow symbolic links that stay inside DIR. Links that lead out of it are never followed." },
    { .name = "precompressed", .kind = HF_OPTION_BOOLEAN, .on = true,
      .help = "Do not look for FILE.br, FILE.zst and FILE.gz, which are otherwise sent to clients that accept them." },
    { .name = "compress", .kind = HF_OPTION_BOOLEAN, .on = true,
      .help = "Do not compress on the fly. Otherwise what has no such sibling is, up to the limit compress_bytes, and kept." },
    { .name = "cache-control", .kind = HF_OPTION_VALUE, .value = "VALUE", .preset = "no-cache",
      .help = "The Cache-Control field of files. no-cache lets caches keep a file but ask each time whether it changed." },
    { .name = "access-log", .kind = HF_OPTION_VALUE, .value = "PATH", .preset = "-", .complete = HF_COMPLETE_FILE,
      .help = "Append a line for each request to this file; - is standard output, off writes none. SIGUSR1 opens the file "
              "again, for log rotation." },
    { .name = "log-format", .kind = HF_OPTION_VALUE, .value = "FORMAT", .preset = "json", .complete = HF_COMPLETE_CHOICES,
      .choices = format_choices,
      .help = "json (a JSON object a line, with OpenTelemetry's names), combined (Apache's), or logfmt." },
    { .name = "limit", .kind = HF_OPTION_VALUE, .repeats = true, .value = "NAME=VALUE", .complete = HF_COMPLETE_LIMIT,
      .help = "Change a limit; handfast limits lists them. Times need a unit (500ms, 10s, 2m, 1h); sizes may have one "
              "(64k, 1M, 2G). May be given many times." },
    { .name = "threads", .kind = HF_OPTION_VALUE, .value = "N", .preset = "the CPUs it may use",
      .help = "Loop threads of the serving process, 1 to 256." },
    { .name = "io", .kind = HF_OPTION_VALUE, .value = "WAY", .preset = "auto", .complete = HF_COMPLETE_CHOICES,
      .choices = io_choices,
      .help = "How loop threads wait: epoll, uring (io_uring), or auto: io_uring where the kernel (6.0 and later) lets us, else "
              "epoll, which is said." },
    { .name = "user", .kind = HF_OPTION_VALUE, .value = "NAME", .complete = HF_COMPLETE_USER,
      .help = "Become this user once the listeners are bound. Needs root to begin with." },
    { .name = "quiet", .letter = 'q', .help = "Say only what is wrong. The access log is not touched by this." },
};

static const char *const serve_description[] = {
    "Serves the files of DIR (the current folder unless given) over HTTP/1.0 and HTTP/1.1. Every file is opened beneath DIR: "
    "neither a path nor a link leads out of it. Files get validators, ranges, and precompressed variants where they lie "
    "beside them.",
    "A supervisor holds the listeners and restarts the serving process should it die. SIGTERM and SIGINT stop accepting, "
    "finish what is under way (limit drain_ns) and exit. SIGUSR1 opens the access log again.",
    "Every bound has a name and a default that holds; see handfast limits. HF_LOG=error, warning, info or debug in the "
    "environment decides what is said on standard error.",
    NULL,
};

static const hf_example serve_examples[] = {
    { "handfast serve", "Serve the current folder at http://localhost:8080." },
    { "handfast serve public --listen 'http://*:8080' --access-log access.log", "Serve a folder to the network and keep a log." },
    { "handfast serve dist --spa --cache-control max-age=3600", "Serve a single-page application." },
    { "handfast serve --limit idle_ns=5s --limit body_bytes=10M", "Change two limits." },
    { "handfast serve -c handfast.conf", "Serve several sites, as a configuration describes them." },
};

/* ---- the configuration ---------------------------------------------------------------------------------------- */

#define CONFIG_OPTION \
    { .name = "config", .letter = 'c', .kind = HF_OPTION_VALUE, .value = "FILE", .preset = "handfast.conf", \
      .complete = HF_COMPLETE_FILE, .help = "The configuration; - is standard input." }

static const hf_option check_options[] = {
    CONFIG_OPTION,
    { .name = "json", .help = "Print the mistakes as JSON." },
    { .name = "quiet", .letter = 'q', .help = "Say nothing when it is valid." },
};
static const char *const check_description[] = {
    "Reads a configuration and everything it includes, and says every mistake at once: file, line and column, what was found, "
    "what is allowed, and the nearest spelling. Nothing is bound and nothing is served.",
    NULL,
};
static const hf_option fmt_options[] = {
    CONFIG_OPTION,
    { .name = "check", .help = "Print nothing; fail when the file is not in this form." },
    { .name = "write", .help = "Put the result in the file's place, at once or not at all." },
};
static const char *const fmt_description[] = {
    "Prints a configuration in its one form: four spaces a block, one space between words, at most one empty line. Comments "
    "are kept, words stay as they are written, and files that it includes are not touched.",
    NULL,
};
static const hf_example fmt_examples[] = {
    { "handfast fmt --write", "Tidy handfast.conf." },
    { "handfast fmt --check -c site.conf", "For a test: is it tidy?" },
};
static const hf_option config_options[] = {
    CONFIG_OPTION,
    { .name = "json", .help = "Print JSON." },
};
static const char *const config_description[] = {
    "Shows the effective configuration: every setting with its value, defaults included, and the place in which file it came "
    "from. What came out of a file of secrets is not shown.",
    "config explain METHOD URL says which site and route would answer a request, and why. config settings lists every setting "
    "there is.",
    NULL,
};
static const hf_example config_examples[] = {
    { "handfast config --json | jq .limits.settings.idle_ns", "One setting, and where it came from." },
    { "handfast config explain GET http://www.example.com/about", "Who would answer this?" },
    { "handfast config settings", "Everything that may stand in a configuration." },
};

/* ---- the others ----------------------------------------------------------------------------------------------- */

static const hf_option json_options[] = {
    { .name = "json", .help = "Print JSON." },
};

static const char *const sim_description[] = {
    "Runs server and clients of this program in a simulated network: virtual time, and links that lose, delay, reorder, "
    "duplicate and corrupt. All of it follows from one seed, so a run that failed is run again by its seed. Safety is "
    "checked under faults, then the faults heal and everything must come to an end.",
    NULL,
};
static const hf_option sim_options[] = {
    { .name = "seed", .kind = HF_OPTION_VALUE, .value = "N", .preset = "a fresh one, printed",
      .help = "The seed of the first run." },
    { .name = "seeds", .kind = HF_OPTION_VALUE, .value = "N", .preset = "1", .help = "How many runs, the seed counting up." },
    { .name = "world", .kind = HF_OPTION_VALUE, .value = "NAME", .preset = "every world", .help = "Run this world only." },
};
static const hf_exit_row sim_exits[] = {
    { 0, "Every run passed." },
    { 1, "A run crashed." },
    { 2, "Something wrong happened under faults (safety)." },
    { 3, "Something did not come to its end after the faults had healed (liveness)." },
    { 64, "The command line is wrong." },
};
static const hf_example sim_examples[] = {
    { "handfast sim --seed 42", "Run the world that 42 stands for." },
};

static const char *const errors_description[] = {
    "Lists every error that Handfast can report: its code, the HTTP status that reports it, its name, and the likely cause. "
    "handfast explain CODE says more.",
    NULL,
};
static const char *const explain_description[] = {
    "Says what a code from a log line or an error page means: the rule that fired and where it is written, the likely cause, "
    "and what to do. CODE is HF-HTTP1-003 or HTTP1-3, in any case; or an HTTP status, for all errors that it reports.",
    NULL,
};
static const hf_example explain_examples[] = {
    { "handfast explain HF-HTTP1-003", "Why a bare LF is refused." },
    { "handfast explain 431", "Everything that is answered 431." },
};
static const char *const limits_description[] = {
    "Lists every limit with its default and the reason for it. Change one with handfast serve --limit NAME=VALUE.",
    NULL,
};
static const char *const version_description[] = {
    "Prints the version, and with which compiler, C library and features the program was built.",
    NULL,
};
static const char *const help_description[] = { "Shows help for the program, or for one command.", NULL };
static const char *const manpage_description[] = {
    "Prints a manual page as roff to standard output: of the program, or of one command.",
    NULL,
};
static const hf_example manpage_examples[] = {
    { "handfast manpage serve | man -l -", "Read it." },
};
static const char *const completion_description[] = {
    "Prints a script that teaches a shell to complete Handfast's commands and options.",
    NULL,
};
static const hf_example completion_examples[] = {
    { "source <(handfast completion bash)", "For this bash session." },
    { "handfast completion fish > ~/.config/fish/completions/handfast.fish", "For every fish session." },
};

#define CONFIG_EXITS .exits = hf_exit_rows, .exit_count = HF_EXIT_CONFIG + 1 /* the rows are in order */
#define LIST(member, array) .member##s = (array), .member##_count = HF_COUNT(array)

const hf_command hf_commands[] = {
    { .name = "serve", .operands = "[DIR]", .operands_most = 1, .operands_complete = HF_COMPLETE_FOLDER,
      .summary = "Serve a folder over HTTP", .description = serve_description, LIST(option, serve_options),
      LIST(example, serve_examples), CONFIG_EXITS, .run = hf_command_serve },
    { .name = "check", .summary = "Check a configuration: every mistake at once", .description = check_description,
      LIST(option, check_options), CONFIG_EXITS, .run = hf_command_check },
    { .name = "fmt", .summary = "Print a configuration in its one form", .description = fmt_description,
      LIST(option, fmt_options), LIST(example, fmt_examples), CONFIG_EXITS, .run = hf_command_fmt },
    { .name = "config", .operands = "[explain METHOD URL | settings]", .operands_most = 3,
      .summary = "Show the effective configuration", .description = config_description, LIST(option, config_options),
      LIST(example, config_examples), CONFIG_EXITS, .run = hf_command_config },
    { .name = "sim", .summary = "Run server and clients in a simulated network", .description = sim_description,
      LIST(option, sim_options), LIST(example, sim_examples), LIST(exit, sim_exits),
      .raw = true, .run = hf_command_sim },
    { .name = "explain", .operands = "CODE", .operands_least = 1, .operands_most = 1, .operands_complete = HF_COMPLETE_ERROR,
      .summary = "Say what an error code means and what to do", .description = explain_description,
      LIST(option, json_options), LIST(example, explain_examples), .run = hf_command_explain },
    { .name = "errors", .summary = "List every error", .description = errors_description, LIST(option, json_options),
      .run = hf_command_errors },
    { .name = "limits", .summary = "List every limit, its default and its reason", .description = limits_description,
      LIST(option, json_options), .run = hf_command_limits },
    { .name = "version", .summary = "Show the version and what is built in", .description = version_description,
      LIST(option, json_options), .run = hf_command_version },
    { .name = "help", .operands = "[COMMAND]", .operands_most = 1, .operands_complete = HF_COMPLETE_COMMAND,
      .summary = "Show help", .description = help_description, .run = hf_command_help },
    { .name = "manpage", .operands = "[COMMAND]", .operands_most = 1, .operands_complete = HF_COMPLETE_COMMAND,
      .summary = "Print a manual page", .description = manpage_description, LIST(example, manpage_examples),
      .run = hf_command_manpage },
    { .name = "completion", .operands = "bash|zsh|fish", .operands_least = 1, .operands_most = 1,
      .operands_complete = HF_COMPLETE_CHOICES, .operand_choices = shell_choices, .summary = "Print completions for a shell",
      .description = completion_description, LIST(example, completion_examples), .run = hf_command_completion },
};
const size_t hf_command_count = HF_COUNT(hf_commands);

const hf_exit_row *hf_exits_of(const hf_command *command, size_t *count)
{
    if (command && command->exits) {
        *count = command->exit_count;
        return command->exits;
    }
    *count = command ? HF_EXIT_USAGE + 1 : hf_exit_row_count; /* the rows are in order: most commands have three */
    return hf_exit_rows;
}

const hf_option *hf_option_at(const hf_command *command, size_t i)
{
    if (i < command->option_count)
        return &command->options[i];
    i -= command->option_count;
    return i < (command->raw ? 1 : hf_common_option_count) ? &hf_common_options[i] : NULL;
}
