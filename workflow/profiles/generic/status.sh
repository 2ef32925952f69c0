#!/usr/bin/env bash
# running, success or failed, for the job with this id: what Snakemake asks of a batch system. For OpenPBS, whose
# history has to be on (qmgr -c "set server job_history_enable=true").
set -uo pipefail
told="$(qstat -x -f "$1" 2>/dev/null)" || { echo running; exit 0; } # a server that is busy does not end a job
state="$(sed -n 's/^ *job_state = //p' <<<"$told")"
code="$(sed -n 's/^ *Exit_status = //p' <<<"$told")"
case "$state" in
    F | C | X) if [[ "$code" == 0 ]]; then echo success; else echo failed; fi ;;
    *) echo running ;;
esac
