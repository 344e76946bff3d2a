# Runs a command in the machine, in namespaces of its own, as `sh guest.sh KIND ID SCRIPT [SHARE]`:
# as root, over ssh. KIND is `command` or `shell`, ID the run's own, SCRIPT the text of the script
# that becomes the command, SHARE a folder to make before, which stays. Says nothing of its own.
kind=$1
run=/run/ipvlan-lab-$2
script=$3
share=${4:-}
set -e
mkdir -p "$run/bin" "$run/tools" ${share:+"$share"}
printf %s "$script" > "$run/command.sh"
printf '%s\n' KEEP= OVERLAY_OPTIONS= > "$run/native.conf"
cp "${0%/*}/native.sh" "$run"
set +e
set -- --net --mount --pid --fork --kill-child --mount-proc sh "$run/native.sh" "$run"

[ "$kind" = command ] || exec unshare "$@"
# The command has no input. Ours ends when nobody waits for the command any more.
exec 3<&0 < /dev/null
unshare "$@" 3<&- &
command=$!
(
  read -r _ <&3
  kill -KILL $command
  rm -rf ${share:+"$share"}
) > /dev/null 2>&1 &
watch=$!
wait $command
status=$?
kill $watch
# ssh has this status for failures of its own, too: the mark tells the two apart.
[ $status != 255 ] || : > "$run.255"
exit $status
