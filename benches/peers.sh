#!/usr/bin/env bash
# tete beside other programs that move a file, on the same file, in turn; one table of ratios.
#
#   benches/peers.sh                 what is installed, 512 MiB, 5 rounds after one to warm up; one or two minutes
#   SIZE=1024 ROUNDS=9 benches/peers.sh
#   TETE=/usr/local/bin/tete benches/peers.sh     another tete than the one built here
#   WHERE=/mnt/disk benches/peers.sh              another place than memory
#
# Everything goes over loopback, in a network of its own where that is allowed: nothing leaves this machine, no port is
# taken, and all programs get the same congestion control (reno: the usual one may pace loopback too). Servers are started
# with throw-away keys and settings, and ended by their numbers. What is measured is the time from the sender's start,
# with the receiver listening, until both have ended; what arrived is then compared with what was sent.
set -euo pipefail
cd "$(dirname "$0")/.."

SIZE=${SIZE:-512}   # MiB
ROUNDS=${ROUNDS:-5}
WHERE=${WHERE:-/dev/shm}
ADDRESS=127.0.0.1

if [[ -z ${TETE:-} ]]; then
    cargo build --release --quiet
    TETE=${CARGO_TARGET_DIR:-target}/release/tete
fi
TETE=$(realpath "$TETE")

# Begins again in a network of its own. `PEERS_NETWORK` says whether that is the second time.
if [[ -z ${PEERS_NETWORK:-} ]]; then
    own=(unshare --net)
    ((EUID == 0)) || own=(unshare --net --map-root-user)
    setup='ip link set lo up && echo reno >/proc/sys/net/ipv4/tcp_congestion_control && exec "$@"'
    export TETE SIZE ROUNDS WHERE
    if "${own[@]}" sh -c "$setup" sh true 2>/dev/null; then
        PEERS_NETWORK=own exec "${own[@]}" sh -c "$setup" sh "$PWD/benches/peers.sh"
    fi
    PEERS_NETWORK=shared
fi

work=$(mktemp -d "$WHERE/tete-peers-XXXXXX")
servers=() receiver=""
clean() {
    # Each by its own number; those that have ended are no matter.
    for number in "${servers[@]}" $receiver; do kill "$number" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
source="$work/source" into="$work/into" log="$work/log"
mkdir "$into" "$work/home"
head -c "${SIZE}M" /dev/urandom >"$source"

# Waits until somebody listens at a port of this machine: states and ports as the kernel writes them.
await() {
    local hex tries=0
    hex=$(printf ':%04X 0*:0000 0A' "$1")
    until grep -qE "$hex" /proc/net/tcp /proc/net/tcp6 2>/dev/null; do
        ((++tries < 1000)) || { echo "nobody listens at $1; $(tail -2 "$log")" >&2; return 1; }
        sleep 0.01
    done
}

# Each peer has a name in the table, says whether it is there, and moves "$source" to "$arrived" over port $1: `receive_*`
# in the background, `send_*` in front. Those with a server that stays have `serve_*` instead of `receive_*`.
arrived="$into/source"

receive_plain() { "$TETE" --plain -l "$ADDRESS:$1" -d "$into" --prefix "" --no-sync --quiet </dev/null; }
send_plain() { "$TETE" --plain --quiet "$ADDRESS:$1" --send "$source"; }
receive_encrypted() { "$TETE" --config-dir "$work/home" -l "$ADDRESS:$1" -d "$into" --prefix "" --no-sync --quiet </dev/null; }
send_encrypted() { "$TETE" --config-dir "$work/home" --quiet "$ADDRESS:$1" --send "$source"; }

receive_nc() { nc -l "$ADDRESS" "$1" >"$arrived"; }
send_nc() { nc -N "$ADDRESS" "$1" <"$source"; }

receive_socat() { socat -u -b1048576 "TCP-LISTEN:$1,bind=$ADDRESS" "CREATE:$arrived"; }
send_socat() { socat -u -b1048576 "OPEN:$source" "TCP:$ADDRESS:$1"; }

# As an exercise would have it: blocking, a kilobyte at a time.
cat >"$work/classroom.py" <<'END'
import socket
import sys

what, address, port, path = sys.argv[1:]
if what == "receive":
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, int(port)))
    server.listen()
    connection, _ = server.accept()
    with open(path, "wb") as file:
        while data := connection.recv(1024):
            file.write(data)
else:
    connection = socket.socket()
    connection.connect((address, int(port)))
    with open(path, "rb") as file:
        while data := file.read(1024):
            connection.sendall(data)
    connection.close()
END
receive_python() { python3 "$work/classroom.py" receive "$ADDRESS" "$1" "$arrived"; }
send_python() { python3 "$work/classroom.py" send "$ADDRESS" "$1" "$source"; }

# Two calls of the system and hardly anything besides: what moving a file costs where nothing is checked.
cat >"$work/least.py" <<'END'
import fcntl
import os
import socket
import sys

PIECE = 1 << 20

what, address, port, path = sys.argv[1:]
if what == "receive":
    server = socket.create_server((address, int(port)))
    connection, _ = server.accept()
    out_of, into = os.pipe()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIECE)
    with open(path, "wb") as file:
        while left := os.splice(connection.fileno(), into, PIECE):
            while left > 0:
                left -= os.splice(out_of, file.fileno(), left)
else:
    connection = socket.create_connection((address, int(port)))
    with open(path, "rb") as file:
        at = 0
        while moved := os.sendfile(connection.fileno(), file.fileno(), at, PIECE):
            at += moved
END
receive_least() { python3 "$work/least.py" receive "$ADDRESS" "$1" "$arrived"; }
send_least() { python3 "$work/least.py" send "$ADDRESS" "$1" "$source"; }

serve_rsync() {
    printf '%s\n' 'use chroot = no' "uid = $(id -u)" "gid = $(id -g)" "lock file = $work/lock" '[into]' "path = $into" \
        'read only = no' >"$work/rsyncd.conf"
    exec rsync --daemon --no-detach --config="$work/rsyncd.conf" --address="$ADDRESS" --port="$1"
}
send_rsync() { rsync --whole-file --inplace "$source" "rsync://$ADDRESS:$1/into/"; }

# AES-GCM of 128 bits is the fastest cipher where the processor knows AES.
cipher=aes128-gcm@openssh.com
serve_scp() {
    ssh-keygen -q -t ed25519 -N '' -f "$work/host"
    ssh-keygen -q -t ed25519 -N '' -f "$work/user"
    # It refuses to start without this folder when the system has not started it before.
    ((EUID != 0)) || mkdir -p /run/sshd
    printf '%s\n' "HostKey $work/host" "AuthorizedKeysFile $work/user.pub" 'StrictModes no' 'PidFile none' 'UsePAM no' \
        "Ciphers $cipher" 'PermitRootLogin prohibit-password' 'Subsystem sftp internal-sftp' >"$work/sshd_config"
    exec "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$work/sshd_config" -o "ListenAddress=$ADDRESS:$1"
}
scp_over() {
    scp -q -F none -c "$cipher" -i "$work/user" -o StrictHostKeyChecking=no -o "UserKnownHostsFile=$work/hosts" \
        -o IdentitiesOnly=yes -o BatchMode=yes -P "$1" "$2" "$3"
}
send_scp() { scp_over "$1" "$source" "$(id -un)@$ADDRESS:$arrived"; }
# The same server, and whoever wants the file calls.
send_fetch() { scp_over "${port[scp]}" "$(id -un)@$ADDRESS:$source" "$arrived"; }

# It moves no file, but as many bytes from memory to memory: what a file could be at most.
receive_iperf3() { iperf3 -s -1 -B "$ADDRESS" -p "$1"; }
send_iperf3() { iperf3 -c "$ADDRESS" -p "$1" -n "${SIZE}M"; }

declare -A title=(
    [plain]="tete --plain" [encrypted]="tete" [nc]="nc" [socat]="socat -b1048576" [python]="classroom program, Python"
    [rsync]="rsync daemon -W --inplace" [scp]="scp -c $cipher" [fetch]="scp, fetching" [iperf3]="iperf3 (from and to memory)"
    [least]="sendfile and splice alone"
)
peers=(plain encrypted) skipped=()
for peer in nc socat python rsync scp fetch iperf3 least; do
    case $peer in
        python) needs=(python3) ;;
        least)
            needs=(python3)
            if ! python3 -c 'import os, fcntl; os.splice, os.sendfile, fcntl.F_SETPIPE_SZ' 2>/dev/null; then
                skipped+=("${title[least]} (Linux and Python 3.10)")
                continue
            fi
            ;;
        scp | fetch) needs=(scp ssh-keygen /usr/sbin/sshd) ;;
        *) needs=("$peer") ;;
    esac
    missing=()
    for program in "${needs[@]}"; do command -v "$program" >/dev/null || missing+=("$program"); done
    if ((${#missing[@]} > 0)); then skipped+=("$peer (not installed)"); else peers+=("$peer"); fi
done
# Both meet over servers of others. Nothing is to leave this machine, and with relays of one's own they are other programs.
for peer in croc wormhole; do
    if command -v "$peer" >/dev/null; then skipped+=("$peer (needs a relay)"); else skipped+=("$peer (not installed)"); fi
done

# Starts what stays.
declare -A port
next=20000
for peer in "${peers[@]}"; do
    port[$peer]=$((next++))
    if declare -F "serve_$peer" >/dev/null; then
        ("serve_$peer" "${port[$peer]}") >>"$log" 2>&1 &
        servers+=($!)
        await "${port[$peer]}"
    fi
done

# Moves the file once, and says how many seconds it took.
once() {
    local peer=$1 before after
    rm -f "$arrived"
    if declare -F "receive_$peer" >/dev/null; then
        "receive_$peer" "${port[$peer]}" >>"$log" 2>&1 &
        receiver=$!
        await "${port[$peer]}"
    fi
    before=${EPOCHREALTIME/[.,]/}
    "send_$peer" "${port[$peer]}" >>"$log" 2>&1 || { echo "$peer failed: $(tail -3 "$log")" >&2; return 1; }
    [[ -z $receiver ]] || wait "$receiver" || { echo "$peer's receiver failed: $(tail -3 "$log")" >&2; return 1; }
    receiver=""
    after=${EPOCHREALTIME/[.,]/}
    [[ $peer == iperf3 ]] || cmp "$source" "$arrived"
    took=$((after - before)) # µs
}

for ((round = 0; round <= ROUNDS; round++)); do
    for ((turn = 0; turn < ${#peers[@]}; turn++)); do
        # Each comes first in its turn; the first round warms up.
        peer=${peers[$(((turn + round) % ${#peers[@]}))]}
        [[ ! -t 2 ]] || printf '\r\e[K-- round %d of %d: %s' "$round" "$ROUNDS" "${title[$peer]}" >&2
        once "$peer"
        ((round == 0)) || echo "$took" >>"$work/took-$peer"
    done
done
[[ ! -t 2 ]] || printf '\r\e[K' >&2

# GB/s from the sorted times of a peer: the middle one (of an even number the slower), the slowest, the fastest.
speeds() {
    sort -n "$work/took-$1" | awk -v bytes="$((SIZE * 1048576))" '
        { took[NR] = $1 }
        END { printf "%.6f %.6f %.6f", bytes / took[int(NR / 2) + 1] / 1e3, bytes / took[NR] / 1e3, bytes / took[1] / 1e3 }'
}
read -r plain _ < <(speeds plain && echo)
read -r encrypted _ < <(speeds encrypted && echo)

processors=$(nproc)
echo "$("$TETE" --version), $(uname -sr), $processors processors, load $(cut -d' ' -f1 /proc/loadavg), $(date +%Y-%m-%d)"
echo "$SIZE MiB from $WHERE to $WHERE, $ROUNDS rounds in turn after one to warm up; network: $PEERS_NETWORK," \
    "$(cat /proc/sys/net/ipv4/tcp_congestion_control)"
printf '\n%-36s %6s   %-13s %12s %12s\n' '' 'GB/s' 'least - most' 'tete --plain' 'tete'
for peer in "${peers[@]}"; do
    read -r middle least most < <(speeds "$peer" && echo)
    awk -v title="${title[$peer]}" -v m="$middle" -v l="$least" -v f="$most" -v p="$plain" -v e="$encrypted" 'BEGIN {
        printf "%-36s %6.2f   %5.2f - %5.2f %10.2f x %10.2f x\n", title, m, l, f, p / m, e / m }'
done
((${#skipped[@]} == 0)) || printf '\nskipped:%s\n' "$(printf ' %s,' "${skipped[@]}" | sed 's/,$//')"
