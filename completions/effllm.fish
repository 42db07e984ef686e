# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_effllm_global_optspecs
    string join \n h/help V/version
end

function __fish_effllm_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_effllm_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_effllm_using_subcommand
    set -l cmd (__fish_effllm_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c effllm -n "__fish_effllm_needs_command" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_needs_command" -s V -l version -d 'Print version'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "run" -d 'Run a command unmodified, and report the metrics of its run'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "parse" -d 'Parse an existing log, and report its metrics'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "gate" -d 'Check a report against thresholds'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "compare" -d 'Compare reports: the changes, and which are statistically significant'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "monitor" -d 'Attach to a running process or log, and report its metrics'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "gpus" -d 'List the GPUs of this machine and what can be measured of each'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "profiles" -d 'List the built-in log profiles, or print one as a starting point'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "report" -d 'Render reports as a table, a web page, Markdown, CSV or JUnit XML'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "man" -d 'Print effllm(1), or write every manual page into a folder'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "schema" -d 'Print the JSON Schema of the report'
complete -c effllm -n "__fish_effllm_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c effllm -n "__fish_effllm_using_subcommand run" -s o -l report -d 'Write the JSON report to FILE; `-` prints it on stdout and sends the command\'s own stdout to stderr [default: effllm-report.json]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l history-size -d 'Points kept for the report\'s plots; never changes an average [default: 1000] [env: EFFICIENTLLM_HISTORY_SIZE]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l interval -d 'Seconds between two samples, 0.01 to 3600 [default: 1.0] [env: EFFICIENTLLM_COLLECTION_INTERVAL]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l gpus -d 'GPUs to measure: `auto` (those that the command uses, where that can be told), `all`, `none`, or indices and UUIDs, as in `0,1` [default: auto]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l nvml-lib -d 'NVML library to load [default: libnvidia-ml.so.1] [env: EFFLLM_NVML_LIB]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l params -d 'Parameters of the model, as in `7.6B` [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l seq-len -d 'Sequence length (tokens per sample) [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l global-batch-size -d 'Global batch size (samples per iteration) [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l warmup -d 'Leave the first N iterations out of the headline metrics [default: 0]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l profile -d 'Read the log with a built-in profile; `auto` detects which [default: auto]' -r -f -a "auto\t''
nemo\t''
megatron\t''
torchtitan\t''
olmo\t''
composer\t''
verl\t''
torchtune\t''
litgpt\t''
nanogpt\t''
hf-trainer\t''
lightning\t''
deepspeed\t''
sglang\t''
tensorrt-llm\t''
vllm\t''
llama-cpp\t''
tgi\t''"
complete -c effllm -n "__fish_effllm_using_subcommand run" -l rules -d 'Read the log with the rules in FILE; see effllm-rules(5) [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l pattern -d 'Read progress from lines that match REGEX; its named groups are fields, as in `step (?P<iteration>\\d+) took (?P<step_time_ms>[\\d.]+)` [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l log-interval -d 'Iterations between two log summaries [default: 10] [env: EFFICIENTLLM_LOG_INTERVAL]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l live -d 'Show a `table` below the output, a summary in the `log` every log interval, `auto` (a table on a terminal, else log), or `off` [default: auto]' -r -f -a "auto\t'The table on a terminal, else the log'
table\t''
log\t''
off\t''"
complete -c effllm -n "__fish_effllm_using_subcommand run" -l tensorboard -d 'Write TensorBoard scalars to DIR every log interval [default: none]' -r -f -a "(__fish_complete_directories)"
complete -c effllm -n "__fish_effllm_using_subcommand run" -l series -d 'Write samples and records to FILE, .csv or .jsonl [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l openmetrics -d 'Write the metrics to FILE every 15 s, as OpenMetrics [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l listen -d 'Serve Prometheus metrics; localhost unless ADDR is given [default: off]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l require -d 'Exit 99 unless EXPR (`al <= 1.3 s`) holds; repeatable [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l warn -d 'Warn, without failing, if EXPR is false; repeatable [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l baseline -d 'Report used as `baseline`; repeat to use the median [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l min-iterations -d 'Minimum iterations for a verdict [default: 10]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l min-seconds -d 'Minimum measured iteration time for a verdict [default: 0]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l junit -d 'Write the verdicts to FILE as JUnit XML [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l gitlab-metrics -d 'Write the metrics to FILE for GitLab\'s metrics report [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l fail-fast -d 'Stop once a requirement has failed for SECONDS [default: off; 30]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l stdio -d 'Pass the command\'s output through a `pipe`, through a `pty` (the command sees a terminal wherever effllm has one), or let the command `inherit` effllm\'s own, so that no log is read [default: pipe]' -r -f -a "pipe\t''
pty\t''
inherit\t''"
complete -c effllm -n "__fish_effllm_using_subcommand run" -l kill-after -d 'SIGKILL remaining processes DURATION after SIGTERM [default: never]' -r
complete -c effllm -n "__fish_effllm_using_subcommand run" -l no-forward -d 'Do not forward SIGNAL to the command; repeatable' -r -f -a "HUP\t''
INT\t''
QUIT\t''
ABRT\t''
USR1\t''
USR2\t''
PIPE\t''
ALRM\t''
TERM\t''
STKFLT\t''
CONT\t''
TSTP\t''
TTOU\t''
URG\t''
XCPU\t''
XFSZ\t''
VTALRM\t''
PROF\t''
WINCH\t''
IO\t''
PWR\t''"
complete -c effllm -n "__fish_effllm_using_subcommand run" -l config -d 'Read FILE instead of the project\'s effllm.toml [default: effllm.toml]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand run" -l no-mask -d 'Keep values in the report\'s command line that look like secrets'
complete -c effllm -n "__fish_effllm_using_subcommand run" -s q -l quiet -d 'Print only errors and failed gates on stderr'
complete -c effllm -n "__fish_effllm_using_subcommand run" -l allow-no-data -d 'Pass if a required metric is null'
complete -c effllm -n "__fish_effllm_using_subcommand run" -l no-unbuffer -d 'Do not set PYTHONUNBUFFERED=1 for the command'
complete -c effllm -n "__fish_effllm_using_subcommand run" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l profile -d 'Read the log with a built-in profile; `auto` detects which [default: auto]' -r -f -a "auto\t''
nemo\t''
megatron\t''
torchtitan\t''
olmo\t''
composer\t''
verl\t''
torchtune\t''
litgpt\t''
nanogpt\t''
hf-trainer\t''
lightning\t''
deepspeed\t''
sglang\t''
tensorrt-llm\t''
vllm\t''
llama-cpp\t''
tgi\t''"
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l rules -d 'Read the log with the rules in FILE; see effllm-rules(5) [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l pattern -d 'Read progress from lines that match REGEX; its named groups are fields, as in `step (?P<iteration>\\d+) took (?P<step_time_ms>[\\d.]+)` [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l log-interval -d 'Iterations between two log summaries [default: 10] [env: EFFICIENTLLM_LOG_INTERVAL]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l params -d 'Parameters of the model, as in `7.6B` [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l seq-len -d 'Sequence length (tokens per sample) [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l global-batch-size -d 'Global batch size (samples per iteration) [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l warmup -d 'Leave the first N iterations out of the headline metrics [default: 0]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l require -d 'Exit 99 unless EXPR (`al <= 1.3 s`) holds; repeatable [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l warn -d 'Warn, without failing, if EXPR is false; repeatable [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l baseline -d 'Report used as `baseline`; repeat to use the median [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l min-iterations -d 'Minimum iterations for a verdict [default: 10]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l min-seconds -d 'Minimum measured iteration time for a verdict [default: 0]' -r
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l junit -d 'Write the verdicts to FILE as JUnit XML [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l gitlab-metrics -d 'Write the metrics to FILE for GitLab\'s metrics report [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l config -d 'Read FILE instead of the project\'s effllm.toml [default: effllm.toml]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l json -d 'Print the report as JSON'
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l events -d 'Print the recognised facts and records as JSON Lines'
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l explain -d 'Show what each rule matched, and the closest line for rules without a match'
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l follow -d 'Follow the file as it grows, is rotated or truncated, until Ctrl-C'
complete -c effllm -n "__fish_effllm_using_subcommand parse" -l allow-no-data -d 'Pass if a required metric is null'
complete -c effllm -n "__fish_effllm_using_subcommand parse" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l require -d 'Exit 99 unless EXPR (`al <= 1.3 s`) holds; repeatable [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l warn -d 'Warn, without failing, if EXPR is false; repeatable [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l baseline -d 'Report used as `baseline`; repeat to use the median [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l min-iterations -d 'Minimum iterations for a verdict [default: 10]' -r
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l min-seconds -d 'Minimum measured iteration time for a verdict [default: 0]' -r
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l junit -d 'Write the verdicts to FILE as JUnit XML [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l gitlab-metrics -d 'Write the metrics to FILE for GitLab\'s metrics report [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l config -d 'Read FILE instead of the project\'s effllm.toml [default: effllm.toml]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l metrics -d 'List every metric with its unit and definition'
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l json -d 'Print the verdicts as JSON'
complete -c effllm -n "__fish_effllm_using_subcommand gate" -l allow-no-data -d 'Pass if a required metric is null'
complete -c effllm -n "__fish_effllm_using_subcommand gate" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand compare" -l format -d 'Format of the output' -r -f -a "table\t'Text for a terminal'
markdown\t'Tables for a pull request'
html\t'A web page in one file'
json\t'The report itself, for programs'"
complete -c effllm -n "__fish_effllm_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l pid -d 'Measure process PID and its descendants until it ends [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l log -d 'Read progress from FILE as another program writes it [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l duration -d 'End after this time, as in `90`, `10m` or `1h 30m` [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -s o -l report -d 'Write the JSON report to FILE; `-` prints it on stdout and sends the command\'s own stdout to stderr [default: effllm-report.json]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l history-size -d 'Points kept for the report\'s plots; never changes an average [default: 1000] [env: EFFICIENTLLM_HISTORY_SIZE]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l interval -d 'Seconds between two samples, 0.01 to 3600 [default: 1.0] [env: EFFICIENTLLM_COLLECTION_INTERVAL]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l gpus -d 'GPUs to measure: `auto` (those that the command uses, where that can be told), `all`, `none`, or indices and UUIDs, as in `0,1` [default: auto]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l nvml-lib -d 'NVML library to load [default: libnvidia-ml.so.1] [env: EFFLLM_NVML_LIB]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l params -d 'Parameters of the model, as in `7.6B` [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l seq-len -d 'Sequence length (tokens per sample) [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l global-batch-size -d 'Global batch size (samples per iteration) [default: from the log]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l warmup -d 'Leave the first N iterations out of the headline metrics [default: 0]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l profile -d 'Read the log with a built-in profile; `auto` detects which [default: auto]' -r -f -a "auto\t''
nemo\t''
megatron\t''
torchtitan\t''
olmo\t''
composer\t''
verl\t''
torchtune\t''
litgpt\t''
nanogpt\t''
hf-trainer\t''
lightning\t''
deepspeed\t''
sglang\t''
tensorrt-llm\t''
vllm\t''
llama-cpp\t''
tgi\t''"
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l rules -d 'Read the log with the rules in FILE; see effllm-rules(5) [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l pattern -d 'Read progress from lines that match REGEX; its named groups are fields, as in `step (?P<iteration>\\d+) took (?P<step_time_ms>[\\d.]+)` [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l log-interval -d 'Iterations between two log summaries [default: 10] [env: EFFICIENTLLM_LOG_INTERVAL]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l live -d 'Show a `table` below the output, a summary in the `log` every log interval, `auto` (a table on a terminal, else log), or `off` [default: auto]' -r -f -a "auto\t'The table on a terminal, else the log'
table\t''
log\t''
off\t''"
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l tensorboard -d 'Write TensorBoard scalars to DIR every log interval [default: none]' -r -f -a "(__fish_complete_directories)"
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l series -d 'Write samples and records to FILE, .csv or .jsonl [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l openmetrics -d 'Write the metrics to FILE every 15 s, as OpenMetrics [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l listen -d 'Serve Prometheus metrics; localhost unless ADDR is given [default: off]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l require -d 'Exit 99 unless EXPR (`al <= 1.3 s`) holds; repeatable [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l warn -d 'Warn, without failing, if EXPR is false; repeatable [default: none]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l baseline -d 'Report used as `baseline`; repeat to use the median [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l min-iterations -d 'Minimum iterations for a verdict [default: 10]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l min-seconds -d 'Minimum measured iteration time for a verdict [default: 0]' -r
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l junit -d 'Write the verdicts to FILE as JUnit XML [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l gitlab-metrics -d 'Write the metrics to FILE for GitLab\'s metrics report [default: none]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l config -d 'Read FILE instead of the project\'s effllm.toml [default: effllm.toml]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l from-start -d 'Read the profile and sizes from the log\'s earlier lines, too [default: off]'
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l no-mask -d 'Keep values in the report\'s command line that look like secrets'
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -s q -l quiet -d 'Print only errors and failed gates on stderr'
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -l allow-no-data -d 'Pass if a required metric is null'
complete -c effllm -n "__fish_effllm_using_subcommand monitor" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand gpus" -l nvml-lib -d 'NVML library to load [default: libnvidia-ml.so.1] [env: EFFLLM_NVML_LIB]' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand gpus" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and not __fish_seen_subcommand_from list show help" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and not __fish_seen_subcommand_from list show help" -f -a "list" -d 'List each profile with its description'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and not __fish_seen_subcommand_from list show help" -f -a "show" -d 'Print the rules of a profile'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and not __fish_seen_subcommand_from list show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and __fish_seen_subcommand_from help" -f -a "list" -d 'List each profile with its description'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print the rules of a profile'
complete -c effllm -n "__fish_effllm_using_subcommand profiles; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c effllm -n "__fish_effllm_using_subcommand report" -l format -d 'Format of the output [default: by the extension of the -o file, else table]' -r -f -a "table\t'Text for a terminal'
markdown\t'Tables for a pull request'
html\t'A web page in one file'
csv\t'A row for each report'
junit\t'The verdicts of the gate as JUnit XML'
json\t'The report itself, for programs'"
complete -c effllm -n "__fish_effllm_using_subcommand report" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c effllm -n "__fish_effllm_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c effllm -n "__fish_effllm_using_subcommand completions" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand man" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand schema" -s h -l help -d 'Print help'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "run" -d 'Run a command unmodified, and report the metrics of its run'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "parse" -d 'Parse an existing log, and report its metrics'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "gate" -d 'Check a report against thresholds'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "compare" -d 'Compare reports: the changes, and which are statistically significant'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "monitor" -d 'Attach to a running process or log, and report its metrics'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "gpus" -d 'List the GPUs of this machine and what can be measured of each'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "profiles" -d 'List the built-in log profiles, or print one as a starting point'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "report" -d 'Render reports as a table, a web page, Markdown, CSV or JUnit XML'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "completions" -d 'Print the completions of a shell'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "man" -d 'Print effllm(1), or write every manual page into a folder'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "schema" -d 'Print the JSON Schema of the report'
complete -c effllm -n "__fish_effllm_using_subcommand help; and not __fish_seen_subcommand_from run parse gate compare monitor gpus profiles report completions man schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c effllm -n "__fish_effllm_using_subcommand help; and __fish_seen_subcommand_from profiles" -f -a "list" -d 'List each profile with its description'
complete -c effllm -n "__fish_effllm_using_subcommand help; and __fish_seen_subcommand_from profiles" -f -a "show" -d 'Print the rules of a profile'
