# shellcheck shell=sh
# Runs a temporary PostgreSQL server for as long as its standard input is open, then removes all traces of it.
# The input is a pipe from the test process, which the system closes however that process ends, kill -9 included.
#
# usage: sh -c "$(cat supervise.sh)" supervise DIRECTORY PROGRAMS [NAME=VALUE]...
# In DIRECTORY: data, the socket, log, `stopped` while a test has it stopped, and the file `ended` once the server has.
directory=$1 programs=$2
shift 2
for setting; do
    shift
    set -- "$@" -c "$setting"
done
trap '' HUP INT TERM
exec 3<&0

(
    # C.UTF-8 is not everywhere; C is, but knows the case of ASCII letters only.
    for locale in C.UTF-8 C; do
        rm -rf "$directory/data"
        "$programs/initdb" --pgdata="$directory/data" --username=postgres --auth=trust --encoding=UTF8 \
            --locale="$locale" --no-sync --no-instructions && break
    done
    cd "$directory/data" || exit
    # A test that stops the server writes `stop` before, and removes `stopped` to start it again. The one becomes the
    # other here, so that a test that starts it at once does not overtake this loop.
    while
        "$programs/postgres" -D "$directory/data" "$@"
        mv "$directory/stop" "$directory/stopped" 2>/dev/null
    do
        while [ -e "$directory/stopped" ]; do sleep 0.01; done
    done
) </dev/null >"$directory/log" 2>&1 3<&- &
server=$!

(
    cat <&3 >/dev/null
    # More than once, because initdb and a server that has hardly begun do not listen yet.
    tries=0
    until [ -e "$directory/ended" ] || [ "$tries" -ge 300 ]; do
        rm -f "$directory/stop" "$directory/stopped"
        kill -QUIT "$(head -n 1 "$directory/data/postmaster.pid")" 2>/dev/null
        tries=$((tries + 1))
        sleep 0.1
    done
) &

wait "$server"
: >"$directory/ended"
wait
cd /
rm -rf "$directory"
