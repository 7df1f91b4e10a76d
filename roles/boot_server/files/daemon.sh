#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Start, reload, restart or stop a daemon that no systemd looks after.
#
#   daemon.sh run|check start|reload|restart|stop PID_FILE CONFIG COMMAND [ARGUMENT...]
#
# Prints what it did, or with "check" would do; nothing where all was so already. COMMAND goes into
# the background on its own and writes PID_FILE. Start and reload belong into the daemon's network
# namespace: one that is left from an earlier namespace of the same name is replaced.
set -euo pipefail
mode=$1 verb=$2 pid_file=$3 config=$4
shift 4

# After a crash or a reboot the pid may be somebody else's; ours has the configuration on its command line.
is_running() {
    pid=$(cat "$pid_file" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    [[ " $(tr '\0=' '  ' 2>/dev/null < "/proc/$pid/cmdline") " == *" $config "* ]]
} 2>/dev/null

is_elsewhere() { [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

children() { cat "/proc/$pid/task/$pid/children" 2>/dev/null; }

# wait_until TENTHS_OF_A_SECOND COMMAND...
wait_until() {
    local tries=$1
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

is_ended() { ! is_running; }
# dnsmasq has its hosts in a file of their own.
is_stale() { [ "$config" -nt "$pid_file" ] || [ "${config%.conf}.hosts" -nt "$pid_file" ]; }
# Without workers, as dnsmasq is, a daemon reads its configuration only when it starts.
fresh_verb() { [ -n "$(children)" ] && echo reload || echo restart; }
has_new_children() { [ "$(children)" != "$before" ]; }

start() {
    "$@"
    wait_until 50 is_running || { echo "$1 has started, but $pid_file does not tell its process" >&2; exit 1; }
}

stop() {
    kill -TERM "$pid"
    wait_until 50 is_ended || kill -KILL "$pid"
    rm -f "$pid_file"
}

# nginx keeps its old workers, and says so in its log only, when it can't have the new configuration.
reload() {
    before=$(children)
    kill -HUP "$pid"
    [ -z "$before" ] || wait_until 50 has_new_children || { echo "$1 did not reload; see its error log" >&2; exit 1; }
    touch "$pid_file"
}

is_running && running=true || running=false
# A reload or restart that failed before, or was not come to, is still to be done.
[ "$verb:$running" != start:true ] || ! is_stale || verb=$(fresh_verb)
[ "$verb" = stop ] || ! $running || ! is_elsewhere || verb=restart
case $verb:$running in
    start:true | stop:false) exit 0 ;;
    reload:false | restart:false) verb=start ;;
esac
echo "$verb $1"
[ "$mode" = run ] || exit 0
case $verb in
    restart) stop; start "$@" ;;
    *) "$verb" "$@" ;;
esac
