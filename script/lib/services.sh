# shellcheck shell=bash
# A throw-away PostgreSQL on a unix socket. Sourced after common.sh.
#
# start_postgres FOLDER sets postgres_url. The service dies with the shell that started it, however
# it ends (setpriv --pdeathsig); stop_services stops it cleanly. A Ctrl-C does not reach it
# (setsid): running tests stop first.

service_pids=()

# PostgreSQL refuses to run as root: then the package's own user runs it.
start_postgres() {
    local folder=$1 programs log=$1/log as_user=()
    programs=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)
    mkdir -m 700 "$folder"
    if [ "$(id -u)" -eq 0 ]; then
        chown postgres: "$folder"
        as_user=(setpriv --reuid postgres --regid postgres --init-groups)
    fi
    # Its files are thrown away, so they need not be durable. Only this user can enter the folder
    # with the socket, hence "trust".
    quietly "making a PostgreSQL cluster" "${as_user[@]}" env -C / LC_ALL=C.UTF-8 \
        "$programs/initdb" --no-sync --auth trust --username vmrep --pgdata "$folder/data"
    setsid "${as_user[@]}" setpriv --pdeathsig INT env -C / LC_ALL=C.UTF-8 \
        "$programs/postgres" -D "$folder/data" -c listen_addresses= \
        -c unix_socket_directories="$folder" -c fsync=off -c full_page_writes=off \
        >"$log" 2>&1 </dev/null &
    service_pids+=($!)
    wait_until_ready PostgreSQL "$!" "$log" "$programs/pg_isready" -q -h "$folder"
    quietly "making a PostgreSQL database" "$programs/createdb" -h "$folder" -U vmrep vmrep
    # Read by the scripts that source this file.
    # shellcheck disable=SC2034
    postgres_url="postgres://vmrep@/$folder/vmrep"
}

# wait_until_ready NAME PID LOG COMMAND…
wait_until_ready() {
    local name=$1 pid=$2 log=$3 attempt
    shift 3
    for ((attempt = 0; attempt < 300; attempt++)); do
        "$@" >/dev/null 2>&1 && return
        if ! kill -0 "$pid" 2>/dev/null; then
            cat "$log" >&2
            fail "$name did not start; its log is above"
        fi
        sleep 0.1
    done
    fail "$name did not answer within 30 seconds; see $log"
}

stop_services() {
    local pid
    for pid in "${service_pids[@]}"; do
        kill -INT "$pid" 2>/dev/null || true # already gone
    done
    wait "${service_pids[@]}" 2>/dev/null || true
    service_pids=()
}
