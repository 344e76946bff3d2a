# Runs a command in a Vagrant machine, in fresh namespaces: `sh guest.sh KIND ID SCRIPT [SHARE]`.
# The lab runs it as root, over ssh. KIND is `command` or `shell`. ID names the run. SCRIPT is the
# text of the script that becomes the command. SHARE is a folder to make first; it stays. This
# script itself prints nothing.
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
# The command has no input. When our own input ends, the lab no longer waits for the command.
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
# ssh exits with 255 when ssh itself fails. This file says that the command did.
[ $status != 255 ] || : > "$run.255"
exit $status
